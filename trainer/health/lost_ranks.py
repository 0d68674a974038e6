"""What ranks say when one of them is gone, or its memory is full: told apart by the libraries' own words.

Sources of the words: gloo's transport; NCCL's result strings (https://docs.nvidia.com/deeplearning/nccl,
ncclGetErrorString) and PyTorch's watchdog of them (ProcessGroupNCCL.cpp); CUDA's error strings
(cudaGetErrorString); PyTorch's caching allocator (CUDACachingAllocator.cpp).
"""

import re
from collections.abc import Callable, Mapping

from hunmin.errors import EnvironmentFailure, GateError, HunminError

CONTINUES = "training goes on from the last checkpoint, by itself or by the same command"

_GONE = re.compile(
    r"Connection closed by peer|Connection reset by peer|Socket closed"  # gloo
    r"|remote process exited or there was a network error|ncclRemoteError|ncclSystemError"
    r"|unhandled system error \(run with NCCL_DEBUG"
    r"|Watchdog caught collective operation timeout|NCCL communicator (?:was|has been) aborted"
    r"|uncorrectable (?:ECC|NVLink) error|CUDA error: (?:device|GPU) (?:is|has been) (?:lost|removed)"
    r"|GPU has fallen off the bus"
)
_FULL = re.compile(r"\bOutOfMemoryError\b|CUDA out of memory|CUDA error: out of memory")
_ALLOCATED = re.compile(r"Of the allocated memory ([0-9.]+ [KMGT]iB) is allocated by PyTorch")
_CAPACITY = re.compile(r"has a total capacity of ([0-9.]+ [KMGT]iB)")


def known_failure(error: BaseException, planned: Callable[[], Mapping[str, int]]) -> HunminError | None:
    """What an error of a rank means for the user where it tells of a lost rank or of full memory; else None.

    `planned` is asked for the memory estimate where memory is full.
    """
    message = said_of(error)
    if is_full(message):
        return GateError(memory_advice(message, planned()))
    return EnvironmentFailure(death_of("a rank")) if is_loss(message) else None


def said_of(error: BaseException) -> str:
    """Class and words of what a rank raised; Ray keeps the class of a remote error in its text alone."""
    return f"{type(error).__name__}: {error}"


def death_of(who: str) -> str:
    """That a rank is gone, and what is done about it."""
    return f"{who} died (killed, out of memory, or its node, link or GPU is lost); {CONTINUES}"


def is_loss(message: str) -> bool:
    """Whether an error only tells that another rank, a link or a GPU is gone."""
    return _GONE.search(message) is not None


def is_full(message: str) -> bool:
    """Whether an error tells that a GPU's memory is full."""
    return _FULL.search(message) is not None


def memory_advice(message: str, planned: Mapping[str, int]) -> str:
    """What to do about a GPU whose memory is full, the cheapest first.

    Args:
        message: the class and the words of what a rank raised.
        planned: bytes of a rank by the parts of the memory estimate, its `peak` included; empty: not known.
    """
    told = [
        f"{what} {found[1]}"
        for what, pattern in (("allocated", _ALLOCATED), ("of", _CAPACITY))
        if (found := pattern.search(message))
    ]
    return (
        f"a GPU's memory is full{' (' + ' '.join(told) + ')' if told else ''}{_planned(planned)}; in this "
        "order would help: a "
        "smaller train.micro_batch_size, train.activation_checkpointing: selective or all, a smaller "
        "train.max_logits_mb, train.zero.offload_optimizer: true, more ranks (cluster.num_workers). "
        "hunmin plan CONFIG shows what each of them needs; the run goes on from its last checkpoint"
    )


def _planned(planned: Mapping[str, int]) -> str:
    """The estimate in words, its largest part first; parts below a hundredth of it are left out."""
    if not planned:
        return ""
    parts = {name: size for name, size in planned.items() if name not in ("peak", "states", "host")}
    largest_first = sorted(parts, key=lambda name: -parts[name])
    listed = ", ".join(
        f"{name} {_gib(parts[name])}" for name in largest_first if 100 * parts[name] >= planned["peak"]
    )
    return f"; planned were {_gib(planned['peak'])} at most: {listed}"


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:.2f} GiB"
