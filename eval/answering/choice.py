"""Which engine answers, decided once before any actor starts and recorded with the scores."""

from collections.abc import Collection
from importlib.metadata import version

import torch

from eval.config import AUTO, ENGINES
from eval.engines import Capability, DtypeName, engine_of
from hunmin.errors import InputError


def installed() -> list[str]:
    """The engines that can run here."""
    return [name for name in ENGINES if engine_of(name).missing() is None]


def capability() -> Capability | None:
    """The lowest compute capability of this machine's GPUs; None where it has none."""
    found = [torch.cuda.get_device_capability(index) for index in range(torch.cuda.device_count())]
    return min(found, default=None)


def choose_engine(
    asked: str, *, num_gpus: int, available: Collection[str], lowest: Capability | None = None
) -> str:
    """The engine for `eval.engine`; `lowest` compute capability of the GPUs, None is not known.

    Raises:
        InputError: the engine that is asked for is not installed.
    """
    if asked == AUTO:
        return max(available, key=lambda name: engine_of(name).preference(num_gpus, lowest))
    if asked not in available:
        raise InputError(f"eval.engine: {asked}, but {engine_of(asked).missing()}")
    return asked


def precision(num_gpus: int) -> DtypeName:
    """bf16 on a GPU, fp32 on a CPU."""
    return "bfloat16" if num_gpus else "float32"


def versions(engine: str) -> dict[str, str]:
    """Versions of what computes the logits."""
    return {name: version(name) for name in engine_of(engine).packages}
