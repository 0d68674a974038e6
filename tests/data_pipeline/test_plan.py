import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.packing.plan import assign_packs, num_partitions

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


def plan_packs(lengths: list[int], seq_len: int) -> list[list[int]]:
    """Packs as lists of rows, in the order of their segments."""
    packing = assign_packs(lengths, seq_len=seq_len)
    packs: list[list[int]] = [[] for _ in range(packing.num_packs)]
    for row in sorted(range(len(lengths)), key=lambda row: packing.slot[row]):
        assert len(packs[packing.pack[row]]) == packing.slot[row]
        packs[packing.pack[row]].append(row)
    return packs


@given(lengths=LENGTHS)
def test_every_row_once_and_no_pack_too_full(lengths: list[int]) -> None:
    packs = plan_packs(lengths, seq_len=64)
    assert sorted(index for pack in packs for index in pack) == list(range(len(lengths)))
    assert all(1 <= sum(lengths[i] for i in pack) <= 64 for pack in packs)


@given(lengths=LENGTHS)
def test_it_is_best_fit_decreasing(lengths: list[int]) -> None:
    packs = plan_packs(lengths, seq_len=64)
    free = sorted(64 - sum(lengths[i] for i in pack) for pack in packs)
    assert free == sorted(best_fit_decreasing(lengths, 64))


def test_worked_by_hand() -> None:
    # 7 and 3 fill a pack; 6 and 4 fill a pack; 5 is alone with 2.
    assert plan_packs([3, 7, 5, 4, 6, 2], seq_len=10) == [[1, 0], [4, 3], [2, 5]]


@pytest.mark.parametrize("length", [0, 11])
def test_a_length_that_fits_no_pack_is_an_error(length: int) -> None:
    with pytest.raises(ValueError, match=r"1\.\.10"):
        plan_packs([5, length], seq_len=10)


def test_the_number_of_partitions_depends_on_the_rows_alone() -> None:
    assert [num_partitions(n, partition_rows=10) for n in (0, 1, 10, 11, 100, 101)] == [1, 1, 1, 2, 10, 11]
