"""A model whose weights are drawn from their names: the same in our engine, in a plain loop, on any rank."""

import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.initialization import no_init_weights

from trainer.model.lora import B, is_adapter


@dataclass(frozen=True)
class RandomWeights:
    """Norms are one, an adapter's second matrix is zero, the rest is normal by its inputs' width.

    The values are bf16's, so that a model in any precision begins with the same. They are drawn on `device`:
    another kind of device draws others.
    """

    shapes: dict[str, tuple[int, ...]]
    device: torch.device

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """Elements start..stop of the flattened parameter, fp32, on `device`."""
        shape = self.shapes[name]
        if is_adapter(name) and name.endswith(B):
            return torch.zeros(stop - start, device=self.device)
        if len(shape) < 2:
            return torch.ones(stop - start, device=self.device)
        generator = torch.Generator(self.device).manual_seed(zlib.crc32(name.encode()))
        values = torch.empty(math.prod(shape), dtype=torch.float32, device=self.device)
        values.normal_(std=shape[-1] ** -0.5, generator=generator)
        return values[start:stop].bfloat16().float()


def plain_model(folder: Path, *, device: torch.device, dtype: torch.dtype, attention: str) -> Any:
    """The model as transformers builds it, with these weights, whole on the device."""
    with torch.device(device), no_init_weights():
        model = AutoModelForCausalLM.from_config(
            AutoConfig.from_pretrained(folder), dtype=dtype, attn_implementation=attention
        )
    model.tie_weights()
    fill(model, device)
    return model


@torch.no_grad()
def fill(model: torch.nn.Module, device: torch.device) -> None:
    """Set every parameter to what RandomWeights has for its name."""
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    weights = RandomWeights(shapes, device)
    for name, parameter in model.named_parameters():
        parameter.copy_(weights.read(name, 0, parameter.numel()).reshape(parameter.shape))
