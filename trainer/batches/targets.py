"""Which positions of a pack predict a trained token, and which token that is."""

import torch
from torch import Tensor

from hunmin.schema import IGNORE_INDEX


def next_token_targets(labels_T: Tensor, cu_seqlens: Tensor) -> tuple[Tensor, Tensor]:
    """Shift the labels by one, inside each segment, and keep the positions that predict something.

    Position t predicts labels[t + 1]. The first token of a segment is nobody's target.

    Args:
        labels_T: int64, aligned with input_ids, IGNORE_INDEX where not trained.
        cu_seqlens: int32 (segments + 1,): where segments start, and the end.

    Returns:
        positions_N: int64, positions whose hidden state predicts a trained token.
        targets_N: int64, that token.
    """
    shifted_T = labels_T.roll(-1)
    shifted_T[cu_seqlens[1:].long() - 1] = IGNORE_INDEX  # a segment's last position predicts nothing
    positions_N = torch.nonzero(shifted_T != IGNORE_INDEX).squeeze(1)
    return positions_N, shifted_T[positions_N]
