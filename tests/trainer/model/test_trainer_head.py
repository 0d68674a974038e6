"""The chunked head against the whole one: losses, gradients, and the memory it exists for."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, Gemma2Config, GraniteConfig, LlamaConfig

from trainer.model.head import LossHead, chunk_rows
from trainer.model.loss import masked_loss

SIZES: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "tie_word_embeddings": False,
}


def head_of(config: Any, *, max_bytes: int) -> tuple[Any, LossHead]:
    torch.manual_seed(0)
    lm = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    return lm, LossHead(lm, max_bytes=max_bytes)


@settings(deadline=None, max_examples=30)
@given(num=st.integers(0, 40), rows=st.integers(1, 50))
def test_chunks_give_the_losses_and_gradients_of_the_whole(num: int, rows: int) -> None:
    lm, head = head_of(LlamaConfig(**SIZES), max_bytes=rows * 64 * 8)
    torch.manual_seed(1)
    hidden_ND = torch.randn(num, 16, requires_grad=True)
    targets_N, weights_N = torch.randint(0, 64, (num,)), torch.rand(num)
    found = head(hidden_ND, targets_N)
    wanted = masked_loss(lm.lm_head(hidden_ND), targets_N)
    torch.testing.assert_close(found, wanted)
    inputs = (hidden_ND, lm.lm_head.weight)
    gradients = [torch.autograd.grad((losses * weights_N).sum(), inputs) for losses in (found, wanted)]
    for ours, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, plain)


@pytest.mark.parametrize(
    "config",
    [
        Gemma2Config(**SIZES, final_logit_softcapping=0.5),
        GraniteConfig(**{k: v for k, v in SIZES.items() if k != "head_dim"}, logits_scaling=7.0),
    ],
    ids=["softcap", "divisor"],
)
def test_logits_are_scaled_and_capped_as_the_model_does(config: Any) -> None:
    lm, head = head_of(config, max_bytes=2**20)
    ids = torch.arange(12)[None]
    hidden = lm.base_model(input_ids=ids).last_hidden_state[0]
    torch.testing.assert_close(head.logits(hidden), lm(input_ids=ids).logits[0])


def kept_for_backward(head: LossHead, num: int) -> int:
    """Bytes that autograd keeps, other than the weight."""
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    hidden_ND = torch.randn(num, 16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        losses_N = head(hidden_ND, torch.zeros(num, dtype=torch.long))
    losses_N.sum().backward()
    kept.pop(head.weight.untyped_storage().data_ptr(), None)
    return sum(kept.values())


def test_no_logits_are_kept_beyond_one_chunk() -> None:
    rows, num = 100, 10_000
    _, head = head_of(LlamaConfig(**SIZES), max_bytes=rows * 64 * 8)
    _, whole = head_of(LlamaConfig(**SIZES), max_bytes=num * 64 * 8)
    logits = num * 64 * 4
    assert kept_for_backward(whole, num) > logits
    assert kept_for_backward(head, num) < logits / 2, "hidden states, targets and losses alone"


def test_rows_of_a_chunk() -> None:
    assert chunk_rows(2**20, vocab_size=1024, dtype=torch.float32) == 128  # logits and log-softmax
    assert chunk_rows(10 * 2**20, vocab_size=1024, dtype=torch.bfloat16) == 1024  # and a fp32 copy
    assert chunk_rows(1, vocab_size=1024, dtype=torch.float32) == 1
