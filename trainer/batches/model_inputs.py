"""What a forward takes: a packed sequence and its targets, told on the host, moved in one copy.

Nothing here is asked of the device: where targets are and how long segments are is known before the copy, so
that a forward never waits to be told.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

ALIGNMENT = 16  # bytes between the views of one buffer: a multiple of every element's size


class Inputs(NamedTuple):
    """A packed sequence of S segments and the N tokens it is trained on.

    input_ids, position_ids: int64 (T,), of a pack that ranks share this rank's slice; cu_seqlens: int32
    (S + 1,), of the whole pack; positions: int64 (N,), whose hidden state predicts a trained token; targets:
    int64 (N,), that token; seq_lengths: of the S segments, on the host wherever the tensors are.
    """

    input_ids: Tensor
    position_ids: Tensor
    cu_seqlens: Tensor
    positions: Tensor
    targets: Tensor
    seq_lengths: tuple[int, ...]

    def to(self, device: torch.device) -> "Inputs":
        """The same on a device, in one copy."""
        return self.moved_with([], device)[0]

    def moved_with(self, others: Sequence[Tensor], device: torch.device) -> tuple["Inputs", list[Tensor]]:
        """The same on a device, and other tensors that belong to it, all in one copy."""
        ids, places, bounds, positions, targets, *moved = to_device([*self[:-1], *others], device)
        return Inputs(ids, places, bounds, positions, targets, self.seq_lengths), moved


def to_device(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Tensors of one dimension from the host to a device in one copy, which the host does not wait for.

    From pageable memory each of them would be a copy that the host waits for.
    """
    if all(tensor.device == device for tensor in tensors):
        return list(tensors)
    sizes = [-(-tensor.nbytes // ALIGNMENT) * ALIGNMENT for tensor in tensors]
    flat = torch.empty(sum(sizes), dtype=torch.uint8, pin_memory=device.type == "cuda")
    for view, tensor in zip(_views(flat, sizes, tensors), tensors, strict=True):
        view.copy_(tensor)
    return _views(flat.to(device, non_blocking=True), sizes, tensors)


def _views(flat: Tensor, sizes: Sequence[int], like: Sequence[Tensor]) -> list[Tensor]:
    parts = zip(flat.split(list(sizes)), like, strict=True)
    return [part[: tensor.nbytes].view(tensor.dtype) for part, tensor in parts]
