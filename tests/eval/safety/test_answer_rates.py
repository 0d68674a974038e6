"""Rates with intervals, and detectors against labelled texts."""

import numpy as np
import pytest
from safety_material import material
from scipy.stats import binomtest

from eval.safety.rates import Items, quality, rate, wilson


def test_a_rate_is_the_mean_with_the_paired_difference() -> None:
    families = [f"f{index}" for index in range(40)]
    base, tuned = [1.0] * 20 + [0.0] * 20, [1.0] * 10 + [0.0] * 30
    found = rate("any", Items(families, {"base": base, "tuned": tuned}), material())
    assert found is not None
    assert (found["n"], found["families"]) == (40, 40)
    assert found["systems"]["base"]["value"] == 50
    assert found["systems"]["tuned"]["value"] == 25
    assert found["delta"]["value"] == -25
    # The bootstrap of a share is binomial: its 95 % quantiles by the normal approximation.
    half = 196 * np.sqrt(0.25 * 0.75 / 40)
    assert found["systems"]["tuned"]["low"] == pytest.approx(25 - half, abs=4)
    assert found["delta"]["high"] < 0  # type: ignore[operator]


def test_families_are_drawn_together() -> None:
    values = [1.0, 0.0] * 10
    apart = rate(
        "any",
        Items([str(index) for index in range(20)], dict.fromkeys(("base", "tuned"), values)),
        material(),
    )
    halves = rate("any", Items(["a", "b"] * 10, dict.fromkeys(("base", "tuned"), values)), material())
    assert apart is not None
    assert halves is not None
    assert (halves["systems"]["base"]["low"], halves["systems"]["base"]["high"]) == (0, 100)
    assert apart["systems"]["base"]["low"] > 20  # type: ignore[operator]


def test_no_case_among_few_leaves_room_for_some() -> None:
    families = [str(index) for index in range(24)]
    none = rate("any", Items(families, dict.fromkeys(("base", "tuned"), [0.0] * 24)), material())
    every = rate("any", Items(families, dict.fromkeys(("base", "tuned"), [1.0] * 24)), material())
    assert none is not None
    assert every is not None
    bound = 100 * binomtest(0, 24).proportion_ci(method="wilson").high
    assert none["systems"]["tuned"] == pytest.approx({"value": 0, "low": 0, "high": bound})
    assert every["systems"]["tuned"] == pytest.approx({"value": 100, "low": 100 - bound, "high": 100})
    assert none["delta"] == pytest.approx({"value": 0, "low": -bound, "high": bound})


def test_one_family_has_no_interval_and_nothing_no_rate() -> None:
    one = rate("any", Items(["a"], {"base": [0.0], "tuned": [1.0]}), material())
    assert one is not None
    assert one["delta"] == {"value": 100, "low": None, "high": None}
    assert rate("any", Items([], {"base": [], "tuned": []}), material()) is None


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (29, 71)])
def test_wilson_is_scipys(hits: int, n: int) -> None:
    theirs = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_precision_and_recall_by_hand() -> None:
    texts = [("bad", True), ("bad word", True), ("fine", False), ("not bad", False), ("awful", True)]
    found = quality(lambda text: "bad" in text, texts)
    assert (found["texts"], found["positives"]) == (5, 3)
    assert found["precision"] is not None
    assert found["recall"] is not None
    assert found["precision"]["value"] == pytest.approx(200 / 3)  # bad, bad word; not bad
    assert found["recall"]["value"] == pytest.approx(200 / 3)
    silent = quality(lambda text: False, texts)
    assert silent["precision"] is None
