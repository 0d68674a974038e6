"""The seam of training objectives: a module here is an objective and holds an `OBJECTIVE`.

An objective gets the log-probability of each trained token of a micro-batch, and what the token is of; it
gives the sum that is minimised and what is logged beside it. Packing, isolation, ranks and accumulation
stand outside of it: the step's gradient is that of the sum over all its micro-batches and ranks, for any
number of either.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from hunmin.registry import member
from trainer.config import TrainConfig


class Scored(NamedTuple):
    """The N trained tokens of a micro-batch, of a pack that ranks share those of this rank.

    All on the model's device: to take a number from one (`float`, `tolist`) makes the rank of a GPU wait.

    log_probs: fp32 nats (N,), with a graph; weights: float64 (N,), as train.loss_weighting and the rows' own
    weights have them, of sum one over the step; tasks: int64 (N,), index into PackFolder.tasks; rows: int64
    (N,), line of rows.parquet.
    """

    log_probs: Tensor
    weights: Tensor
    tasks: Tensor
    rows: Tensor


class Minimised(NamedTuple):
    """A micro-batch's part of the step's loss: with a graph in the model's arithmetic, and in float64.

    logged: its part of each sum that `Objective.logs` names. Tensors of one element, which are read at the
    step's end, or plain numbers.
    """

    loss: Tensor
    value: Tensor | float
    logged: tuple[Tensor | float, ...] = ()


@dataclass(frozen=True)
class Objective:
    """What a training minimises. `logs` names sums over the step for metrics.jsonl, alike on every rank."""

    minimise: Callable[[Scored], Minimised]
    logs: tuple[str, ...] = ()


def make_objective(config: TrainConfig, *, data_dir: Path) -> Objective:
    """The objective that `train.objective` names; the data stage's ledger tells what rows belong together."""
    return member(__name__, config.objective, "OBJECTIVE")(config, data_dir)
