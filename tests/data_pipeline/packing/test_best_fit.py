from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.packing.best_fit import Packing, assign_packs, best_fit, exact_fit, num_partitions

LENGTHS = st.lists(st.integers(1, 64), max_size=200)


def best_fit_decreasing(lengths: list[int], seq_len: int) -> list[int]:
    """The textbook algorithm, quadratic: the free space left in each pack, in order of opening."""
    free: list[int] = []
    for length in sorted(lengths, reverse=True):
        fits = [(space, -i) for i, space in enumerate(free) if space >= length]
        if fits:
            _, negative = min(fits)
            free[-negative] -= length
        else:
            free.append(seq_len - length)
    return free


def packs_of(packing: Packing) -> list[list[int]]:
    """Packs as lists of rows, in the order of their segments."""
    packs: list[list[int]] = [[] for _ in range(packing.num_packs)]
    for row in sorted(range(len(packing.pack)), key=lambda row: packing.slot[row]):
        assert len(packs[packing.pack[row]]) == packing.slot[row]
        packs[packing.pack[row]].append(row)
    return packs


@pytest.mark.parametrize("packer", [assign_packs, exact_fit, best_fit])
@given(lengths=LENGTHS)
def test_every_row_once_and_no_pack_too_full(packer, lengths: list[int]) -> None:
    packs = packs_of(packer(np.array(lengths, np.int64), seq_len=64))
    assert sorted(index for pack in packs for index in pack) == list(range(len(lengths)))
    assert all(1 <= sum(lengths[i] for i in pack) <= 64 for pack in packs)


@pytest.mark.parametrize("packer", [assign_packs, exact_fit, best_fit])
@given(lengths=LENGTHS)
def test_packs_and_segments_are_in_the_order_of_their_lengths(packer, lengths: list[int]) -> None:
    packs = packs_of(packer(np.array(lengths, np.int64), seq_len=64))
    for pack in packs:
        assert all((-lengths[a], a) < (-lengths[b], b) for a, b in pairwise(pack))
    assert all((-lengths[a[0]], a[0]) < (-lengths[b[0]], b[0]) for a, b in pairwise(packs))


@given(lengths=LENGTHS)
def test_best_fit_is_the_textbooks(lengths: list[int]) -> None:
    packs = packs_of(best_fit(np.array(lengths, np.int64), seq_len=64))
    free = sorted(64 - sum(lengths[i] for i in pack) for pack in packs)
    assert free == sorted(best_fit_decreasing(lengths, 64))


@given(lengths=LENGTHS)
def test_a_pack_of_exact_fit_is_closed_only_when_nothing_fits(lengths: list[int]) -> None:
    packs = packs_of(exact_fit(np.array(lengths, np.int64), seq_len=64))
    for number, pack in enumerate(packs):
        free = 64 - sum(lengths[i] for i in pack)
        assert all(lengths[i] > free for later in packs[number + 1 :] for i in later)


@given(lengths=LENGTHS)
def test_never_more_packs_than_best_fit(lengths: list[int]) -> None:
    assert assign_packs(lengths, seq_len=64).num_packs <= len(best_fit_decreasing(lengths, 64))


@pytest.mark.parametrize("seq_len", [1024, 2048, 4096])
def test_hardly_a_token_is_left_free_on_lengths_like_those_of_chats(seq_len: int) -> None:
    """Lognormal lengths: at most 0.02 % and the last, open pack above the volume."""
    lengths = np.clip(np.random.default_rng(0).lognormal(4.4, 0.9, 60_000).astype(int) + 12, 1, seq_len)
    packs = assign_packs(lengths, seq_len=seq_len).num_packs
    assert packs <= lengths.sum() / seq_len * 1.0002 + 1
    best = best_fit(lengths, seq_len=seq_len).num_packs
    assert packs < best if seq_len == 1024 else packs <= best


def test_worked_by_hand() -> None:
    # 7 and 3 fill a pack; 6 and 4 fill a pack; 5 is alone with 2.
    assert packs_of(assign_packs([3, 7, 5, 4, 6, 2], seq_len=10)) == [[1, 0], [4, 3], [2, 5]]
    # Best fit puts 3 beside 6, which leaves 1; exact fit finds 2 + 2 for 6, and 3 + 2 for 5.
    lengths = np.array([2, 2, 2, 3, 5, 6])
    assert packs_of(best_fit(lengths, seq_len=10)) == [[5, 3], [4, 0, 1], [2]]
    assert packs_of(assign_packs(lengths, seq_len=10)) == [[5, 0, 1], [4, 3, 2]]


@pytest.mark.parametrize("length", [0, 11])
def test_a_length_that_fits_no_pack_is_an_error(length: int) -> None:
    with pytest.raises(ValueError, match=r"1\.\.10"):
        assign_packs([5, length], seq_len=10)


def test_the_number_of_partitions_depends_on_the_rows_alone() -> None:
    assert [num_partitions(n, partition_rows=10) for n in (0, 1, 10, 11, 100, 101)] == [1, 1, 1, 2, 10, 11]
