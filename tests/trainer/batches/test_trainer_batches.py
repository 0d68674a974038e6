"""No pack lost or doubled; the same packs per step for any world size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.batches.dealing import (
    attention_cost,
    deal,
    grad_accum_steps,
    idle_share,
    micro_batches,
    packs_of_step,
    steps_per_pass,
)

epoch_sizes = st.lists(st.integers(1, 40), min_size=1, max_size=4).map(tuple)


@given(epoch_sizes, st.integers(1, 20), st.integers(0, 2**31), st.integers(0, 2))
def test_a_pass_holds_every_pack_once(sizes: tuple[int, ...], batch: int, seed: int, passes: int) -> None:
    num_steps = steps_per_pass(sizes, global_batch_size=batch)
    seen: list[int] = []
    for step in range(passes * num_steps, (passes + 1) * num_steps):
        packs = packs_of_step(step, seed=seed, epoch_sizes=sizes, global_batch_size=batch)
        assert 1 <= len(packs) <= batch
        seen += packs
    assert sorted(seen) == list(range(sum(sizes)))
    epochs = np.repeat(np.arange(len(sizes)), sizes)
    assert np.all(np.diff(epochs[seen]) >= 0), "epochs come in order"


def test_order_depends_on_seed_epoch_and_pass_only() -> None:
    def order(seed: int, first: int) -> list[int]:
        steps = range(first, first + 10)
        return [p for s in steps for p in packs_of_step(s, seed=seed, epoch_sizes=(40,), global_batch_size=4)]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(2, 0)
    assert order(1, 0) != order(1, 10), "a further pass is permuted anew"
    assert order(1, 0) != list(range(40))


@settings(max_examples=200)
@given(
    st.lists(st.integers(1, 10_000), min_size=1, max_size=40),
    st.integers(1, 9),
    st.integers(1, 5),
)
def test_deal_gives_each_pack_to_one_rank(costs: list[int], world_size: int, micro: int) -> None:
    ranks = deal(costs, world_size=world_size)
    assert sorted(index for rank in ranks for index in rank) == list(range(len(costs)))
    count = grad_accum_steps(len(costs), world_size=world_size, micro_batch_size=micro)
    for rank in ranks:
        cut = micro_batches(rank, micro_batch_size=micro, count=count)
        assert len(cut) == count, "every rank runs the same number of micro-batches"
        assert [index for group in cut for index in group] == rank


def test_deal_balances_cost_under_equal_counts() -> None:
    # Longest first: 9 | 8, then 7 to the lighter, then 1 where there is room.
    assert deal([1, 7, 8, 9], world_size=2) == [[3, 0], [2, 1]]
    assert deal([5, 5, 5], world_size=2) == [[0, 2], [1]]


def test_attention_cost_is_of_segments() -> None:
    assert attention_cost(np.array([3, 4], np.int32)) == 25
    assert attention_cost(np.array([60_000], np.int32)) == 3_600_000_000, "no overflow"


@pytest.mark.parametrize(
    ("packs", "batch", "world", "share"), [(16, 16, 2, 0.0), (16, 16, 3, 1 / 9), (3, 16, 2, 13 / 16)]
)
def test_idle_share(packs: int, batch: int, world: int, share: float) -> None:
    assert idle_share(packs, global_batch_size=batch, world_size=world) == pytest.approx(share)
