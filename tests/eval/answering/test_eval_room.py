"""How many GPUs a copy of a model takes: sizes by hand, and what is refused with what would fit."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen3Config

from eval.answering.choice import choose
from eval.answering.room import GIB, NO_GPUS, Gpus, gpus_per_model, sizes
from eval.config import EvalConfig
from eval.engines import engine_of
from eval.engines.hf import device_map
from hunmin.errors import GateError

BF16 = torch.bfloat16
LLAMA_70B = LlamaConfig(
    hidden_size=8192,
    intermediate_size=28672,
    num_hidden_layers=80,
    num_attention_heads=64,
    num_key_value_heads=8,
    vocab_size=128256,
    tie_word_embeddings=False,
)
H100 = Gpus((8,), memory_bytes=80 * GIB, capability=(9, 0))


def needed_gpus(
    gpus: Gpus, *, engine: str = "hf", model: LlamaConfig = LLAMA_70B, batch_size: int = 16
) -> int:
    return gpus_per_model(
        model,
        engine=engine_of(engine),
        gpus=gpus,
        dtype=BF16,
        batch_size=batch_size,
        prompt_tokens=1024,
        new_tokens=256,
    )


def test_sizes_by_hand() -> None:
    model = LlamaConfig(
        hidden_size=8,
        intermediate_size=10,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=50,
        tie_word_embeddings=False,
    )
    found = sizes(model, dtype=BF16, prompt_tokens=5, new_tokens=2)
    layer = 8 * 8 + 2 * 8 * 4 + 8 * 8 + 3 * 8 * 10 + 2 * 8  # q; k and v; o; gate, up, down; two norms
    assert found.in_layers == 2 * 3 * layer
    assert found.outside == 2 * (2 * 50 * 8 + 8)
    cache = (
        2 * 2 * 2 * 2 * (5 + 2 + 128)
    )  # keys and values, two heads of two numbers, two bytes, tokens and room
    assert found.cache_each == 3 * cache
    assert found.working_each == 2 * 5 * (6 * 8 + 3 * 10) + 2 * 25 + 8 * 50 + cache
    tied = sizes(replace_tied(model), dtype=BF16, prompt_tokens=5, new_tokens=2)
    assert tied.outside == 2 * (50 * 8 + 8)
    assert found.on_one_of(1, num_sequences=4) == (
        found.in_layers + found.outside + 4 * (found.cache_each + found.working_each)
    )


def replace_tied(model: LlamaConfig) -> LlamaConfig:
    return LlamaConfig(**{**model.to_dict(), "tie_word_embeddings": True})


def test_70b_on_gpus_of_80_gib() -> None:
    """141 GB of weights in bf16: two GPUs hold them and no answers; vLLM divides by heads, so by 4, not 3."""
    assert needed_gpus(H100) == 3
    assert needed_gpus(H100, engine="vllm") == 4
    assert needed_gpus(H100, engine="vllm_server") == 4
    assert needed_gpus(replace(H100, memory_bytes=192 * GIB)) == 1


def test_small_models_and_unknown_gpus_take_one_and_cpus_none() -> None:
    small = LlamaConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    assert needed_gpus(H100, model=small) == 1
    assert needed_gpus(replace(H100, memory_bytes=None)) == 1
    assert needed_gpus(NO_GPUS) == 0


def test_what_does_not_fit_is_refused_with_what_would() -> None:
    two = replace(H100, per_node=(2, 1))
    with pytest.raises(GateError) as refused:
        needed_gpus(two)
    said = str(refused.value)
    assert refused.value.exit_code == 3
    assert "a node has 2 GPU(s) of 80.0 GiB, of which 85% are counted on" in said
    assert "a node with 3 of these GPUs" in said
    assert "\n" not in said
    with pytest.raises(GateError, match=r"would fit: eval\.batch_size: 8, or a node with 2 of these"):
        needed_gpus(Gpus((1,), memory_bytes=165 * GIB), batch_size=64)
    # What is advised does fit.
    assert needed_gpus(Gpus((1,), memory_bytes=165 * GIB), batch_size=8) == 1


def test_the_choice_is_made_before_a_model_is_loaded() -> None:
    config = EvalConfig.model_validate({"engine": "hf", "batch_size": 16, "max_new_tokens": 256})
    found = choose(config, LLAMA_70B, prompt_tokens=1024, gpus=H100)
    assert (found.engine, found.dtype, found.gpus_per_model) == ("hf", "bfloat16", 3)
    with pytest.raises(GateError, match="a copy of the model"):
        choose(config, LLAMA_70B, prompt_tokens=1024, gpus=replace(H100, per_node=(2, 2)))
    on_cpus = choose(config, LLAMA_70B, prompt_tokens=1024, gpus=NO_GPUS)
    assert (on_cpus.dtype, on_cpus.gpus_per_model) == ("float32", 0)


@pytest.mark.parametrize("num_gpus", [2, 3, 5, 8])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("vocab_size", [200, 20_000])
def test_no_gpu_gets_more_weights_than_is_counted_on(
    num_gpus: int, tied: bool, vocab_size: int, tmp_path: Path
) -> None:
    """Against the places of the modules that the engine hf asks for; no layer is cut."""
    model = Qwen3Config(
        hidden_size=64,
        intermediate_size=256,
        num_hidden_layers=9,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        vocab_size=vocab_size,
        tie_word_embeddings=tied,
    )
    model.save_pretrained(tmp_path)
    devices = tuple(f"cuda:{index}" for index in range(num_gpus))
    places = device_map(str(tmp_path), devices=devices)
    with torch.device("meta"):
        built = AutoModelForCausalLM.from_config(model, dtype=BF16)
    built.tie_weights()
    held = dict.fromkeys(devices, 0)
    for name, parameter in built.named_parameters():
        module = next(module for module in places if f"{name}.".startswith(f"{module}."))
        held[places[module]] += parameter.nbytes
    counted = sizes(model, dtype=BF16, prompt_tokens=1, new_tokens=1)
    assert max(held.values()) <= counted.on_one_of(num_gpus, num_sequences=0)
    assert min(held.values()) > 0
    assert counted.on_one_of(1, num_sequences=0) == sum(held.values())
    assert not [name for name in places if name.count(".") > 2], "a layer is cut"
    assert {places[name] for name in ("model.embed_tokens", "model.norm", "lm_head")} == {"cuda:0"}
