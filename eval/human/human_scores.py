"""Ratings to scores: means and win rates with intervals, agreement between people, and with the metrics."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from eval.human.agreement import Level, alpha, kendall, spearman
from eval.human.returned import Rating, Study
from eval.human.study.blinding import Item
from eval.human.study.criteria import OVERALL, Mode, criteria_of
from eval.scores.intervals import Array, Resamples, interval, paired_delta
from hunmin.schema import CriterionScores, HumanModeScores, Interval, MetricAgreement

LEVELS: tuple[Level, ...] = ("ordinal", "interval")
VALUES: dict[Mode, Array] = {"absolute": np.arange(1.0, 6.0), "pairwise": np.array([-1.0, 0.0, 1.0])}

Votes = Mapping[str, Sequence[float]]  # item id -> what its raters gave by one criterion, or on average
Alphas = dict[str, Interval | None]


def score_study(study: Study, ratings: Sequence[Rating], *, num_resamples: int, seed: int) -> HumanModeScores:
    """The scores of one mode's ratings; there is at least one.

    A sample counts once, by the mean of its raters; families are resampled, raters are not: an interval is
    for other questions put to the same people.
    """
    scorer = _Scorer(study, num_resamples=num_resamples, seed=seed)
    names = [criterion.name for criterion in criteria_of(study.mode)]
    votes = {name: _votes(ratings, [name]) for name in names}
    main = _votes(ratings, names) if study.mode == "absolute" else votes[OVERALL.name]
    rated = [study.items[item_id] for item_id in main]
    tasks = sorted({item.task for item in study.items.values() if item.item_id in main or not item.asked})
    counted = rated + [item for item in study.items.values() if not item.asked]
    return HumanModeScores(
        raters=len({rating.rater for rating in ratings}),
        ratings=len(ratings),
        samples=len({item.sample_id for item in counted}),
        families=len({item.family_id for item in counted}),
        equal_answers=sum(not item.asked for item in study.items.values()),
        unpaired=_num_unpaired(rated) if study.mode == "absolute" else 0,
        first_shown=_first_shown(ratings),
        criteria={name: scorer.criterion(votes[name], alpha=scorer.alphas(votes[name])) for name in names},
        main=scorer.criterion(main, alpha={}),
        tasks={task: scorer.criterion(main, task, alpha={}) for task in tasks},
        metrics=[one for task in tasks for one in scorer.metrics(main, task)],
    )


class _Scorer:
    def __init__(self, study: Study, *, num_resamples: int, seed: int):
        self._study, self._num_resamples, self._seed = study, num_resamples, seed

    def criterion(self, votes: Votes, task: str | None = None, *, alpha: Alphas) -> CriterionScores:
        """The scores of these votes, of one task or of all."""
        items = [item for item in self._study.items.values() if task in (None, item.task)]
        score = self._means if self._study.mode == "absolute" else self._wins
        return score(items, votes, alpha)

    def _means(self, items: Iterable[Item], votes: Votes, alpha: Alphas) -> CriterionScores:
        by_sample: dict[str, dict[str, Item]] = defaultdict(dict)
        for item in items:
            if item.item_id in votes:
                by_sample[item.sample_id][item.systems[0]] = item
        pairs = [members for members in by_sample.values() if len(members) == 2]
        if not pairs:
            return CriterionScores(n=0, alpha=alpha)
        draws = self._draws([members["base"] for members in pairs])
        means = {
            system: np.array([[np.mean(votes[members[system].item_id]), 1.0] for members in pairs])
            for system in ("base", "tuned")
        }
        return CriterionScores(
            n=len(pairs),
            systems={system: interval(rows, _quotient, draws) for system, rows in means.items()},
            delta=paired_delta(means["tuned"], means["base"], _quotient, draws),
            alpha=alpha,
        )

    def _wins(self, items: Iterable[Item], votes: Votes, alpha: Alphas) -> CriterionScores:
        """Of the tuned model. Equal answers are ties: they were drawn as the others, and nobody was asked.

        While some of the asked pairs are not rated yet, each of the equal ones weighs only as much as the
        share of those that are; or the less is rated, the more would be ties.
        """
        items = list(items)
        counted = [item for item in items if item.item_id in votes or not item.asked]
        num_asked = sum(item.asked for item in items)
        rated_share = sum(item.asked for item in counted) / num_asked if num_asked else 1.0
        weights_N = np.array([1.0 if item.asked else rated_share for item in counted])
        if not weights_N.any():
            return CriterionScores(n=0, alpha=alpha)
        given = [np.array(votes[item.item_id]) if item.asked else np.zeros(1) for item in counted]
        shares = np.array([[np.mean(one > 0), np.mean(one == 0), np.mean(one < 0)] for one in given])
        rows = np.stack([(shares[:, 0] + shares[:, 1] / 2) * weights_N, weights_N], axis=1)
        means = np.average(shares, axis=0, weights=weights_N)
        return CriterionScores(
            n=len(counted),
            shares=dict(zip(("win", "tie", "loss"), map(float, means), strict=True)),
            win_rate=interval(rows, _quotient, self._draws(counted)),
            alpha=alpha,
        )

    def alphas(self, votes: Votes) -> Alphas:
        """How far the raters agree in one criterion; the units are the items."""
        values = VALUES[self._study.mode]
        counts_UV = np.array([[list(given).count(value) for value in values] for given in votes.values()])
        draws = self._draws([self._study.items[item_id] for item_id in votes])
        return {level: alpha(counts_UV.astype(np.float64), values, level, draws) for level in LEVELS}

    def metrics(self, votes: Votes, task: str) -> list[MetricAgreement]:
        """Each metric of a task beside the mean judgement: of answers, or of the differences of pairs."""
        items = [self._study.items[item_id] for item_id in votes]
        items = [item for item in items if item.task == task]
        names = sorted({name for item in items for name in item.scores[0]})
        return [self._agreement(votes, items, task, name) for name in names]

    def _agreement(self, votes: Votes, items: Sequence[Item], task: str, metric: str) -> MetricAgreement:
        scored = [item for item in items if all(metric in one for one in item.scores)]
        said = np.array([float(np.mean(votes[item.item_id])) for item in scored])
        measured = np.array([item.scores[-1][metric] - _base_score(item, metric) for item in scored])
        draws = self._draws(scored)
        return MetricAgreement(
            task=task,
            metric=metric,
            n=len(scored),
            spearman=spearman(measured, said, draws),
            kendall=kendall(measured, said, draws),
        )

    def _draws(self, items: Sequence[Item]) -> Resamples:
        families = [item.family_id for item in items]
        return Resamples(families, num_resamples=self._num_resamples, seed=self._seed)


def _base_score(item: Item, metric: str) -> float:
    """What to take from the tuned answer's score in a pair; nothing where the item is one answer."""
    return item.scores[0][metric] if len(item.systems) == 2 else 0.0


def _quotient(sums_BK: Array) -> Array:
    return sums_BK[:, 0] / sums_BK[:, 1]


def _votes(ratings: Iterable[Rating], criteria: Sequence[str]) -> dict[str, list[float]]:
    """What each rater gave each item, in the order of the ratings: the mean over the criteria."""
    given: dict[tuple[str, int], list[int]] = defaultdict(list)
    for rating in ratings:
        if rating.criterion in criteria:
            given[rating.item_id, rating.rater].append(rating.value)
    votes: dict[str, list[float]] = defaultdict(list)
    for (item_id, _), values in given.items():
        votes[item_id].append(float(np.mean(values)))
    return dict(votes)


def _num_unpaired(rated: Iterable[Item]) -> int:
    systems: dict[str, set[str]] = defaultdict(set)
    for item in rated:
        systems[item.sample_id] |= set(item.systems)
    return sum(len(found) == 1 for found in systems.values())


def _first_shown(ratings: Iterable[Rating]) -> float | None:
    """Share of overall judgements, ties apart, for the answer shown first; far from 1/2 is a bias."""
    decided = [
        (rating.value > 0) == (rating.shown_first == "tuned")
        for rating in ratings
        if rating.criterion == OVERALL.name and rating.value
    ]
    return float(np.mean(decided)) if decided else None
