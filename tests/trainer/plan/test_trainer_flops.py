"""The count against torch's own counter of the operations of a real forward and backward."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, Gemma3TextConfig, LlamaConfig, Qwen3Config, Qwen3MoeConfig

from trainer.plan.flops import step_flops

SIZES: dict[str, Any] = {
    "vocab_size": 200,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}


@pytest.mark.parametrize(
    "config",
    [
        LlamaConfig(**SIZES),
        Qwen3Config(**SIZES),
        Gemma3TextConfig(**SIZES),
        Qwen3MoeConfig(**SIZES, num_experts=6, num_experts_per_tok=2, moe_intermediate_size=24),
    ],
    ids=lambda config: config.model_type,
)
def test_counts_what_torch_counts(config: Any) -> None:
    model = AutoModelForCausalLM.from_config(
        config, attn_implementation="eager", experts_implementation="eager", dtype=torch.float32
    )
    length, targets = 24, torch.arange(5)
    with FlopCounterMode(display=False) as counter:
        model(input_ids=torch.arange(length)[None], logits_to_keep=targets).logits.sum().backward()
    found = step_flops(config)
    # Eager attention computes the whole square. The embedding has a gradient, so the first layer's input has.
    whole = found.of(num_tokens=length, num_targets=5, sum_of_squares=2 * length**2)
    rotary = 2 * length * config.head_dim // 2  # an outer product of positions and frequencies, for each kind
    assert abs(counter.get_total_flops() - whole) <= 4 * rotary


def test_adapters_need_no_gradient_of_the_frozen() -> None:
    from trainer.config import LoraConfig

    full = step_flops(LlamaConfig(**SIZES))
    adapted = step_flops(LlamaConfig(**SIZES), LoraConfig.model_validate({"rank": 2}))
    elements = sum(
        2 * (a + b)  # rank x (in + out)
        for a, b in [(32, 64), (32, 32), (32, 32), (64, 32), (32, 48), (32, 48), (48, 32)]
    )
    assert adapted.per_token == pytest.approx(full.per_token * 2 / 3 + 6 * 2 * elements)
    assert adapted.per_square == full.per_square
