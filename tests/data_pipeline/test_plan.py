import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline.packing.plan import plan_packs, plan_partitions

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


@given(
    rows=st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(1, 64)), max_size=200),
    partition_rows=st.integers(1, 50),
)
@settings(max_examples=60)
def test_partitions_lose_and_double_nothing(rows: list[tuple[int, int]], partition_rows: int) -> None:
    hashes, lengths = [h for h, _ in rows], [n for _, n in rows]
    packs = plan_partitions(hashes, lengths, seq_len=64, partition_rows=partition_rows)
    assert sorted(index for pack in packs for index in pack) == list(range(len(rows)))
    count = max(1, -(-len(rows) // partition_rows))
    assert all(len({hashes[i] % count for i in pack}) == 1 for pack in packs)
