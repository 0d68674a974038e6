"""How steady answers are: the same rows asked several times, in words that ask for the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from eval.scores.intervals import Array

RIGHT = 0.5  # an answer is right from this share of its metric's best value on; of 0 and 1 that is 1


@dataclass(frozen=True)
class Askings:
    """One row: the metric of each answer to it, that in its own wording first."""

    values: Sequence[float]  # shares of the metric's best value; two at least
    same: Sequence[bool]  # of all but the first: it is the answer that the row's own wording got


def measures(rows: Sequence[Askings]) -> dict[str, Array]:
    """Numbers of each row, (R,), all but `spread` the better the higher.

    own: the metric in the row's own wording. mean: its mean in the other ones. change: mean - own.
    worst: the lowest of all askings. spread: the highest minus the lowest.
    consistency: share of the other askings that got the same answer. reliable: 1 where all k askings are
    right (reliable@k), else 0.
    """
    found = [_measures(row) for row in rows]
    return {name: np.array([row[name] for row in found]) for name in found[0]} if found else {}


def _measures(row: Askings) -> dict[str, float]:
    own, *others = row.values
    mean, worst = fmean(others), min(row.values)
    return {
        "own": own,
        "mean": mean,
        "change": mean - own,
        "worst": worst,
        "spread": max(row.values) - worst,
        "consistency": fmean(row.same),
        "reliable": float(worst >= RIGHT),
    }
