"""A pack's loss is the sum of its rows' losses alone, and no segment sees another, on every architecture."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from rank_helpers import make_packs
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedModel,
    Qwen3Config,
)

from hunmin.errors import InputError
from hunmin.schema import IGNORE_INDEX
from trainer.batches.packs import Batch, Pack, inputs_of, join
from trainer.batches.targets import next_token_targets
from trainer.model.attention import implementation, segmented_sdpa
from trainer.model.packed_model import PackedCausalLM

SIZES: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
}
CONFIGS = {
    "llama": LlamaConfig(**SIZES),
    "qwen3": Qwen3Config(**SIZES),
    "mistral_window": MistralConfig(**SIZES, sliding_window=7),
    "gemma3_window": Gemma3TextConfig(
        **SIZES, sliding_window=7, layer_types=["sliding_attention", "full_attention"]
    ),
}


@pytest.fixture(params=CONFIGS)
def models(request: pytest.FixtureRequest) -> tuple[PackedCausalLM, PreTrainedModel]:
    """The same random weights behind our attention and behind transformers' own."""
    config = deepcopy(CONFIGS[request.param])  # from_config writes into it
    torch.manual_seed(0)
    plain = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()
    for parameter in plain.parameters():  # away from the tame initial values, so that a leak is loud
        parameter.data.mul_(3)
    ours = AutoModelForCausalLM.from_config(
        deepcopy(config), attn_implementation=implementation(torch.device("cpu"))
    ).eval()
    ours.load_state_dict(plain.state_dict())
    return PackedCausalLM(ours), plain


def a_pack() -> Pack:
    table = make_packs(1, seq_len=64, seed=5)
    row = table.to_pylist()[0] | {"weights": [1] * len(table["rows"][0])}
    return Pack(*(np.array(row[name], np.int32) for name in Pack._fields))


def losses(model: PackedCausalLM, batch: Batch) -> torch.Tensor:
    return model(*inputs_of(batch, *next_token_targets(batch.labels, batch.cu_seqlens)))


def logits(model: PackedCausalLM, batch: Batch) -> torch.Tensor:
    return model.lm(
        input_ids=batch.input_ids[None],
        position_ids=batch.position_ids[None],
        use_cache=False,
        cu_seq_lens_q=batch.cu_seqlens,
    ).logits[0]


@torch.no_grad()
def test_pack_equals_rows_alone(models: tuple[PackedCausalLM, PreTrainedModel]) -> None:
    ours, plain = models
    batch = join([a_pack(), a_pack()])  # two packs in one micro-batch, too
    alone = torch.zeros((), dtype=torch.float64)
    for start, stop in zip(batch.cu_seqlens[:-1], batch.cu_seqlens[1:], strict=True):
        ids, labels = batch.input_ids[start:stop], batch.labels[start:stop]
        row_logits = plain(ids[None]).logits[0]
        alone += torch.nn.functional.cross_entropy(
            row_logits[:-1], labels[1:], reduction="sum", ignore_index=IGNORE_INDEX
        ).double()
    packed = losses(ours, batch).double().sum()
    assert len(batch.cu_seqlens) > 6
    assert abs(packed / alone - 1) <= 1e-5


@torch.no_grad()
def test_a_neighbour_changes_nothing(models: tuple[PackedCausalLM, PreTrainedModel]) -> None:
    ours, _ = models
    batch = join([a_pack()])
    middle = slice(int(batch.cu_seqlens[1]), int(batch.cu_seqlens[2]))
    before = logits(ours, batch)
    changed_ids = batch.input_ids.clone()
    changed_ids[middle] = (changed_ids[middle] + 1) % 300
    after = logits(ours, batch._replace(input_ids=changed_ids))
    others = torch.ones(len(changed_ids), dtype=torch.bool)
    others[middle] = False
    assert torch.equal(before[others], after[others])
    assert not torch.equal(before[middle], after[middle])


@torch.no_grad()
def test_a_position_sees_no_later_one(models: tuple[PackedCausalLM, PreTrainedModel]) -> None:
    ours, _ = models
    batch = join([a_pack()])
    last = int(batch.cu_seqlens[1]) - 1
    before = logits(ours, batch)
    changed_ids = batch.input_ids.clone()
    changed_ids[last] = (changed_ids[last] + 1) % 300
    after = logits(ours, batch._replace(input_ids=changed_ids))
    assert torch.equal(before[:last], after[:last])


def stock_difference(plain: PreTrainedModel, **how: Any) -> float:
    """How far stock transformers is from ours on one packed sequence, given these arguments."""
    torch.manual_seed(0)
    batch = join([a_pack()])
    starts = batch.cu_seqlens[:-1].long()
    packed = plain(input_ids=batch.input_ids[None], position_ids=batch.position_ids[None], **how).logits[0]
    alone = torch.cat(
        [
            plain(batch.input_ids[a:b][None]).logits[0]
            for a, b in zip(starts, batch.cu_seqlens[1:], strict=True)
        ]
    )
    return float((packed - alone).abs().max())


def block_mask(batch: Batch) -> torch.Tensor:
    """True where a position may look: earlier ones of its own segment. (1, 1, tokens, tokens)."""
    segments = torch.searchsorted(batch.cu_seqlens[1:], torch.arange(len(batch.input_ids)), right=True)
    same = segments[:, None] == segments[None, :]
    return torch.tril(same)[None, None]


@torch.no_grad()
@pytest.mark.parametrize(
    ("attention", "how"),
    [
        ("sdpa", {"use_cache": False, "attention_mask": torch.ones(1, len(join([a_pack()]).input_ids))}),
        ("sdpa", {"use_cache": True}),
        # Eager adds the mask to the scores: True and False become one and zero, and nothing is hidden.
        ("eager", {"use_cache": False, "attention_mask": block_mask(join([a_pack()]))}),
    ],
    ids=["all-ones mask", "default cache", "eager with a bool mask"],
)
def test_the_known_leaks_are_real_and_ours_has_none(attention: str, how: dict[str, Any]) -> None:
    """Why the model is called as it is: each of these quietly lets segments see each other."""
    torch.manual_seed(0)
    plain = AutoModelForCausalLM.from_config(deepcopy(CONFIGS["llama"]), attn_implementation="sdpa").eval()
    for parameter in plain.parameters():
        parameter.data.mul_(3)
    plain.set_attn_implementation(attention)
    assert stock_difference(plain, **how) > 1e-2
    plain.set_attn_implementation(implementation(torch.device("cpu")))
    batch = join([a_pack()])
    ours = logits(PackedCausalLM(plain), batch)
    plain.set_attn_implementation("sdpa")
    alone = torch.cat(
        [plain(ids[None]).logits[0] for ids in batch.input_ids.split(batch.cu_seqlens.diff().tolist())]
    )
    assert float((ours - alone).abs().max()) <= 2e-5 * float(alone.abs().max())


def test_attention_we_cannot_compute_is_refused() -> None:
    query = torch.randn(1, 2, 4, 8)
    with pytest.raises(InputError, match="position_bias"):
        segmented_sdpa(
            torch.nn.Module(),
            query,
            query,
            query,
            None,
            cu_seq_lens_q=torch.tensor([0, 4], dtype=torch.int32),
            position_bias=30.0,
        )
