"""Which engine answers, decided once before any actor starts and recorded with the scores."""

import importlib.util
from importlib.metadata import version

import torch

from eval.engines.engine import DtypeName, EngineName
from hunmin.errors import InputError
from hunmin.progress import say


def has_vllm() -> bool:
    """Whether the package vllm is installed; it is not imported."""
    return importlib.util.find_spec("vllm") is not None


# vLLM's batch-invariant kernels and bf16 need an Ampere; on an older GPU vLLM would stop with a traceback.
MIN_CAPABILITY = (8, 0)


def capability() -> tuple[int, int] | None:
    """The lowest compute capability of this machine's GPUs; None where it has none."""
    found = [torch.cuda.get_device_capability(index) for index in range(torch.cuda.device_count())]
    return min(found, default=None)


def choose(
    asked: str, *, num_gpus: int, installed: bool, lowest: tuple[int, int] | None = None
) -> EngineName:
    """The engine for `eval.engine`.

    Args:
        asked: auto, hf or vllm.
        num_gpus: what Ray may give to the actors.
        installed: whether vllm is.
        lowest: the lowest compute capability of the GPUs; None is not known.

    Raises:
        InputError: vllm is asked for and not installed.

    """
    if asked == "vllm" and not installed:
        raise InputError(
            "eval.engine: vllm, but the package vllm is not installed here; install it in an environment of "
            "its own (docs/gpu.md), or set eval.engine: hf"
        )
    if asked == "hf" or not installed:
        return "hf"
    if asked == "vllm":
        return "vllm"
    if not num_gpus:
        return "hf"
    if lowest is None or lowest < MIN_CAPABILITY:
        has = "is not known here" if lowest is None else f"is {lowest[0]}.{lowest[1]}"
        say(
            "eval: engine hf, though vllm is installed: it needs GPUs of compute capability 8.0, and "
            f"theirs {has}; eval.engine: vllm takes it all the same"
        )
        return "hf"
    return "vllm"


def precision(num_gpus: int) -> DtypeName:
    """bf16 on a GPU, fp32 on a CPU."""
    return "bfloat16" if num_gpus else "float32"


def versions(engine: EngineName) -> dict[str, str]:
    """Versions of what computes the logits."""
    names = {"hf": ("transformers", "torch"), "vllm": ("vllm", "torch")}[engine]
    return {name: version(name) for name in names}
