"""The estimate against the tensors of the real engine and of a real forward."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rank_helpers import run_ranks
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    Qwen3Config,
    T5Config,
)

from hunmin.errors import InputError
from tools.gpu_check.check_job import make_job
from trainer.batches.packs import Batch, Pack, inputs_of, join
from trainer.batches.targets import next_token_targets
from trainer.config import TrainConfig
from trainer.job import base_folder
from trainer.model.attention import implementation
from trainer.model.packed_model import PackedCausalLM
from trainer.plan import memory
from trainer.plan.activations import activation_bytes, score_bytes

SIZES: dict[str, Any] = {
    "vocab_size": 600,
    "hidden_size": 64,
    "intermediate_size": 192,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}
CONFIGS = {
    "llama": LlamaConfig(**SIZES),
    "llama_tied": LlamaConfig(**SIZES, tie_word_embeddings=True),
    "qwen3": Qwen3Config(**SIZES),
    "gemma3": Gemma3TextConfig(**SIZES),
}
RATIO = (0.9, 1.1)  # estimated over measured


def held_and_estimated(root: Path) -> tuple[dict[str, int], dict[str, int]]:
    from trainer import loop
    from trainer.engine.ranks import join_ranks

    with join_ranks(timeout_s=60) as me:
        # 34: parameters that the ranks do not divide
        sizes = {"hidden_size": 34, "num_layers": 2, "num_heads": 1, "vocab_size": 512}
        if me.is_first:
            make_job(root, sizes=sizes, seq_len=64, global_batch_size=2)
        me.barrier()
        job = make_job(root, sizes=sizes, seq_len=64, global_batch_size=2)
        engine, _ = loop.set_up(job, me)
        guess = memory.estimate(
            AutoConfig.from_pretrained(base_folder(job)),
            seq_len=64,
            micro_batch_size=1,
            world_size=me.world_size,
            dtype=me.dtype,
        )
        return engine.local_bytes(), guess.as_dict()


def test_states_are_those_of_the_engine(tmp_path: Path) -> None:
    for held, guess in run_ranks(held_and_estimated, 2, tmp_path):
        assert held["parameters"] == guess["parameters"]
        assert held["gradients"] == guess["gradients"]
        padding = 64 * 4  # bytes: a flat group's alignment
        assert 0 <= held["masters"] - guess["masters"] <= 2 * padding
        assert 0 <= held["moments"] - guess["moments"] <= 4 * padding


def a_batch(num_tokens: int) -> Batch:
    ids = np.arange(num_tokens) % 600
    labels = np.where(np.arange(num_tokens) < num_tokens // 2, -100, ids)
    lengths = np.full(4, num_tokens // 4)
    return join([Pack(ids, labels, lengths, np.zeros(4, np.int32), np.arange(4), np.ones(4))])


def saved_bytes(model: PackedCausalLM, batch: Batch) -> int:
    """Bytes of all storages that autograd keeps for the backward, the model's own left out."""
    own = [*model.parameters(), *model.buffers()]
    known = {tensor.untyped_storage().data_ptr() for tensor in own}
    kept: list[torch.Tensor] = []  # alive, so that no address is used twice

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(*inputs_of(batch, *next_token_targets(batch.labels, batch.cu_seqlens)))
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage() for tensor in kept}
    return sum(storage.nbytes() for address, storage in storages.items() if address not in known)


def packed(config: Any, dtype: torch.dtype) -> PackedCausalLM:
    attention = implementation(torch.device("cpu"))
    lm = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention)
    return PackedCausalLM(lm, max_logits_bytes=2**30)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", CONFIGS)
def test_activations_are_what_autograd_keeps(name: str, dtype: torch.dtype) -> None:
    config = CONFIGS[name]
    model = packed(config, dtype)
    tokens = 256
    guess, recomputed = activation_bytes(
        config, memory.parameter_shapes(config), tokens=tokens, itemsize=dtype.itemsize
    )
    assert recomputed == 0
    num_targets = tokens // 2 - 2  # the first of a segment is nobody's
    kept_of_loss = num_targets * (config.hidden_size * dtype.itemsize + config.vocab_size * 4)
    ratio = (guess + kept_of_loss) / saved_bytes(model, a_batch(tokens))
    assert RATIO[0] <= ratio <= RATIO[1], ratio


def test_recomputed_layers_keep_their_inputs() -> None:
    config, tokens = CONFIGS["qwen3"], 256
    model = packed(config, torch.float32)
    model.lm.activation_checkpointing_enable({"use_reentrant": True})
    model.lm.enable_input_require_grads()
    shapes = memory.parameter_shapes(config)
    kept, _ = activation_bytes(config, shapes, tokens=tokens, itemsize=4, recompute="all")
    kept_of_loss = (tokens // 2 - 2) * 4 * (config.hidden_size + config.vocab_size)
    ratio = (kept + kept_of_loss) / saved_bytes(model, a_batch(tokens))
    assert RATIO[0] <= ratio <= RATIO[1], ratio


def test_adapters_alone_have_states() -> None:
    config = CONFIGS["llama"]
    train = TrainConfig.model_validate({"lora": {"rank": 4, "target_modules": ["q_proj"]}})
    found = memory.estimate(
        config, seq_len=128, micro_batch_size=1, world_size=1, dtype=torch.float32, train=train
    )
    adapters = 3 * 4 * (64 + 64)  # layers x rank x (in + out)
    assert found.masters == found.gradients == 4 * adapters
    assert found.parameters == 4 * (sum(map(math.prod, memory.parameter_shapes(config).values())) + adapters)


def test_shared_parameters_count_once() -> None:
    tied, untied = (memory.parameter_shapes(CONFIGS[name]) for name in ("llama_tied", "llama"))
    assert untied.keys() - tied.keys() == {"lm_head.weight"}


def test_more_ranks_need_less_each_and_a_known_model_is_as_computed_by_hand() -> None:
    config = LlamaConfig(vocab_size=1000, hidden_size=128, intermediate_size=512, num_hidden_layers=2)
    one, four = (
        memory.estimate(config, seq_len=128, micro_batch_size=2, world_size=n, dtype=torch.bfloat16)
        for n in (1, 4)
    )
    elements = sum(torch.Size(shape).numel() for shape in memory.parameter_shapes(config).values())
    assert one.states == elements * (2 + 4 + 4 + 8)
    assert four.states * 4 == one.states
    assert (one.gathered, four.gathered) == (0, elements * 2)
    assert one.logits == 256 * (128 * 2 + 1000 * (2 + 4 + 4))
    assert one.in_flight == 1000 * 128 * 2 + elements * 4, (
        "the largest, and all of them in fp32: they fit the bucket"
    )
    assert one.peak == one.states + one.bucket + one.activations + one.logits + one.in_flight


def test_what_is_offloaded_lies_on_the_host() -> None:
    config = CONFIGS["llama"]
    zero = {"offload_optimizer": True, "offload_param": True}
    kept, moved = (
        memory.estimate(
            config,
            seq_len=128,
            micro_batch_size=1,
            world_size=2,
            dtype=torch.bfloat16,
            train=TrainConfig.model_validate({"zero": told}),
        )
        for told in ({}, zero)
    )
    assert kept.host == kept.saved_copies == 3 * kept.masters
    assert moved.host == kept.states + kept.masters + kept.saved_copies, "gradients stand there twice"
    assert moved.peak == kept.peak - kept.states, "no moment of the step needs less"


def test_second_slices_of_hpz_are_as_many_as_its_ranks_leave() -> None:
    config = CONFIGS["llama"]
    train = TrainConfig.model_validate({"zero": {"hpz_partition_size": 4}})
    found = memory.estimate(
        config, seq_len=128, micro_batch_size=1, world_size=8, dtype=torch.bfloat16, train=train
    )
    assert found.secondary == memory.count(memory.parameter_shapes(config).values()) * 2 // 4
    without = memory.estimate(config, seq_len=128, micro_batch_size=1, world_size=8, dtype=torch.bfloat16)
    assert found.peak - without.peak == found.secondary


def test_scores_and_masks_grow_with_squares_where_no_kernel_spares_them() -> None:
    capped = Gemma2Config(**SIZES, attn_logit_softcapping=50.0, sliding_window=8)
    windowed = Gemma3TextConfig(**SIZES, sliding_window=8)
    told: dict[str, Any] = {"sum_of_squares": 1000, "longest": 30, "itemsize": 2}
    assert score_bytes(capped, **told) == 3 * 1000 * (4 * 8 + 1)
    sliding = list(windowed.layer_types or ()).count("sliding_attention")
    assert score_bytes(windowed, **told) == sliding * 1000 * 2
    assert score_bytes(windowed, sum_of_squares=1000, longest=8, itemsize=2) == 0
    assert score_bytes(CONFIGS["llama"], **told) == 0
    assert score_bytes(capped, **told, recompute="all") == 1000 * (4 * 8 + 1)
    spared = memory.estimate(
        capped, seq_len=64, micro_batch_size=1, world_size=1, dtype=torch.bfloat16, keeps_scores=False
    )
    assert spared.scores == 0


def test_a_model_of_another_family_is_estimated_and_one_that_is_not_causal_refused() -> None:
    gpt = GPT2Config(vocab_size=600, n_embd=64, n_layer=3, n_head=4)
    found = memory.estimate(gpt, seq_len=64, micro_batch_size=1, world_size=1, dtype=torch.float32)
    assert found.activations > 3 * 64 * 4 * 4 * (4 * 64), "an MLP of four times the width in each layer"
    with pytest.raises(InputError, match="T5Config is of no causal language model"):
        memory.parameter_shapes(T5Config())
