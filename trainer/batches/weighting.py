"""What a trained token weighs in a step's loss: loss = sum over the step's tokens of weight x loss.

The weights of a step sum to one over all ranks and micro-batches.

    token    1 / (trained tokens of the step)
    sample   1 / (rows of the step x trained tokens of the row)
    task     1 / (tasks of the step x trained tokens of the task in the step)

A row may have a weight of its own: a row of weight 2 counts as two equal rows of the step, in what its tokens
weigh and in each of these counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from trainer.batches.packs import Batch, Pack, targets_of_segments

Weighting = Literal["token", "sample", "task"]


@dataclass(frozen=True)
class StepCounts:
    """What a step holds over all ranks: trained tokens in each task (int64), and by their rows' weights
    (float64); the weights of the rows with any, summed.
    """

    tokens_of_task: np.ndarray
    weighted_of_task: np.ndarray
    weighted_samples: float

    @property
    def num_valid_tokens(self) -> int:
        """Trained tokens of the step."""
        return int(self.tokens_of_task.sum())

    @property
    def weighted_tokens(self) -> float:
        """Trained tokens of the step, each as often as its row's weight says."""
        return float(self.weighted_of_task.sum())


def count_step(packs: Sequence[Pack], *, num_tasks: int) -> StepCounts:
    """Counts of the packs of a whole step."""
    tokens_of_task, weighted_of_task = np.zeros(num_tasks, np.int64), np.zeros(num_tasks)
    weighted_samples = 0.0
    for pack in packs:
        targets, weights = targets_of_segments(pack), pack.weights.astype(np.float64)
        np.add.at(tokens_of_task, pack.tasks, targets)
        np.add.at(weighted_of_task, pack.tasks, targets * weights)
        weighted_samples += float(weights[targets > 0].sum())
    return StepCounts(tokens_of_task, weighted_of_task, weighted_samples)


def token_weights(
    row_weights_N: Tensor, tasks_N: Tensor, segments_N: Tensor, counts: StepCounts, weighting: Weighting
) -> Tensor:
    """The weight of each trained token of a micro-batch, float64 (N,). Without weights of rows the counts are
    whole numbers, and so it is to the bit what those alone would give.

    Args:
        row_weights_N: weight of each trained token's row, float64.
        tasks_N: task of each trained token.
        segments_N: segment of each; a row has all its trained tokens in one segment.
        counts: of the whole step.
    """
    if weighting == "token":
        return row_weights_N / (counts.weighted_tokens or 1)
    if weighting == "task":
        tokens = torch.from_numpy(counts.weighted_of_task)
        return row_weights_N / (tokens[tasks_N] * int(np.count_nonzero(counts.tokens_of_task)))
    of_segment = torch.bincount(segments_N)
    return row_weights_N / (of_segment[segments_N].double() * counts.weighted_samples)


def segments_of(positions_N: Tensor, batch: Batch) -> Tensor:
    """The segment in which each position lies."""
    return torch.searchsorted(batch.cu_seqlens[1:].contiguous(), positions_N, right=True)
