"""How far people agree with each other, and their judgements with a metric. With bootstrap intervals.

Krippendorff's alpha is a function of sums over units, as the metrics of eval are, so its resamples cost one
matrix product. Rank correlations are not: there a resample is a weight for each sample.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np

from eval.scores.intervals import Aggregate, Array, Resamples, interval_of, value_of
from hunmin.schema import Interval

Level = Literal["ordinal", "interval"]


def coincidences(counts_UV: Array) -> Array:
    """Coincidence matrices of units, each as a row: (U, V * V).

    A unit that m people rated has m (m - 1) ordered pairs of ratings, each of weight 1 / (m - 1); one that
    fewer than two rated has none (Krippendorff, 2011, "Computing Krippendorff's Alpha-Reliability").

    Args:
        counts_UV: how many people gave unit u the value v, the values in ascending order.
    """
    num_values = counts_UV.shape[1]
    pairs_UVV = counts_UV[:, :, None] * counts_UV[:, None, :]
    pairs_UVV -= counts_UV[:, :, None] * np.eye(num_values)
    num_raters_U = counts_UV.sum(axis=1)
    scale_U = np.where(num_raters_U > 1, 1 / np.maximum(num_raters_U - 1, 1), 0.0)
    return (pairs_UVV * scale_U[:, None, None]).reshape(len(counts_UV), -1)


def alpha_of(values: Array, level: Level) -> Aggregate:
    """Krippendorff's alpha as a function of summed coincidence matrices, (B, V * V) -> (B,).

    NaN where no unit has two ratings, or all ratings are equal: then nothing could disagree.
    """

    def aggregate(sums_BK: Array) -> Array:
        pairs_BVV = sums_BK.reshape(len(sums_BK), len(values), len(values))
        ratings_BV = pairs_BVV.sum(axis=2)
        num_B = ratings_BV.sum(axis=1)
        # The place of a value: of the middle of its ranks, or the value itself.
        ranks_BV = np.cumsum(ratings_BV, axis=1) - ratings_BV / 2
        places_BV = ranks_BV if level == "ordinal" else np.broadcast_to(values, ratings_BV.shape)
        apart_BVV = (places_BV[:, :, None] - places_BV[:, None, :]) ** 2
        observed_B = (pairs_BVV * apart_BVV).sum(axis=(1, 2))
        expected_B = (ratings_BV[:, :, None] * ratings_BV[:, None, :] * apart_BVV).sum(axis=(1, 2))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(expected_B > 0, 1 - (num_B - 1) * observed_B / expected_B, np.nan)

    return aggregate


def alpha(counts_UV: Array, values: Array, level: Level, resamples: Resamples) -> Interval | None:
    """Krippendorff's alpha with its interval; None where it is not defined. `resamples` of the units."""
    pairs_UK, aggregate = coincidences(counts_UV), alpha_of(values, level)
    resampled = aggregate(resamples.sums(pairs_UK)) if resamples.can_spread else None
    return interval_of(value_of(pairs_UK, aggregate), resampled)


def spearman(xs_N: Array, ys_N: Array, resamples: Resamples) -> Interval | None:
    """Spearman's rank correlation, ties with their mean rank; None where one side is constant."""
    order_x_NN, order_y_NN = _order(xs_N), _order(ys_N)

    def correlations(weights_BN: Array) -> Array:
        # A weighted rank is half the weight below minus half the weight above, but for a constant.
        ranks_x_BN, ranks_y_BN = weights_BN @ order_x_NN.T, weights_BN @ order_y_NN.T
        product = (weights_BN * ranks_x_BN * ranks_y_BN).sum(axis=1)
        squares = [(weights_BN * ranks_BN**2).sum(axis=1) for ranks_BN in (ranks_x_BN, ranks_y_BN)]
        return _quotient(product, squares[0] * squares[1])

    return _correlation(correlations, len(xs_N), resamples)


def kendall(xs_N: Array, ys_N: Array, resamples: Resamples) -> Interval | None:
    """Kendall's tau-b; None where one side is constant."""
    order_x_NN, order_y_NN = _order(xs_N), _order(ys_N)
    both_NN, x_NN, y_NN = order_x_NN * order_y_NN, order_x_NN**2, order_y_NN**2

    def correlations(weights_BN: Array) -> Array:
        agree, x, y = (((weights_BN @ one) * weights_BN).sum(axis=1) for one in (both_NN, x_NN, y_NN))
        return _quotient(agree, x * y)

    return _correlation(correlations, len(xs_N), resamples)


def _order(values_N: Array) -> Array:
    """1 where the value of the row is above that of the column, -1 below, 0 equal: (N, N)."""
    return np.sign(values_N[:, None] - values_N[None, :])


def _quotient(product: Array, square: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(square > 0, product / np.sqrt(square), np.nan)


def _correlation(
    correlations: Callable[[Array], Array], num_samples: int, resamples: Resamples
) -> Interval | None:
    value = float(correlations(np.ones((1, num_samples)))[0])
    if not resamples.can_spread:
        return interval_of(value, None)
    return interval_of(
        value, np.concatenate([correlations(weights) for weights in resamples.sample_weights()])
    )
