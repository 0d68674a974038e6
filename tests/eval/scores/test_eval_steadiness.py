"""Numbers over several askings of the same rows, by hand."""

import numpy as np
import pytest

from eval.scores.steadiness import Askings, measures


def test_measures_by_hand() -> None:
    rows = [Askings([1.0, 1.0, 0.0, 0.5], [True, False, False]), Askings([0.2, 0.6], [True])]
    found = {name: values.tolist() for name, values in measures(rows).items()}
    assert found == {
        "own": [1.0, 0.2],
        "mean": [0.5, 0.6],
        "change": [-0.5, pytest.approx(0.4)],
        "worst": [0.0, 0.2],
        "spread": [1.0, pytest.approx(0.4)],
        "consistency": [pytest.approx(1 / 3), 1.0],
        "reliable": [0.0, 0.0],
    }
    assert measures([Askings([0.5, 1.0], [False])])["reliable"].tolist() == [1.0]


def test_of_zeros_and_ones_the_worst_is_reliable_at_k() -> None:
    rng = np.random.default_rng(0)
    rows = [Askings([float(one) for one in rng.integers(0, 2, 4)], [True] * 3) for _ in range(50)]
    found = measures(rows)
    assert found["worst"].tolist() == found["reliable"].tolist()
