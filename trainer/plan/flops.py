"""Floating-point operations that a step needs, and what the device could do: model FLOPs utilisation (MFU).

Counted as in Chowdhery et al. (PaLM, 2022, appendix B): what the model's arithmetic needs, whatever the
implementation recomputes. A multiplication and an addition are two; the backward costs twice the forward.
"""

from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedConfig

from trainer.config import LoraConfig
from trainer.plan import memory

# Dense bf16 of the tensor cores, from the makers' data sheets; by a part of the device's name.
PEAK_BF16 = {
    "B200": 2.25e15,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "H800": 989e12,
    "A100": 312e12,
    "A800": 312e12,
    "L40S": 362e12,
    "A40": 150e12,
    "A10G": 70e12,
    "RTX 4090": 165e12,
}


@dataclass(frozen=True)
class StepFlops:
    """Forward and backward of a decoder, by what it is multiplied with."""

    per_token: float  # of every layer's matrices
    per_target: float  # of the head, which is computed where a token is trained
    per_square: float  # of attention, for each squared length of a segment; the causal half is counted

    def of(self, *, num_tokens: int, num_targets: int, sum_of_squares: int) -> float:
        """FLOPs of so many tokens, trained ones, and squared segment lengths."""
        return self.per_token * num_tokens + self.per_target * num_targets + self.per_square * sum_of_squares


def step_flops(config: PreTrainedConfig, lora: LoraConfig | None = None) -> StepFlops:
    """Count from the architecture; nothing is loaded. Frozen matrices have no gradient of their own, and of a
    layer's experts those count that a token is sent to.
    """
    text: Any = config.get_text_config()
    shapes = memory.parameter_shapes(config)
    in_layers = [shape for name, shape in shapes.items() if "embed" not in name and "head" not in name]
    matrices = [shape for shape in in_layers if len(shape) == 2]
    sent_to = getattr(text, "num_experts_per_tok", None) or 0
    experts = [(sent_to, *shape[1:]) for shape in in_layers if len(shape) == 3 and shape[0] >= sent_to > 0]
    of_matrices = 2 * memory.count(matrices + experts)
    backward = 2 if lora is None else 1
    adapters = 0 if lora is None else 6 * memory.count(memory.adapter_shapes(config, lora).values())
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    width = text.num_attention_heads * head_dim
    return StepFlops(
        per_token=of_matrices * (1 + backward) + adapters,
        per_target=2 * text.vocab_size * text.hidden_size * (1 + backward),
        per_square=3 * 2 * width * text.num_hidden_layers,
    )


def peak_flops(device: torch.device) -> float | None:
    """What a GPU can do in bf16; None where we do not know, and for a CPU."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for part, peak in PEAK_BF16.items() if part in name), None)
