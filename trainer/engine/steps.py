"""What a rank does in a step: its micro-batches with their tokens' weights, and what came of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

from trainer.batches import dealing
from trainer.batches.packs import Batch, Pack, PackFolder, join
from trainer.batches.sequence_parallel import own_targets, shard
from trainer.batches.targets import next_token_targets
from trainer.batches.weighting import StepCounts, Weighting, count_step, segments_of, token_weights
from trainer.config import TrainConfig
from trainer.engine.ranks import Rank


class MicroBatch(NamedTuple):
    """A batch, and of its N trained tokens the weight in the step's loss (float64), task and row (int64), and
    the row's own weight (float64).
    """

    batch: Batch
    weights: Tensor
    tasks: Tensor
    rows: Tensor
    row_weights: Tensor


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
        config.global_batch_size, world_size=me.num_groups, micro_batch_size=config.micro_batch_size
    )


def packs_of_rank(packs: PackFolder, step: int, *, seed: int, config: TrainConfig, me: Rank) -> StepPacks:
    """The rank's micro-batches of a step. Which packs the step has depends on (seed, step) alone.

    Empty micro-batches come first: the last of a step has trained tokens on some rank.
    """
    indices = dealing.packs_of_step(
        step, seed=seed, epoch_sizes=packs.epoch_sizes, global_batch_size=config.global_batch_size
    )
    of_step = [packs[index] for index in indices]
    costs = [dealing.attention_cost(pack.seq_lengths) for pack in of_step]
    mine = [of_step[i] for i in dealing.deal(costs, world_size=me.num_groups)[me.group_index]]
    cut = dealing.micro_batches(mine, micro_batch_size=config.micro_batch_size, count=accum_steps(config, me))
    counts = count_step(of_step, num_tasks=len(packs.tasks))
    return StepPacks(
        micro_batches=[micro_batch(group, counts, config.loss_weighting, me) for group in reversed(cut)],
        counts=counts,
        num_tokens=sum(len(pack.input_ids) for pack in of_step),
        attention_cost=sum(costs),
        idle_share=dealing.idle_share(
            len(of_step), global_batch_size=config.global_batch_size, world_size=me.num_groups
        ),
    )


def micro_batch(packs: Sequence[Pack], counts: StepCounts, weighting: Weighting, me: Rank) -> MicroBatch:
    """Packs end to end, and what each trained token weighs; none gives the zero-weight pack. Of a pack that
    several ranks share, this rank's slice.
    """
    batch = join(packs)
    positions_N, _ = next_token_targets(batch.labels, batch.cu_seqlens)
    segments_N = segments_of(positions_N, batch)
    tasks_N, row_weights_N = batch.tasks[segments_N], batch.weights[segments_N]
    of_tokens = (
        token_weights(row_weights_N, tasks_N, segments_N, counts, weighting),
        tasks_N,
        batch.rows[segments_N],
        row_weights_N,
    )
    if me.sequence_parallel_size == 1:
        return MicroBatch(batch, *of_tokens)
    of_rank = {"index": me.shard_index, "size": me.sequence_parallel_size}
    sharded = shard(batch, **of_rank)
    places_N, _, _ = own_targets(sharded.labels, sharded.cu_seqlens, **of_rank)
    return MicroBatch(sharded, *(values_N[places_N] for values_N in of_tokens))


def sums_by_task(values: Sequence[Tensor], tasks_N: Tensor, *, num_tasks: int) -> np.ndarray:
    """Each tensor of N values summed by task, in float64 (len(values), tasks)."""
    tasks = tasks_N.numpy()
    return np.array(
        [np.bincount(tasks, value.detach().double().cpu().numpy(), num_tasks) for value in values], np.float64
    )


def shares(values: np.ndarray) -> np.ndarray:
    """Each value over their sum; NaN where that is none."""
    total = values.sum()
    return values / total if total > 0 else np.full(values.shape, math.nan)
