"""Which engine answers, decided once before any actor starts and recorded with the scores."""

import importlib.util
from importlib.metadata import version

from data_pipeline.errors import InputError
from eval.engines.base import DtypeName, EngineName


def has_vllm() -> bool:
    """Whether the package vllm is installed; it is not imported."""
    return importlib.util.find_spec("vllm") is not None


def choose(asked: str, *, num_gpus: int, installed: bool) -> EngineName:
    """The engine for `eval.engine`.

    Args:
        asked: auto, hf or vllm.
        num_gpus: what Ray may give to the actors.
        installed: whether vllm is.

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
    return "vllm" if asked == "vllm" or num_gpus else "hf"


def precision(num_gpus: int) -> DtypeName:
    """bf16 on a GPU, fp32 on a CPU."""
    return "bfloat16" if num_gpus else "float32"


def versions(engine: EngineName) -> dict[str, str]:
    """Versions of what computes the logits."""
    names = {"hf": ("transformers", "torch"), "vllm": ("vllm", "torch")}[engine]
    return {name: version(name) for name in names}
