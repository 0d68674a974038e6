"""What a trained token weighs in a step's loss: loss = sum over the step's tokens of weight x loss.

The weights of a step sum to one over all ranks and micro-batches.

    token    1 / (trained tokens of the step)
    sample   1 / (rows of the step x trained tokens of the row)
    task     1 / (tasks of the step x trained tokens of the task in the step)
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
    """What a step holds over all ranks: trained tokens in each task, rows with any."""

    tokens_of_task: np.ndarray
    num_samples: int

    @property
    def num_valid_tokens(self) -> int:
        """Trained tokens of the step."""
        return int(self.tokens_of_task.sum())


def count_step(packs: Sequence[Pack], *, num_tasks: int) -> StepCounts:
    """Counts of the packs of a whole step."""
    tokens_of_task, num_samples = np.zeros(num_tasks, np.int64), 0
    for pack in packs:
        targets = targets_of_segments(pack)
        np.add.at(tokens_of_task, pack.tasks, targets)
        num_samples += int(np.count_nonzero(targets))
    return StepCounts(tokens_of_task, num_samples)


def token_weights(tasks_N: Tensor, segments_N: Tensor, counts: StepCounts, weighting: Weighting) -> Tensor:
    """The weight of each trained token of a micro-batch, float64 (N,).

    Args:
        tasks_N: task of each trained token.
        segments_N: segment of each; a row has all its trained tokens in one segment.
        counts: of the whole step.
    """
    if weighting == "token":
        return torch.full((len(tasks_N),), 1 / max(1, counts.num_valid_tokens), dtype=torch.float64)
    if weighting == "task":
        tokens = torch.from_numpy(counts.tokens_of_task)
        return 1 / (tokens[tasks_N].double() * int(np.count_nonzero(counts.tokens_of_task)))
    of_segment = torch.bincount(segments_N)
    return 1 / (of_segment[segments_N].double() * counts.num_samples)


def segments_of(positions_N: Tensor, batch: Batch) -> Tensor:
    """The segment in which each position lies."""
    return torch.searchsorted(batch.cu_seqlens[1:].contiguous(), positions_N, right=True)
