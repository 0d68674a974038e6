"""Which packs a step trains on and which rank gets them: pure functions of (seed, step).

World size changes who computes, never what.
"""

import heapq
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def steps_per_pass(epoch_sizes: Sequence[int], *, global_batch_size: int) -> int:
    """Optimizer steps that see every pack of every epoch once; the last may be short."""
    return math.ceil(sum(epoch_sizes) / global_batch_size)


def packs_of_step(step: int, *, seed: int, epoch_sizes: tuple[int, ...], global_batch_size: int) -> list[int]:
    """Indices of the packs of one step, in canonical numbering (epochs one after another).

    Epochs come in order, packs inside an epoch in an order drawn from (seed, epoch). Steps beyond one pass
    go through the epochs again in new orders. Costs the epoch's length, not the position.
    `step` is 0-based; the last step of a pass may hold fewer packs. Memory: four bytes a pack of an epoch.
    """
    num_steps = steps_per_pass(epoch_sizes, global_batch_size=global_batch_size)
    passes, within = divmod(step, num_steps)
    first, last = within * global_batch_size, (within + 1) * global_batch_size
    packs: list[int] = []
    offset = 0
    for epoch, size in enumerate(epoch_sizes):
        low, high = max(first, offset), min(last, offset + size)
        if low < high:
            order = _order(seed, passes * len(epoch_sizes) + epoch, size)
            packs += [offset + int(index) for index in order[low - offset : high - offset]]
        offset += size
    return packs


@lru_cache(maxsize=2)  # the epoch at hand and, across a boundary, the next
def _order(seed: int, epoch: int, size: int) -> np.ndarray:
    order = np.arange(size, dtype=np.uint32)  # half of what `permutation(size)` takes, the same order
    np.random.Generator(np.random.PCG64([seed, epoch])).shuffle(order)
    return order


def attention_cost(seq_lengths: np.ndarray) -> int:
    """Work of attention in a pack: sum of squared segment lengths."""
    return int((seq_lengths.astype(np.int64) ** 2).sum())


def deal(costs: Sequence[int], *, world_size: int) -> list[list[int]]:
    """Indices into `costs` for each rank: longest first, each to the least loaded rank that still has room.

    Every rank has room for ceil(packs / world_size). Within a rank the costly packs come first, so that
    ranks work on packs of like cost at the same time. O(packs x log world_size).
    """
    room = math.ceil(len(costs) / world_size)
    ranks: list[list[int]] = [[] for _ in range(world_size)]
    open_ranks = [(0, rank) for rank in range(world_size)]  # a heap of (load, rank): those with room
    for index in sorted(range(len(costs)), key=lambda i: (-costs[i], i)):
        load, rank = open_ranks[0]
        ranks[rank].append(index)
        if len(ranks[rank]) < room:
            heapq.heapreplace(open_ranks, (load + costs[index], rank))
        else:
            heapq.heappop(open_ranks)
    return ranks


def micro_batches(packs: Sequence[T], *, micro_batch_size: int, count: int) -> list[list[T]]:
    """Cut a rank's packs into exactly `count` micro-batches; the last may be short or empty."""
    cut = [list(packs[i * micro_batch_size : (i + 1) * micro_batch_size]) for i in range(count)]
    assert sum(map(len, cut)) == len(packs), f"{len(packs)} packs do not fit {count} x {micro_batch_size}"
    return cut


def grad_accum_steps(global_batch_size: int, *, world_size: int, micro_batch_size: int) -> int:
    """Micro-batches every rank runs in a step."""
    return math.ceil(math.ceil(global_batch_size / world_size) / micro_batch_size)


def idle_share(num_packs: int, *, global_batch_size: int, world_size: int) -> float:
    """Share of the ranks' pack slots in a step that zero-weight packs fill."""
    slots = math.ceil(global_batch_size / world_size) * world_size
    return 1 - num_packs / slots
