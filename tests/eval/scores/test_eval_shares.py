"""Answers of all metrics on one scale, and their means."""

import numpy as np
import pytest

from eval.metrics.tool_calls import METRIC as TOOL_CALLS
from eval.scores.intervals import Resamples
from eval.scores.labelled import metrics
from eval.scores.metric import Reference
from eval.scores.overlap import metrics as text_metrics
from eval.scores.shares import mean_delta, mean_gap, mean_interval, metric_of_answers, shares

RIGHT = Reference(["긍정"], "ko", "긍정")


def test_the_first_metric_that_a_single_answer_has() -> None:
    exact, accuracy, macro_f1 = metrics(["긍정", "부정"])
    assert metric_of_answers([macro_f1, accuracy], [RIGHT]) is accuracy
    assert metric_of_answers([exact, accuracy], [RIGHT]) is exact
    assert metric_of_answers([macro_f1], [RIGHT]).name == "exact_match"
    calls = Reference(['<tool_call>{"name": "f", "arguments": {}}</tool_call>'], "und", None)
    text = metric_of_answers([TOOL_CALLS, exact], [calls, RIGHT])
    assert text.name == "exact_match"  # of calls and texts alike


def test_a_share_is_of_the_best_value() -> None:
    rouge = next(metric for metric in text_metrics() if metric.name == "rougeL")
    assert shares(rouge, ["긍정", "다른 말"], [RIGHT, RIGHT]).tolist() == [1.0, 0.0]


def test_intervals_resample_families() -> None:
    values, others = np.array([1.0, 1.0, 0.0, 1.0]), np.zeros(4)
    draws = Resamples(["a", "a", "b", "c"], num_resamples=200, seed=0)
    found = mean_interval(values, draws)
    assert found["value"] == 0.75
    assert found["low"] is not None
    assert found["low"] < 0.75 < (found["high"] or 0)
    assert mean_delta(values, others, draws) == found
    one = Resamples(["a"] * 4, num_resamples=200, seed=0)
    assert mean_interval(values, one)["low"] is None


def test_a_gap_is_between_different_rows() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(1.0, 1.0, 400), rng.normal(0.5, 2.0, 300)
    sides = [
        (side, Resamples([f"{name}{at}" for at in range(len(side))], num_resamples=2000, seed=seed))
        for seed, (name, side) in enumerate((("a", first), ("b", second)))
    ]
    found = mean_gap(*sides[0], *sides[1])
    assert found["value"] == pytest.approx(first.mean() - second.mean())
    # The normal interval of two independent means (Welch).
    half = 1.96 * np.sqrt(first.var() / len(first) + second.var() / len(second))
    assert found["low"] == pytest.approx(found["value"] - half, abs=0.03)
    assert found["high"] == pytest.approx(found["value"] + half, abs=0.03)
    one = Resamples(["a"] * 400, num_resamples=10, seed=0)
    assert mean_gap(first, one, *sides[1])["low"] is None
