"""Dealing a step to many ranks: the same as by its definition, in a number of comparisons that ranks do not
multiply.
"""

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.batches import dealing
from trainer.batches.dealing import deal, packs_of_step


def by_definition(costs: list[int], world_size: int) -> list[list[int]]:
    """Longest first, each to the least loaded rank that still has room."""
    room = math.ceil(len(costs) / world_size)
    ranks: list[list[int]] = [[] for _ in range(world_size)]
    for index in sorted(range(len(costs)), key=lambda i: (-costs[i], i)):
        open_ranks = [rank for rank in range(world_size) if len(ranks[rank]) < room]
        ranks[min(open_ranks, key=lambda rank: (sum(costs[i] for i in ranks[rank]), rank))].append(index)
    return ranks


@settings(max_examples=300)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), st.integers(1, 12))
def test_dealing_is_its_definition(costs: list[int], world_size: int) -> None:
    assert deal(costs, world_size=world_size) == by_definition(costs, world_size)


class Counted(int):
    """A cost that counts how often a load made of it is compared."""

    compared = 0

    def __radd__(self, other: Any) -> "Counted":
        return Counted(int(self) + int(other))

    def __lt__(self, other: Any) -> bool:
        Counted.compared += 1
        return int(self) < int(other)

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return isinstance(other, int) and int(self) == int(other)

    __hash__ = int.__hash__


def test_a_step_of_512_ranks_takes_comparisons_by_the_logarithm_of_ranks() -> None:
    ranks, packs = 512, 4096
    costs = [Counted(cost) for cost in np.random.default_rng(0).integers(1_000, 4_000_000, packs)]
    Counted.compared = 0
    dealt = deal(costs, world_size=ranks)
    assert sorted(map(len, dealt)) == [packs // ranks] * ranks
    assert Counted.compared < 4 * packs * math.log2(ranks), "each with every rank would be 2 million"


def test_an_epoch_is_ordered_once_in_four_bytes_a_pack(monkeypatch: Any) -> None:
    """And in the order that `permutation` draws."""
    dealing._order.cache_clear()
    shuffled = []
    real = dealing._order.__wrapped__
    monkeypatch.setattr(
        dealing, "_order", dealing.lru_cache(maxsize=2)(lambda *of: shuffled.append(of) or real(*of))
    )
    steps = [packs_of_step(step, seed=3, epoch_sizes=(1000,), global_batch_size=8) for step in range(125)]
    assert shuffled == [(3, 0, 1000)]
    assert real(3, 0, 1000).nbytes == 4000
    wanted = np.random.Generator(np.random.PCG64([3, 0])).permutation(1000)
    assert [pack for packs in steps for pack in packs] == wanted.tolist()
