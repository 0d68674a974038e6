"""The loss of one trained token: next-token cross-entropy, computed nowhere else."""

import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def masked_loss(logits_NV: Tensor, targets_N: Tensor) -> Tensor:
    """Cross-entropy of each trained token: losses_N in nats, fp32.

    Not summed and not divided: each token's weight does both (batches/weighting.py, objectives/);
    validation sums by task. Without a target it is empty, with a graph.
    """
    return F.cross_entropy(logits_NV.float(), targets_N, reduction="none")
