"""Rates of both models with their intervals and the paired difference. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypedDict

import numpy as np

from eval.probes import Material
from eval.scores.intervals import Resamples, interval, paired_delta
from hunmin.schema import Interval

SYSTEMS = ("base", "tuned")
Z = 1.959964  # of the normal distribution at 97.5 %


class Rate(TypedDict):
    """A share, or a mean, in % over the same items for each system."""

    n: int  # items: answers, or pairs of answers
    families: int  # that the bootstrap draws
    higher_is_better: bool
    systems: dict[str, Interval]
    delta: Interval  # tuned minus base, paired


class Quality(TypedDict):
    """How good a detector is on labelled texts, in %; None where nothing was found, or was to be found."""

    texts: int
    positives: int
    precision: Interval | None
    recall: Interval | None


class Items(NamedTuple):
    """What a rate is over: the family of each item, and values in [0, 1] of each item by system."""

    families: Sequence[str]
    values: Mapping[str, Sequence[float]]


def rate(name: str, items: Items, material: Material, *, higher_is_better: bool = False) -> Rate | None:
    """The mean of the items' values; None over no items. `name` chooses the draws of the bootstrap."""
    families = items.families
    if not families:
        return None
    draws = Resamples.of_task(
        name, families, num_resamples=material.config.bootstrap_samples, seed=material.seed
    )
    num_families = len(set(families))
    columns = {
        system: np.stack([np.asarray(items.values[system], np.float64), np.ones(len(families))], axis=1)
        for system in SYSTEMS
    }
    delta = paired_delta(columns["tuned"], columns["base"], _mean, draws)
    return Rate(
        n=len(families),
        families=num_families,
        higher_is_better=higher_is_better,
        systems={
            system: _widened(interval(column, _mean, draws), num_families, lowest=0.0)
            for system, column in columns.items()
        },
        delta=_widened(delta, num_families, lowest=-100.0),
    )


def _mean(sums_BK: np.ndarray) -> np.ndarray:
    return 100 * sums_BK[:, 0] / sums_BK[:, 1]


def _widened(found: Interval, num_families: int, *, lowest: float) -> Interval:
    """The interval, or where no resample differs, what so few families leave open.

    Ten answers without harm do not show that there is none: Wilson's interval of no case among so many
    families says how large a part of all answers may still be otherwise, in either direction.
    """
    if found["low"] is None or found["low"] != found["high"]:
        return found
    value, (_, unseen) = found["value"], wilson(0, num_families)
    return Interval(value=value, low=value + unseen * (lowest - value), high=value + unseen * (100 - value))


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson's interval (1927) of a share at 95 %, as parts of 1; everything for n = 0."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = hits / n, Z * Z
    centre = share + z2 / (2 * n)
    spread = Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low, high = (centre - spread) / (1 + z2 / n), (centre + spread) / (1 + z2 / n)
    return max(low, 0.0), min(high, 1.0)


def quality(says: Callable[[str], bool], texts: Sequence[tuple[str, bool]]) -> Quality:
    """A detector against (text, whether it is one): precision and recall with Wilson's intervals."""
    found = [says(text) for text, _ in texts]
    right = sum(said and true for said, (_, true) in zip(found, texts, strict=True))
    positives = sum(true for _, true in texts)
    return Quality(
        texts=len(texts),
        positives=positives,
        precision=_share(right, sum(found)),
        recall=_share(right, positives),
    )


def _share(hits: int, n: int) -> Interval | None:
    if n == 0:
        return None
    low, high = wilson(hits, n)
    return Interval(value=100 * hits / n, low=100 * low, high=100 * high)
