"""Weights of a step by hand, and their sum over any cut into micro-batches."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hunmin.schema import IGNORE_INDEX
from trainer.batches.packs import Pack
from trainer.batches.weighting import Weighting, count_step
from trainer.engine.ranks import Rank
from trainer.engine.steps import micro_batch, shares, sums_by_task


def pack(*segments: tuple[int, int, int]) -> Pack:
    """Segments as (length, trained tokens at the end, task)."""
    labels = np.concatenate([np.r_[np.full(n - k, IGNORE_INDEX), np.arange(k)] for n, k, _ in segments])
    lengths, tasks = np.array([s[0] for s in segments], np.int32), np.array([s[2] for s in segments])
    return Pack(
        np.zeros(len(labels), np.int32), labels.astype(np.int32), lengths, tasks, np.arange(len(tasks))
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
    assert (counts.num_samples, counts.num_valid_tokens) == (3, 6)
    assert micro_batch(PACKS, counts, weighting, ME).weights.tolist() == pytest.approx(wanted)


segment = st.tuples(st.integers(2, 9), st.integers(0, 9), st.integers(0, 3)).map(
    lambda s: (s[0], min(s[1], s[0]), s[2])
)


@given(
    st.lists(st.lists(segment, min_size=1, max_size=4), min_size=1, max_size=6),
    st.sampled_from(["token", "sample", "task"]),
)
def test_weights_of_a_step_sum_to_one_however_it_is_cut(
    step: list[list[tuple[int, int, int]]], weighting: Weighting
) -> None:
    packs = [pack(*segments) for segments in step]
    counts = count_step(packs, num_tasks=4)
    alone = [micro_batch([one], counts, weighting, ME).weights for one in packs]
    together = micro_batch(packs, counts, weighting, ME).weights
    torch.testing.assert_close(torch.cat(alone), together)
    assert float(together.sum()) == pytest.approx(1.0 if counts.num_valid_tokens else 0.0)


def test_an_empty_micro_batch_weighs_nothing() -> None:
    counts = count_step(PACKS, num_tasks=3)
    for weighting in ("token", "sample", "task"):
        assert micro_batch([], counts, weighting, ME).weights.shape == (0,)


def test_sums_and_shares() -> None:
    tasks = torch.tensor([1, 0, 1])
    assert sums_by_task([torch.tensor([1.0, 2.0, 3.0]), None], tasks, num_tasks=3).tolist() == [
        [2, 4, 0],
        [1, 2, 0],
    ]
    assert shares(np.array([1.0, 3.0])).tolist() == [0.25, 0.75]
    assert np.isnan(shares(np.array([0.0, 0.0]))).all()
