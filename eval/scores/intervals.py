"""Bootstrap intervals. Pure, seeded, vectorised: a resample is a row of weights over families of samples.

A metric gives a row of sufficient statistics per sample and a function from their sums to the value; one
matrix product then scores all resamples, for means and corpus metrics alike.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hunmin.schema import Interval

Array = NDArray[np.float64]
Aggregate = Callable[[Array], Array]  # sums of statistics (B, K) -> values (B,)

LEVEL = 0.95
CHUNK_CELLS = 4_000_000  # of a weight matrix held at once: 32 MB


class Resamples:
    """How often each sample is drawn in each of `num_resamples` bootstrap resamples.

    Drawn are families, each with all of its samples: rows of one family and turns of one conversation are
    answered alike, and as independent samples they would make an interval too narrow (Efron and Tibshirani,
    1993, section 8.6). The same draws serve every system and metric of a task, which is what makes a
    difference paired.
    """

    def __init__(self, families: Sequence[str], *, num_resamples: int, seed: int):
        """`families`: of each sample."""
        numbers = {family: number for number, family in enumerate(dict.fromkeys(families))}
        self._families_N = np.array([numbers[family] for family in families], dtype=np.int64)
        self._num_families = len(numbers)
        self._num_resamples = num_resamples
        self._seed = seed

    @classmethod
    def of_task(cls, task: str, families: Sequence[str], *, num_resamples: int, seed: int) -> "Resamples":
        """A task's own draws: they depend on its name and the seed only."""
        return cls(families, num_resamples=num_resamples, seed=seed + zlib.crc32(task.encode()))

    @property
    def can_spread(self) -> bool:
        """Whether resamples can differ: a single family is drawn the same way each time."""
        return self._num_families > 1

    def sums(self, statistics_NK: Array) -> Array:
        """Sums of the statistics over each resample, (num_resamples, K)."""
        statistics_FK = np.zeros((self._num_families, statistics_NK.shape[1]))
        np.add.at(statistics_FK, self._families_N, statistics_NK)
        return np.concatenate([weights_BF @ statistics_FK for weights_BF in self._weights()])

    def sample_weights(self) -> Iterator[Array]:
        """How often each sample is in each resample, (B, N), in chunks over B: for what no sums can tell."""
        for weights_BF in self._weights():
            yield weights_BF[:, self._families_N]

    def _weights(self) -> Iterator[Array]:
        rng = np.random.default_rng(self._seed)
        left = self._num_resamples
        chunk = max(1, CHUNK_CELLS // self._num_families)
        uniform = np.full(self._num_families, 1 / self._num_families)
        while left > 0:
            size = min(chunk, left)
            yield rng.multinomial(self._num_families, uniform, size=size).astype(np.float64)
            left -= size


def value_of(statistics_NK: Array, aggregate: Aggregate) -> float:
    """The metric over all samples."""
    return float(aggregate(statistics_NK.sum(axis=0, keepdims=True))[0])


def interval(statistics_NK: Array, aggregate: Aggregate, resamples: Resamples) -> Interval:
    """The metric with its percentile interval; a single family has none."""
    value = value_of(statistics_NK, aggregate)
    if not resamples.can_spread:
        return Interval(value=value, low=None, high=None)
    return _interval(value, aggregate(resamples.sums(statistics_NK)))


def paired_delta(tuned_NK: Array, base_NK: Array, aggregate: Aggregate, resamples: Resamples) -> Interval:
    """Tuned minus base, both over the same samples, with the interval of the difference as in `interval`."""
    value = value_of(tuned_NK, aggregate) - value_of(base_NK, aggregate)
    if not resamples.can_spread:
        return Interval(value=value, low=None, high=None)
    return _interval(value, aggregate(resamples.sums(tuned_NK)) - aggregate(resamples.sums(base_NK)))


def interval_of(value: float, resampled: Array | None) -> Interval | None:
    """The percentile interval of a value that may not be defined (NaN): then None.

    `resampled` is None where resamples cannot differ; with one that is not defined there are no bounds.
    """
    if not np.isfinite(value):
        return None
    if resampled is None or not np.isfinite(resampled).all():
        return Interval(value=value, low=None, high=None)
    return _interval(value, resampled)


def unpaired_delta(
    first_NK: Array,
    first_draws: Resamples,
    second_MK: Array,
    second_draws: Resamples,
    aggregate: Aggregate,
) -> Interval:
    """First minus second over different samples, each side resampled by draws of its own.

    The draws are independent where their seeds or their families' numbers differ. No interval where a side is
    a single family.
    """
    value = value_of(first_NK, aggregate) - value_of(second_MK, aggregate)
    if not (first_draws.can_spread and second_draws.can_spread):
        return Interval(value=value, low=None, high=None)
    return _interval(value, aggregate(first_draws.sums(first_NK)) - aggregate(second_draws.sums(second_MK)))


def _interval(value: float, resampled: Array) -> Interval:
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value=value, low=float(low), high=float(high))
