"""Which engine answers and on how many GPUs, decided once before any actor starts."""

from collections.abc import Collection
from dataclasses import dataclass

import torch
from transformers import PreTrainedConfig

from eval.answering.room import Gpus, gpus_per_model
from eval.config import AUTO, ENGINES, EvalConfig
from eval.engines import Capability, DtypeName, engine_of
from hunmin.errors import InputError


@dataclass(frozen=True)
class Choice:
    """How a model is asked on this cluster; engine and precision are recorded with the scores."""

    engine: str
    dtype: DtypeName
    gpus_per_model: int  # whole ones of a node; 0 on CPUs


def choose(config: EvalConfig, model: PreTrainedConfig, *, prompt_tokens: int, gpus: Gpus) -> Choice:
    """The choice for a model of that architecture and prompts of up to so many tokens.

    Raises:
        InputError: the engine that is asked for is not installed.
        GateError: the model does not fit the GPUs of a node.
    """
    engine = choose_engine(
        config.engine,
        num_gpus=gpus.total,
        available=installed(config.vllm_python),
        lowest=gpus.capability,
        python=config.vllm_python,
    )
    dtype = precision(gpus.total)
    num_gpus = gpus_per_model(
        model,
        engine=engine_of(engine),
        gpus=gpus,
        dtype=getattr(torch, dtype),
        batch_size=config.batch_size,
        prompt_tokens=prompt_tokens,
        new_tokens=config.max_new_tokens,
    )
    return Choice(engine, dtype, num_gpus)


def installed(python: str | None = None) -> list[str]:
    """The engines that can run here; `python` is eval.vllm_python."""
    return [name for name in ENGINES if engine_of(name).missing(python) is None]


def capability() -> Capability | None:
    """The lowest compute capability of this machine's GPUs; None where it has none."""
    found = [torch.cuda.get_device_capability(index) for index in range(torch.cuda.device_count())]
    return min(found, default=None)


def memory_bytes() -> int | None:
    """The memory of this machine's smallest GPU; None where it has none."""
    found = [
        torch.cuda.get_device_properties(index).total_memory for index in range(torch.cuda.device_count())
    ]
    return min(found, default=None)


def choose_engine(
    asked: str,
    *,
    num_gpus: int,
    available: Collection[str],
    lowest: Capability | None = None,
    python: str | None = None,
) -> str:
    """The engine for `eval.engine`; `lowest` compute capability of the GPUs, None is not known.

    Raises:
        InputError: the engine that is asked for is not installed.
    """
    if asked == AUTO:
        return max(available, key=lambda name: engine_of(name).preference(num_gpus, lowest))
    if asked not in available:
        raise InputError(f"eval.engine: {asked}, but {engine_of(asked).missing(python)}")
    return asked


def precision(num_gpus: int) -> DtypeName:
    """bf16 on a GPU, fp32 on a CPU."""
    return "bfloat16" if num_gpus else "float32"


def versions(engine: str, python: str | None = None) -> dict[str, str]:
    """Versions of what computes the logits."""
    return engine_of(engine).versions(python)
