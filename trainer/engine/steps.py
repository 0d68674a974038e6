"""What a rank does in a step: its micro-batches with their tokens' weights, and what came of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainer.batches import dealing
from trainer.batches.model_inputs import Inputs
from trainer.batches.packs import Batch, Pack, PackFolder, inputs_of, join
from trainer.batches.sequence_parallel import own_targets, shard
from trainer.batches.targets import next_token_targets
from trainer.batches.weighting import StepCounts, Weighting, count_step, segments_of, token_weights
from trainer.config import TrainConfig
from trainer.engine.ranks import Rank


class MicroBatch(NamedTuple):
    """What a forward takes, and of its N trained tokens the weight in the step's loss (float64), task and row
    (int64), and the row's own weight (float64).
    """

    inputs: Inputs
    weights: Tensor
    tasks: Tensor
    rows: Tensor
    row_weights: Tensor

    def to(self, device: torch.device) -> "MicroBatch":
        """The same on a device, in one copy; row_weights, which only sums on the host need, stay."""
        inputs, (weights, tasks, rows) = self.inputs.moved_with([self.weights, self.tasks, self.rows], device)
        return MicroBatch(inputs, weights, tasks, rows, self.row_weights)


class Joined(NamedTuple):
    """Packs end to end, and the segments (int64) of the trained tokens of the whole packs. `places`: which of
    these tokens `inputs` predicts; of packs that ranks share, those of this rank's slice.
    """

    batch: Batch
    inputs: Inputs
    segments: Tensor
    places: slice | Tensor


@dataclass(frozen=True)
class OwnPacks:
    """What one rank reads of a step: its micro-batches, and what they hold; numbers are of the whole step."""

    micro_batches: list[Joined]
    counts: StepCounts  # of this rank's packs
    num_tokens: int
    attention_cost: int  # sum of squared segment lengths
    idle_share: float


@dataclass(frozen=True)
class StepPacks:
    """A rank's micro-batches of a step, and the counts of the whole step over all ranks."""

    micro_batches: list[MicroBatch]
    counts: StepCounts
    num_tokens: int
    attention_cost: int  # sum of squared segment lengths
    idle_share: float


@dataclass(frozen=True)
class StepResult:
    """One rank's part of a step.

    by_task (3, tasks): nats and trained tokens, each by its row's weight, and summed norms of the gradient at
    their last hidden states.
    """

    loss: float
    by_task: np.ndarray
    grad_norm: float  # before clipping, of the whole step; infinite where the update was skipped
    applied: bool
    is_spike: bool
    logged: tuple[float, ...] = ()  # sums that the objective names


def accum_steps(config: TrainConfig, me: Rank) -> int:
    """Micro-batches of a step, the same on every rank."""
    return dealing.grad_accum_steps(
        config.global_batch_size, world_size=me.num_groups, micro_batch_size=config.packs_at_once
    )


def packs_of_rank(packs: PackFolder, step: int, *, seed: int, config: TrainConfig, me: Rank) -> StepPacks:
    """The rank's micro-batches of a step. Collective."""
    return weigh(read_own(packs, step, seed=seed, config=config, me=me), config.loss_weighting, me)


def read_own(packs: PackFolder, step: int, *, seed: int, config: TrainConfig, me: Rank) -> OwnPacks:
    """Read the rank's packs of a step, and no other's. Not collective: it may run ahead of the step.

    Which packs the step has depends on (seed, step) alone. Empty micro-batches come first: the last of a step
    has trained tokens on some rank.
    """
    indices = dealing.packs_of_step(
        step, seed=seed, epoch_sizes=packs.epoch_sizes, global_batch_size=config.global_batch_size
    )
    costs = packs.index.attention_costs[indices].tolist()
    mine = [packs[indices[i]] for i in dealing.deal(costs, world_size=me.num_groups)[me.group_index]]
    cut = dealing.micro_batches(mine, micro_batch_size=config.packs_at_once, count=accum_steps(config, me))
    return OwnPacks(
        micro_batches=[joined(group, me) for group in reversed(cut)],
        counts=count_step(mine, num_tasks=len(packs.tasks)),
        num_tokens=int(packs.index.num_tokens[indices].sum()),
        attention_cost=sum(costs),
        idle_share=dealing.idle_share(
            len(indices), global_batch_size=config.global_batch_size, world_size=me.num_groups
        ),
    )


def weigh(own: OwnPacks, weighting: Weighting, me: Rank) -> StepPacks:
    """What each trained token weighs, from the counts of all ranks. Collective."""
    counts = add_counts(own.counts, me)
    return StepPacks(
        micro_batches=[weighed(part, counts, weighting) for part in own.micro_batches],
        counts=counts,
        num_tokens=own.num_tokens,
        attention_cost=own.attention_cost,
        idle_share=own.idle_share,
    )


def add_counts(own: StepCounts, me: Rank) -> StepCounts:
    """The counts of a whole step from those of each rank. Collective. Ranks that share packs count once."""
    mine = [*own.tokens_of_task, *own.weighted_of_task, own.weighted_samples]
    total = me.gather(mine)[:: me.sequence_parallel_size].sum(0)
    tokens_of_task, weighted_of_task = total[:-1].reshape(2, -1)
    return StepCounts(tokens_of_task.astype(np.int64), weighted_of_task, float(total[-1]))


def micro_batch(packs: Sequence[Pack], counts: StepCounts, weighting: Weighting, me: Rank) -> MicroBatch:
    """Packs end to end, and what each trained token weighs; none gives the zero-weight pack. Of a pack that
    several ranks share, this rank's slice.
    """
    return weighed(joined(packs, me), counts, weighting)


def joined(packs: Sequence[Pack], me: Rank) -> Joined:
    """A micro-batch before its step's counts are known."""
    batch = join(packs)
    positions_N, targets_N = next_token_targets(batch.labels, batch.cu_seqlens)
    segments_N = segments_of(positions_N, batch)
    if me.sequence_parallel_size == 1:
        return Joined(batch, inputs_of(batch, positions_N, targets_N), segments_N, places=slice(None))
    of_rank = {"index": me.shard_index, "size": me.sequence_parallel_size}
    part = shard(batch, **of_rank)
    places_N, positions_N, targets_N = own_targets(part.labels, part.cu_seqlens, **of_rank)
    return Joined(batch, inputs_of(part, positions_N, targets_N), segments_N, places_N)


def weighed(part: Joined, counts: StepCounts, weighting: Weighting) -> MicroBatch:
    """The micro-batch, with the weights that its tokens have in the step."""
    batch, segments_N = part.batch, part.segments
    tasks_N, row_weights_N = batch.tasks[segments_N], batch.weights[segments_N]
    of_tokens = (
        token_weights(row_weights_N, tasks_N, segments_N, counts, weighting),
        tasks_N,
        batch.rows[segments_N],
        row_weights_N,
    )
    return MicroBatch(part.inputs, *(values_N[part.places] for values_N in of_tokens))


def sums_by_task(values: Sequence[Tensor], tasks_N: Tensor, *, num_tasks: int) -> np.ndarray:
    """Each tensor of N values on the host summed by task, in float64 (len(values), tasks)."""
    tasks = tasks_N.numpy()
    return np.array([np.bincount(tasks, value.double().numpy(), num_tasks) for value in values], np.float64)


def shares(values: np.ndarray) -> np.ndarray:
    """Each value over their sum; NaN where that is none."""
    total = values.sum()
    return values / total if total > 0 else np.full(values.shape, math.nan)
