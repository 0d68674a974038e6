"""Low-rank adapters through `peft` (Hu et al., 2021): W x + (alpha / rank) B A x; only A and B learn."""

import math
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

from hunmin.errors import ConfigError
from trainer.config import LoraConfig

ADAPTER = "default"  # peft's name for the one there is
A, B = ".lora_A.weight", ".lora_B.weight"


def adapt(lm: PreTrainedModel, config: LoraConfig) -> None:
    """Put adapters into the model, in place, and freeze the rest. Values come later.

    Raises:
        ConfigError: train.lora.target_modules names no layer of the model.
    """
    import peft  # here: it takes a second, and most runs have no adapters

    targets = config.target_modules
    try:
        peft.inject_adapter_in_model(
            peft.LoraConfig(
                r=config.rank,
                lora_alpha=config.alpha,  # type: ignore[arg-type]  # peft divides it, whatever it is
                lora_dropout=config.dropout,
                target_modules=targets if isinstance(targets, str) else list(targets),
                task_type="CAUSAL_LM",
                init_lora_weights=False,
            ),
            lm,
            adapter_name=ADAPTER,
        )
    except ValueError as error:
        layers = sorted({name.rsplit(".", 1)[-1] for name, module in lm.named_modules() if _linear(module)})
        raise ConfigError(
            f"train.lora.target_modules: {targets} fits no layer of the model; its layers are called "
            + ", ".join(layers)
        ) from error
    for name, parameter in lm.named_parameters():
        parameter.requires_grad_(is_adapter(file_name(name)))


def file_name(name: str) -> str:
    """A parameter's name without what peft puts around it; for the model's own, the name in its files."""
    return name.replace(".base_layer.", ".").replace(f".{ADAPTER}.", ".")


def is_adapter(name: str) -> bool:
    """Whether a parameter, by file_name, is an adapter's."""
    return name.endswith((A, B))


class Weights(Protocol):
    """Where weights are read from, slice by slice."""

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """Elements start..stop of the flattened parameter, fp32."""
        ...


@dataclass(frozen=True)
class FreshAdapters:
    """The values adapters begin with: A uniform as nn.Linear's own, from (seed, name); B zero.

    Equal for every world size: a rank draws the whole small matrix and takes its slice.
    """

    shapes: dict[str, tuple[int, ...]]
    seed: int

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """Elements start..stop of the flattened parameter, fp32."""
        if name.endswith(B):
            return torch.zeros(stop - start)
        rank, width = self.shapes[name]
        generator = torch.Generator().manual_seed(self.seed * 2**32 + zlib.crc32(name.encode()))
        bound = 1 / math.sqrt(width)
        return torch.empty(rank * width).uniform_(-bound, bound, generator=generator)[start:stop]


@dataclass(frozen=True)
class Overlaid:
    """Weights of a model from one source, but some from another: adapters, or what a checkpoint has."""

    base: Weights
    over: Weights
    names: Collection[str]  # that `over` gives

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """Elements start..stop of the flattened parameter, fp32."""
        return (self.over if name in self.names else self.base).read(name, start, stop)


class Trained(Protocol):
    """What an export reads: a checkpoint, or a checkpoint of adapters merged into their base."""

    ranks: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]

    def full(self, name: str) -> Tensor:
        """A whole parameter, fp32, in its shape."""
        ...


class Merged:
    """A checkpoint of adapters, read as the full model that equals base and adapters together."""

    def __init__(
        self, adapters: Trained, *, base: Weights, shapes: dict[str, tuple[int, ...]], config: LoraConfig
    ):
        self.ranks = adapters.ranks
        self.shapes = shapes
        self._adapters, self._base, self._scale = adapters, base, config.alpha / config.rank

    def full(self, name: str) -> Tensor:
        """A whole parameter, fp32, in its shape: W + (alpha / rank) B A where it has an adapter."""
        shape = self.shapes[name]
        weight = self._base.read(name, 0, math.prod(shape)).reshape(shape)
        layer = name.removesuffix(".weight")
        if layer + A not in self._adapters.shapes:
            return weight
        return weight + self._scale * (self._adapters.full(layer + B) @ self._adapters.full(layer + A))


def _linear(module: torch.nn.Module) -> bool:
    return isinstance(module, torch.nn.Linear)
