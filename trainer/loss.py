"""The loss: next-token cross-entropy summed over trained tokens, computed nowhere else."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from data_pipeline.schema import IGNORE_INDEX


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


def masked_loss(logits_NV: Tensor, targets_N: Tensor) -> Tensor:
    """Cross-entropy of each trained token: losses_N in nats, fp32.

    Not summed: the step sums over its micro-batches and ranks and divides once by their count, validation
    sums by task. Without a target it is empty, with a graph.
    """
    return F.cross_entropy(logits_NV.float(), targets_N, reduction="none")
