"""Which kernel computes attention, and that what torch's is told means what ours does."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import (
    AutoModelForCausalLM,
    DeepseekV3Config,
    Gemma2Config,
    Gemma3TextConfig,
    GptOssConfig,
    LlamaConfig,
    MistralConfig,
    Qwen3Config,
)

from trainer.model import attention
from trainer.model.attention import FLASH, SEGMENTED, VARLEN, Asks, implementation, why_segmented
from trainer.model.packed_model import PackedCausalLM

CUDA, META = torch.device("cuda", 0), torch.device("meta")
SIZES: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
CONFIGS = {
    "llama": LlamaConfig(**SIZES),
    "qwen3": Qwen3Config(**SIZES),
    "mistral_window": MistralConfig(**SIZES, sliding_window=3),
    "gemma3_window": Gemma3TextConfig(
        **SIZES, sliding_window=3, layer_types=["sliding_attention", "full_attention"]
    ),
}
LENGTHS = [7, 1, 4, 9]


@pytest.mark.parametrize(
    ("package", "capability", "dtype", "asks", "wanted", "why"),
    [
        (True, (8, 0), torch.bfloat16, Asks(), FLASH, None),
        (True, (9, 0), torch.float32, Asks(), SEGMENTED, "train.precision is fp32"),
        (True, (7, 5), torch.bfloat16, Asks(), SEGMENTED, "need an Ampere"),
        (
            False,
            (9, 0),
            torch.bfloat16,
            Asks(),
            VARLEN,
            None,
        ),  # transformers would fetch a kernel from the hub
        (True, (9, 0), torch.bfloat16, Asks(flash_attn=False), VARLEN, None),  # transformers would refuse it
        (True, (9, 0), torch.bfloat16, Asks(softcap=True), FLASH, None),
        (False, (9, 0), torch.bfloat16, Asks(softcap=True), SEGMENTED, "caps no scores"),
        (False, (9, 0), torch.bfloat16, Asks(dropout=True), SEGMENTED, "no dropout"),
        (False, (9, 0), torch.bfloat16, Asks(head_dims=(20,)), SEGMENTED, "no heads of"),
        (False, (9, 0), torch.bfloat16, Asks(head_dims=(128, 192)), SEGMENTED, "no heads of"),
    ],
)
def test_the_kernel_is_chosen_by_what_runs_and_what_is_asked(
    monkeypatch: pytest.MonkeyPatch,
    package: bool,
    capability: tuple[int, int],
    dtype: torch.dtype,
    asks: Asks,
    wanted: str,
    why: str | None,
) -> None:
    monkeypatch.setattr(attention, "is_flash_attn_2_available", lambda: package)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert implementation(CUDA, dtype=dtype, asks=asks) == wanted
    assert implementation(torch.device("cpu"), dtype=dtype, asks=asks) == SEGMENTED
    reason = why_segmented(CUDA, dtype=dtype, asks=asks)
    assert (reason is None) == (why is None)
    assert (why or "") in (reason or "")


@pytest.mark.parametrize("kernel", [None, lambda query, key, value: query], ids=["none", "an older one"])
def test_a_torch_without_the_kernel_says_so(monkeypatch: pytest.MonkeyPatch, kernel: Any) -> None:
    module = None if kernel is None else type("varlen", (), {"varlen_attn": staticmethod(kernel)})
    monkeypatch.setattr(attention, "torch_varlen", module)
    monkeypatch.setattr(attention, "is_flash_attn_2_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert implementation(CUDA) == SEGMENTED
    assert "install flash-attn" in str(why_segmented(CUDA, dtype=torch.bfloat16, asks=Asks()))


def test_what_a_model_asks_is_read_from_its_configuration() -> None:
    assert Asks.of(CONFIGS["llama"]) == Asks(head_dims=(8,))
    assert Asks.of(Gemma2Config(**SIZES)).softcap
    assert Asks.of(LlamaConfig(**SIZES, attention_dropout=0.1)) == Asks(dropout=True, head_dims=(8,))
    assert len(Asks.of(DeepseekV3Config()).head_dims) == 2, "queries are wider than values"
    sinks = Asks.of(GptOssConfig())
    assert sinks.other_kernels
    assert not sinks.flash_attn


def documented_varlen_attn(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seq_q: torch.Tensor,
    cu_seq_k: torch.Tensor,
    max_q: int,
    max_k: int,
    *,
    scale: float | None,
    window_size: tuple[int, int],
    enable_gqa: bool,
) -> torch.Tensor:
    """What torch's page and flash-attn's say of the arguments: (T, heads, head_dim), and a position i sees
    those from i - left to i + right of its own sequence; -1 is without an end.
    """
    lengths = cu_seq_q.diff().tolist()
    assert max_q == max_k == max(lengths)
    assert torch.equal(cu_seq_q, cu_seq_k)
    left, right = window_size
    assert right == 0
    outputs = []
    for q, k, v in zip(query.split(lengths), key.split(lengths), value.split(lengths), strict=True):
        places = torch.arange(len(q))
        distance = places[:, None] - places[None]
        seen = (distance >= 0) & ((distance <= left) if left >= 0 else True)
        q, k, v = (tensor.transpose(0, 1)[None] for tensor in (q, k, v))
        out = scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale, enable_gqa=enable_gqa)
        outputs.append(out[0].transpose(0, 1))
    return torch.cat(outputs)


def model_with(name: str, config: Any, **kwargs: Any) -> PackedCausalLM:
    torch.manual_seed(0)
    implementation(torch.device("cpu"))  # registers
    lm = AutoModelForCausalLM.from_config(deepcopy(config), attn_implementation=name, **kwargs)
    for parameter in lm.parameters():
        parameter.data.mul_(3)
    return PackedCausalLM(lm)


def losses(model: PackedCausalLM, device: torch.device) -> torch.Tensor:
    ends = torch.tensor(LENGTHS).cumsum(0)
    ids = torch.arange(int(ends[-1])) % 64
    places = torch.cat([torch.arange(length) for length in LENGTHS])
    bounds = torch.cat([torch.zeros(1), ends]).int()
    positions = torch.arange(len(ids) - 1)
    there = [tensor.to(device) for tensor in (ids, places, bounds, positions, ids[1:])]
    return model(*there, LENGTHS)


@pytest.mark.parametrize("family", CONFIGS)
def test_torch_s_kernel_is_told_what_ours_computes(monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    """Against its documentation: the kernel itself runs on GPUs only."""
    monkeypatch.setattr(attention.torch_varlen, "varlen_attn", documented_varlen_attn)
    cpu = torch.device("cpu")
    ours, theirs = (model_with(name, CONFIGS[family]) for name in (SEGMENTED, VARLEN))
    wanted, found = losses(ours, cpu), losses(theirs, cpu)
    torch.testing.assert_close(found, wanted)
    wanted.sum().backward()
    found.sum().backward()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad)


@pytest.mark.parametrize("family", CONFIGS)
def test_torch_s_kernel_takes_our_arguments_and_asks_no_device(family: str) -> None:
    """Its own rules of shapes on `meta`, where a tensor asked for a value raises; forward and backward."""
    with META:
        model = model_with(VARLEN, CONFIGS[family], dtype=torch.bfloat16)
    found = losses(model, META)
    assert found.shape == (sum(LENGTHS) - 1,)
    found.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="kernels for packed sequences run on GPUs only")
@pytest.mark.parametrize("family", CONFIGS)
def test_kernels_for_packed_sequences_agree(family: str) -> None:
    """flash-attn's, where it is installed, and torch's, against a call a row."""
    names = [VARLEN, FLASH] if attention.is_flash_attn_2_available() else [VARLEN]
    wanted = losses(model_with(SEGMENTED, CONFIGS[family], dtype=torch.bfloat16).to(CUDA), CUDA)
    for name in names:
        found = losses(model_with(name, CONFIGS[family], dtype=torch.bfloat16).to(CUDA), CUDA)
        torch.testing.assert_close(found, wanted, rtol=0.05, atol=0.05)  # a few steps of bf16
