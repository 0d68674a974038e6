"""Intervals: against closed forms, paired, seeded."""

import numpy as np
import pytest

from eval.scores import intervals
from eval.scores.intervals import Resamples, interval, paired_delta


def mean(sums_BK: intervals.Array) -> intervals.Array:
    return sums_BK[:, 0] / sums_BK[:, 1]


def column(values: list[float]) -> intervals.Array:
    return np.array([[value, 1.0] for value in values])


def names(count: int) -> list[str]:
    """A family of its own for each sample."""
    return [f"f{number}" for number in range(count)]


def test_the_interval_of_a_share_is_the_binomial_one() -> None:
    values = [1.0] * 120 + [0.0] * 280
    found = interval(column(values), mean, Resamples(names(400), num_resamples=4000, seed=0))
    half = 1.96 * (0.3 * 0.7 / 400) ** 0.5
    assert found["value"] == pytest.approx(0.3)
    assert found["low"] == pytest.approx(0.3 - half, abs=0.006)
    assert found["high"] == pytest.approx(0.3 + half, abs=0.006)


def test_the_difference_is_paired() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=200)
    draws = Resamples(names(200), num_resamples=500, seed=0)
    delta = paired_delta(column(list(base + 0.5)), column(list(base)), mean, draws)
    for key in ("value", "low", "high"):  # a constant shift is sure, however wide each side's interval
        assert delta[key] == pytest.approx(0.5)
    alone = interval(column(list(base)), mean, draws)
    assert alone["low"] is not None
    assert alone["high"] is not None
    assert alone["high"] - alone["low"] > 0.2


def test_seed_and_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = column(list(np.random.default_rng(1).normal(size=50)))

    def found(seed: int) -> intervals.Interval:
        return interval(values, mean, Resamples(names(50), num_resamples=300, seed=seed))

    whole = found(7)
    assert found(7) == whole
    assert found(8) != whole
    monkeypatch.setattr(
        intervals, "CHUNK_CELLS", 50 * 7
    )  # the draws do not depend on how many are held at once
    assert found(7) == pytest.approx(whole)


def test_samples_of_a_family_are_no_independent_ones() -> None:
    """Eight samples a family that is right or wrong as a whole: 95 % must cover the truth in 95 %."""
    rng = np.random.default_rng(0)
    families = [name for name in names(100) for _ in range(8)]
    covered = {"families": 0, "samples": 0}
    for seed in range(400):
        is_right = np.repeat(rng.random(100) < 0.7, 8)
        right = np.where(rng.random(800) < 0.9, is_right, ~is_right).astype(float)
        for how, drawn in (("families", families), ("samples", names(800))):
            found = interval(column(list(right)), mean, Resamples(drawn, num_resamples=200, seed=seed))
            assert found["low"] is not None
            assert found["high"] is not None
            covered[how] += found["low"] <= 0.7 * 0.9 + 0.3 * 0.1 <= found["high"]
    assert 0.92 <= covered["families"] / 400 <= 0.98
    assert covered["samples"] / 400 < 0.8


def test_one_sample_has_no_interval() -> None:
    draws = Resamples(names(1), num_resamples=10, seed=0)
    assert interval(column([0.25]), mean, draws) == {"value": 0.25, "low": None, "high": None}
    delta = paired_delta(column([1.0]), column([0.0]), mean, draws)
    assert delta == {"value": 1.0, "low": None, "high": None}


def test_one_family_has_no_interval() -> None:
    draws = Resamples(["f", "f"], num_resamples=10, seed=0)
    assert interval(column([0.25, 0.75]), mean, draws) == {"value": 0.5, "low": None, "high": None}
