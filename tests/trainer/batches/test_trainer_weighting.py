"""Weights of a step by hand, their sum over any cut into micro-batches, and what a row's own weight does."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hunmin.schema import IGNORE_INDEX
from trainer.batches.packs import Pack
from trainer.batches.weighting import Weighting, count_step
from trainer.engine.ranks import Rank
from trainer.engine.steps import micro_batch, shares, sums_by_task


def pack(*segments: tuple[int, int, int], weights: Sequence[float] | None = None) -> Pack:
    """Segments as (length, trained tokens at the end, task), and the weight of each row."""
    labels = np.concatenate([np.r_[np.full(n - k, IGNORE_INDEX), np.arange(k)] for n, k, _ in segments])
    lengths, tasks = np.array([s[0] for s in segments], np.int32), np.array([s[2] for s in segments])
    return Pack(
        input_ids=np.zeros(len(labels), np.int32),
        labels=labels.astype(np.int32),
        seq_lengths=lengths,
        tasks=tasks,
        rows=np.arange(len(tasks)),
        weights=np.ones(len(tasks), np.float32) if weights is None else np.array(weights, np.float32),
    )


ME = Rank(0, 1, torch.device("cpu"), 1)
PACKS = [pack((5, 2, 0), (4, 1, 1)), pack((6, 3, 0), (3, 0, 1))]


@pytest.mark.parametrize(
    ("weighting", "wanted"),
    [
        ("token", [1 / 6] * 6),
        ("sample", [1 / 6, 1 / 6, 1 / 3, 1 / 9, 1 / 9, 1 / 9]),  # the row without an answer is none
        ("task", [1 / 10, 1 / 10, 1 / 2, 1 / 10, 1 / 10, 1 / 10]),
    ],
)
def test_by_hand(weighting: Weighting, wanted: list[float]) -> None:
    counts = count_step(PACKS, num_tasks=3)
    assert counts.tokens_of_task.tolist() == [5, 1, 0]
    assert (counts.weighted_samples, counts.num_valid_tokens, counts.weighted_tokens) == (3, 6, 6)
    assert micro_batch(PACKS, counts, weighting, ME).weights.tolist() == pytest.approx(wanted)


segment = st.tuples(st.integers(2, 9), st.integers(0, 9), st.integers(0, 3)).map(
    lambda s: (s[0], min(s[1], s[0]), s[2])
)


weighted = st.tuples(segment, st.sampled_from([0.25, 0.3, 1.0, 2.0, 3.0]))


@settings(deadline=None)  # the first comparison of tensors imports for a second
@given(
    st.lists(st.lists(weighted, min_size=1, max_size=4), min_size=1, max_size=6),
    st.sampled_from(["token", "sample", "task"]),
)
def test_weights_of_a_step_sum_to_one_however_it_is_cut(
    step: list[list[tuple[tuple[int, int, int], float]]], weighting: Weighting
) -> None:
    packs = [pack(*(s for s, _ in members), weights=[w for _, w in members]) for members in step]
    counts = count_step(packs, num_tasks=4)
    alone = [micro_batch([one], counts, weighting, ME).weights for one in packs]
    together = micro_batch(packs, counts, weighting, ME).weights
    torch.testing.assert_close(torch.cat(alone), together)
    assert float(together.sum()) == pytest.approx(1.0 if counts.num_valid_tokens else 0.0)


@settings(deadline=None)  # the first comparison of tensors imports for a second
@given(
    st.lists(st.tuples(segment, st.integers(1, 3)), min_size=1, max_size=5),
    st.sampled_from(["token", "sample", "task"]),
)
def test_a_row_of_weight_n_weighs_what_it_does_standing_n_times(
    rows: list[tuple[tuple[int, int, int], int]], weighting: Weighting
) -> None:
    once = pack(*(row for row, _ in rows), weights=[count for _, count in rows])
    often = pack(*(row for row, count in rows for _ in range(count)))
    found, wanted = (
        (counts := count_step([one], num_tasks=4), micro_batch([one], counts, weighting, ME))
        for one in (once, often)
    )
    assert found[0].weighted_tokens == wanted[0].num_valid_tokens
    assert found[0].weighted_samples == wanted[0].weighted_samples
    row_of = torch.tensor([index for index, (_, count) in enumerate(rows) for _ in range(count)])
    by_row = torch.zeros(len(rows), dtype=torch.float64)
    torch.testing.assert_close(
        by_row.index_add(0, found[1].rows, found[1].weights),
        by_row.index_add(0, row_of[wanted[1].rows], wanted[1].weights),
        rtol=1e-14,
        atol=0,
    )


def test_a_weight_below_one_is_no_less_of_a_step_than_its_share() -> None:
    light = pack((3, 1, 0), weights=[0.5])  # half a token in all: it is all that the step has
    counts = count_step([light], num_tasks=1)
    for weighting in ("token", "sample", "task"):
        assert micro_batch([light], counts, weighting, ME).weights.tolist() == [1.0]


def test_weights_by_hand() -> None:
    packs = [pack((5, 2, 0), (4, 1, 1), weights=[2, 0.5])]
    counts = count_step(packs, num_tasks=2)
    assert (counts.num_valid_tokens, counts.weighted_tokens, counts.weighted_samples) == (3, 4.5, 2.5)
    wanted: dict[Weighting, list[float]] = {
        "token": [2 / 4.5, 2 / 4.5, 0.5 / 4.5],
        "sample": [2 / 5, 2 / 5, 0.5 / 2.5],
        "task": [1 / 4, 1 / 4, 1 / 2],
    }
    for weighting, weights in wanted.items():
        found = micro_batch(packs, counts, weighting, ME)
        assert found.weights.tolist() == pytest.approx(weights)
        assert found.row_weights.tolist() == [2, 2, 0.5]


def test_an_empty_micro_batch_weighs_nothing() -> None:
    counts = count_step(PACKS, num_tasks=3)
    for weighting in ("token", "sample", "task"):
        assert micro_batch([], counts, weighting, ME).weights.shape == (0,)


def test_sums_and_shares() -> None:
    tasks = torch.tensor([1, 0, 1])
    assert sums_by_task([torch.tensor([1.0, 2.0, 3.0]), torch.ones(3)], tasks, num_tasks=3).tolist() == [
        [2, 4, 0],
        [1, 2, 0],
    ]
    assert shares(np.array([1.0, 3.0])).tolist() == [0.25, 0.75]
    assert np.isnan(shares(np.array([0.0, 0.0]))).all()
