"""A copy of a rank's slices in the host's memory, so that training may go on while they are written."""

from collections.abc import Sequence

import torch
from torch import Tensor

Slice = tuple[str, str, int, Tensor]  # kind, parameter's name, start in it when flattened, values


class HostCopies:
    """Makes the copies, one set at a time: a new set may overwrite the last one.

    From a GPU they go to pinned memory, by its copy engine, and are waited for once. Pinning is slow, so that
    memory is kept for the next set. The GPU's way has not run on a GPU yet.
    """

    def __init__(self) -> None:
        self._pinned: dict[tuple[str, str], Tensor] = {}

    def missing_bytes(self, slices: Sequence[Slice]) -> int:
        """Memory that a copy of them would take anew."""
        return sum(values.nbytes for kind, name, _, values in slices if (kind, name) not in self._pinned)

    def of(self, slices: Sequence[Slice]) -> list[Slice]:
        """The slices, copied when this returns."""
        copies = [
            (kind, name, start, self._copy((kind, name), values)) for kind, name, start, values in slices
        ]
        for device in {values.device for *_, values in slices if on_gpu(values)}:
            torch.cuda.synchronize(device)
        return copies

    def _copy(self, key: tuple[str, str], values: Tensor) -> Tensor:
        if not on_gpu(values):
            return values.detach().clone()
        if key not in self._pinned:
            self._pinned[key] = pinned_like(values)
        return self._pinned[key].copy_(values.detach(), non_blocking=True)


def on_gpu(values: Tensor) -> bool:
    """Whether a GPU holds them."""
    return values.is_cuda


def pinned_like(values: Tensor) -> Tensor:
    """Memory of the host for these values, from which and to which a GPU copies by itself."""
    return torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
