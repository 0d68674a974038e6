"""Ranks that compute empty packs are told of, with what would keep them busy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.batches.dealing import grad_accum_steps, idle_share
from trainer.plan.idle_ranks import MAX_IDLE_SHARE, idle_warning


def test_the_warning_has_the_numbers_and_the_cure() -> None:
    assert idle_warning(16, world_size=512) == (
        "512 ranks have room for 512 packs a step and get 16: 97% of their work is on empty packs; "
        "16 ranks are as fast (cluster.num_workers), and a train.global_batch_size of 512 keeps them busy"
    )
    shared = idle_warning(3, world_size=8, sequence_parallel_size=2)
    assert shared is not None
    assert "room for 4 packs a step and get 3: 25%" in shared
    assert "6 ranks are as fast" in shared
    all_needed = idle_warning(16, world_size=3)
    assert all_needed is not None
    assert "11% of their work is on empty packs; a train.global_batch_size of 18" in all_needed


@pytest.mark.parametrize(("packs", "ranks"), [(16, 16), (16, 2), (4096, 512), (200, 3)])
def test_busy_ranks_are_not_told_of(packs: int, ranks: int) -> None:
    assert idle_warning(packs, world_size=ranks) is None


@given(st.integers(1, 300), st.integers(1, 300))
def test_fewer_ranks_are_named_only_where_they_are_as_fast(packs: int, ranks: int) -> None:
    said = idle_warning(packs, world_size=ranks)
    if said is None:
        assert idle_share(packs, global_batch_size=packs, world_size=ranks) <= MAX_IDLE_SHARE
        return
    rounds = {
        count: grad_accum_steps(packs, world_size=count, micro_batch_size=1) for count in range(1, ranks + 1)
    }
    fastest = min(count for count in rounds if rounds[count] == rounds[ranks])
    assert (f"{fastest} ranks are as fast" in said) == (fastest < ranks)
