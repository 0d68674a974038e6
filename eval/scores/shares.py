"""Answers on one scale for all tasks: each as a share of its metric's best value."""

from collections.abc import Sequence

import numpy as np

from eval.scores.intervals import Array, Resamples, interval, paired_delta, unpaired_delta
from eval.scores.labelled import ExactMatch
from eval.scores.metric import Metric, Reference
from hunmin.schema import Interval


def metric_of_answers(metrics: Sequence[Metric], references: Sequence[Reference]) -> Metric:
    """The first of a task's metrics that is for all of these samples and that a single answer has; exact
    match where there is none.
    """
    for metric in metrics:
        if not all(map(metric.applies, references)):
            continue
        if metric.runs_code:  # whose answers have a value each; nothing is run to find out
            return metric
        one = references[:1]
        if metric.per_sample(metric.statistics([reference.texts[0] for reference in one], one)) is not None:
            return metric
    return ExactMatch()


def best_value(metric: Metric) -> float:
    """What a metric gives at most."""
    return 100.0 if metric.unit == "%" else 1.0


def shares(metric: Metric, answers: Sequence[str], references: Sequence[Reference]) -> Array:
    """Each answer's value as a share of the best one, (N,), of a metric as `metric_of_answers` gives it."""
    values = metric.per_sample(metric.statistics(answers, references))
    assert values is not None
    return values / best_value(metric)


def mean_interval(values_N: Array, draws: Resamples) -> Interval:
    """The mean with its interval; `draws` resamples the families of these rows."""
    return interval(_statistics(values_N), _mean, draws)


def mean_delta(values_N: Array, others_N: Array, draws: Resamples) -> Interval:
    """The mean of the first minus that of the others, over the same rows."""
    return paired_delta(_statistics(values_N), _statistics(others_N), _mean, draws)


def mean_gap(values_N: Array, draws: Resamples, others_M: Array, others_draws: Resamples) -> Interval:
    """The mean of the first minus that of the others, over different rows."""
    return unpaired_delta(_statistics(values_N), draws, _statistics(others_M), others_draws, _mean)


def _statistics(values_N: Array) -> Array:
    return np.stack([values_N, np.ones(len(values_N))], axis=1)


def _mean(sums_BK: Array) -> Array:
    return sums_BK[:, 0] / sums_BK[:, 1]
