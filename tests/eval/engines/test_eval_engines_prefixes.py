"""Who lends whom: waves by hand, and what holds for any prompts."""

from hypothesis import given
from hypothesis import strategies as st

from eval.engines._prefixes import MIN_SHARED, Share, cut_alike, cut_waves, num_shared

SYSTEM, FIRST, SECOND = [1] * 20, [2] * 30, [3] * 30


def test_tokens_that_both_begin_with() -> None:
    assert num_shared([1, 2, 3, 4], [1, 2, 4, 4]) == 2
    assert num_shared([1, 2], [1, 2, 3]) == 2
    assert num_shared([], [1]) == num_shared([2], [1]) == 0


def test_waves_by_hand() -> None:
    """A system message, two inputs, each in two wordings: the first reads all, one reads the other input."""
    coming = {
        10: SYSTEM + FIRST + [7],
        11: SYSTEM + FIRST + [8, 8],
        12: SYSTEM + SECOND + [7],
        13: SYSTEM + SECOND + [8, 8],
        14: [9] * 5,
    }
    assert cut_waves({}, coming) == [
        {10: Share(), 14: Share()},
        {11: Share(10, 50), 12: Share(10, 20)},
        {13: Share(12, 50)},
    ]
    there = {1: SYSTEM + SECOND + [9]}
    assert cut_waves(there, {12: coming[12], 15: there[1]}) == [{12: Share(1, 50), 15: Share(1, 50)}]
    few = [4] * (MIN_SHARED - 1)
    assert cut_waves({1: [*few, 1]}, {2: [*few, 2], 3: [*few, 3]}) == [{2: Share(), 3: Share()}]


PROMPTS = st.lists(
    st.lists(st.sampled_from([[1] * 9, [2] * 9, [3]]), min_size=1, max_size=6).map(
        lambda runs: [token for run in runs for token in run]
    ),
    max_size=9,
)


@given(PROMPTS, PROMPTS)
def test_of_any_prompts_each_comes_once_and_borrows_what_is_there(
    there: list[list[int]], new: list[list[int]]
) -> None:
    old, coming = dict(enumerate(there)), dict(enumerate(new, start=len(there)))
    waves = cut_waves(old, coming)
    assert sorted(key for wave in waves for key in wave) == sorted(coming)
    ready = set(old)
    for number, wave in enumerate(waves):
        for key, share in wave.items():
            if share.lender is not None:
                lender = (old | coming)[share.lender]
                assert share.lender in ready
                assert MIN_SHARED - 1 <= share.num_tokens < len(coming[key])
                assert coming[key][: share.num_tokens] == lender[: share.num_tokens]
                # Slots of old rows are taken by the first wave.
                assert number == 0 or share.lender in coming
            best = max((num_shared(coming[key], (old | coming)[one]) for one in ready), default=0)
            assert share.num_tokens >= min(best, len(coming[key]) - 1) - MIN_SHARED
        ready |= set(wave)


def test_a_forward_reads_prompts_of_like_length() -> None:
    assert cut_alike({1: 3, 2: 100, 3: 20, 4: 90, 5: 3}) == [[1, 5, 3], [4, 2]]
    assert cut_alike({}) == []
