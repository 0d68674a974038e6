"""What comes of a step, kept on the device until its end and read back in one copy."""

import math

import numpy as np
import torch
from torch import Tensor

from trainer.engine.ranks import Rank
from trainer.engine.steps import StepPacks, StepResult, sums_by_task
from trainer.objectives import Minimised


class Outcome:
    """Gathers a step's micro-batches, in their order; every tensor stays where it was computed.

    norms: of each micro-batch's backward, the gradient's at its trained tokens (N,).
    """

    def __init__(self, me: Rank, *, num_logged: int):
        self.norms: list[Tensor] = []
        self._me = me
        self._losses: list[Tensor] = []
        # This rank's loss, then what the objective logs; float64.
        self._sums = torch.zeros(1 + num_logged, dtype=torch.float64, device=me.device)
        self._of_ranks = self._is_spike = torch.empty(0)

    def add(self, part: Minimised, losses_N: Tensor) -> None:
        """A micro-batch after its forward."""
        self._losses.append(losses_N.detach())
        for place, value in enumerate((part.value, *part.logged)):
            self._sums[place] += value

    def close(self, ceiling: float) -> Tensor:
        """The factor of the last loss: one, or NaN where the whole step's loss is a spike. Collective."""
        self._of_ranks = self._me.gather_tensors(self._sums[0])
        self._is_spike = is_spike(self._of_ranks.sum(), ceiling)
        return torch.ones((), device=self._me.device).masked_fill(self._is_spike, math.nan)

    def read(self, work: StepPacks, *, grad_norm: float, applied: bool) -> StepResult:
        """All of it on the host: the one copy for which the host waits."""
        parts = [self._of_ranks, self._is_spike[None], self._sums[1:], *self._losses, *self.norms]
        there = torch.cat([part.double() for part in parts])
        of_ranks, spike, logged, *of_tokens = there.cpu().split([len(part) for part in parts])
        losses, norms = of_tokens[: len(self._losses)], of_tokens[len(self._losses) :]
        by_task = np.zeros((3, len(work.counts.tokens_of_task)))
        for micro, losses_N, norms_N in zip(work.micro_batches, losses, norms, strict=True):
            values = [losses_N * micro.row_weights, micro.row_weights, norms_N]
            by_task += sums_by_task(values, micro.tasks, num_tasks=by_task.shape[1])
        return StepResult(
            loss=float(of_ranks.numpy().sum()),
            by_task=by_task,
            grad_norm=grad_norm,
            applied=applied,
            is_spike=bool(spike),
            logged=tuple(logged.tolist()),
        )


def is_spike(loss: Tensor, ceiling: float) -> Tensor:
    """Whether a step's loss is a spike, told where the loss is. NaN and infinity are not its business: they
    reach the gradient's norm.
    """
    return (loss > ceiling) & (loss < math.inf)
