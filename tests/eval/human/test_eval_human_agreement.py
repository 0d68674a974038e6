"""Krippendorff's alpha against his own example, rank correlations against SciPy, resamples against loops."""

import numpy as np
import pytest
from scipy import stats

from eval.human.agreement import Level, alpha, alpha_of, coincidences, kendall, spearman
from eval.scores.intervals import Resamples

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section C: four observers, twelve units.
OBSERVED = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""
VALUES = np.arange(1.0, 6.0)


def counts(text: str) -> np.ndarray:
    columns = zip(*(line.split() for line in text.split("\n") if line), strict=True)
    return np.array([[column.count(str(int(value))) for value in VALUES] for column in columns], float)


def units(num_units: int, *, families: int | None = None) -> Resamples:
    names = [str(number % (families or num_units)) for number in range(num_units)]
    return Resamples(names, num_resamples=200, seed=3)


@pytest.mark.parametrize(("level", "published"), [("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_that_of_the_published_example(level: Level, published: float) -> None:
    found = alpha(counts(OBSERVED), VALUES, level, units(12))
    assert found is not None
    assert round(found["value"], 3) == published
    assert found["low"] is not None
    assert found["low"] < found["value"] < 1


def test_the_coincidences_are_those_of_the_published_example() -> None:
    # His matrix of observed coincidences for these data, values 1 to 5.
    matrix = coincidences(counts(OBSERVED)).sum(axis=0).reshape(5, 5)
    wanted = [[7, 4 / 3, 1 / 3, 1 / 3, 0], [4 / 3, 10, 4 / 3, 1 / 3, 0], [1 / 3, 4 / 3, 8, 1 / 3, 0]]
    assert np.allclose(matrix[:3], wanted)
    assert matrix[3:].tolist() == [[pytest.approx(1 / 3)] * 3 + [4, 0], [0, 0, 0, 0, 3]]


def test_alpha_is_not_defined_where_nothing_could_disagree() -> None:
    assert alpha(np.array([[2.0, 0, 0, 0, 0]] * 4), VALUES, "ordinal", units(4)) is None
    assert alpha(np.array([[1.0, 0, 0, 0, 0], [0, 1, 0, 0, 0]]), VALUES, "interval", units(2)) is None


def test_an_alpha_of_a_resample_that_is_not_defined_leaves_no_bounds() -> None:
    found = alpha(np.array([[2.0, 0, 0, 0, 0]] * 3 + [[0, 2.0, 0, 0, 0]]), VALUES, "ordinal", units(4))
    assert found == {"value": 1.0, "low": None, "high": None}


def test_resampled_alphas_are_those_of_the_drawn_units() -> None:
    table, draws = counts(OBSERVED), units(12, families=5)
    sums = draws.sums(coincidences(table))
    for weights, summed in list(zip(np.concatenate(list(draws.sample_weights())), sums, strict=True))[:10]:
        drawn = coincidences(np.repeat(table, weights.astype(int), axis=0)).sum(axis=0)
        for aggregate in (alpha_of(VALUES, "ordinal"), alpha_of(VALUES, "interval")):
            assert aggregate(summed[None])[0] == pytest.approx(aggregate(drawn[None])[0])


@pytest.mark.parametrize(("ours", "theirs"), [(spearman, stats.spearmanr), (kendall, stats.kendalltau)])
def test_rank_correlations_are_scipys_in_every_resample(ours, theirs) -> None:
    rng = np.random.default_rng(0)
    xs = rng.integers(0, 6, size=30).astype(float)
    ys = xs + rng.integers(-3, 4, size=30)
    draws = units(30, families=11)
    found = ours(xs, ys, draws)
    assert found["value"] == pytest.approx(theirs(xs, ys).statistic, abs=1e-12)
    drawn = []
    for weights in np.concatenate(list(draws.sample_weights())):
        times = weights.astype(int)
        drawn.append(theirs(np.repeat(xs, times), np.repeat(ys, times)).statistic)
    assert [found["low"], found["high"]] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=1e-12)


def test_no_correlation_with_what_is_constant_and_no_bounds_of_one_family() -> None:
    ones, rising = np.ones(5), np.arange(5.0)
    assert spearman(ones, rising, units(5)) is None
    assert kendall(rising, ones, units(5)) is None
    assert spearman(rising, rising, units(5, families=1)) == {"value": 1.0, "low": None, "high": None}
