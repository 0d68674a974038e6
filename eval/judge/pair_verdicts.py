"""Two replies to a pair, one in each order, as a verdict; win rates; agreement with people. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypedDict

import numpy as np

from eval.judge.rubric import Choice
from eval.scores.intervals import Array, Resamples, interval
from hunmin.schema import Interval

Replies = tuple[Mapping[str, Choice], Mapping[str, Choice]]  # base shown first, tuned shown first


class Verdict(NamedTuple):
    """Of one criterion of a pair: 1 tuned is better, 0 a tie, -1 base is better."""

    value: int
    agreed: bool  # both orders said the same; where they do not, it is a tie


class Wins(TypedDict):
    """Verdicts of a criterion over pairs; a tie counts half in the win rate, which is in %."""

    n: int
    tuned: int
    base: int
    ties: int
    disagreed: int  # of the ties: the two orders said different things
    first_preferred: float  # of choices that were no tie, % for the answer that was shown first; 50 is fair
    win_rate: Interval  # of tuned


class Agreement(TypedDict):
    """Judge and people on the same pairs, in %; kappa is Cohen's (1960), None where it is not defined."""

    n: int
    agreed: float
    kappa: float | None


def verdict(replies: Replies, criterion: str) -> Verdict:
    """What both orders say."""
    base_first = {"A": -1, "B": 1, "tie": 0}[replies[0][criterion]]
    tuned_first = {"A": 1, "B": -1, "tie": 0}[replies[1][criterion]]
    agreed = base_first == tuned_first
    return Verdict(base_first if agreed else 0, agreed)


def wins(
    pairs: Sequence[Replies], families: Sequence[str], criterion: str, *, num_resamples: int, seed: int
) -> Wins:
    """The verdicts of a criterion, at least one pair; families are drawn by the bootstrap."""
    verdicts = [verdict(pair, criterion) for pair in pairs]
    values = np.array([one.value for one in verdicts], dtype=np.float64)
    draws = Resamples.of_task(f"judge:{criterion}", families, num_resamples=num_resamples, seed=seed)
    choices = [order[criterion] for pair in pairs for order in pair]
    chosen = [choice for choice in choices if choice != "tie"]
    return Wins(
        n=len(pairs),
        tuned=int((values > 0).sum()),
        base=int((values < 0).sum()),
        ties=int((values == 0).sum()),
        disagreed=sum(not one.agreed for one in verdicts),
        first_preferred=100 * chosen.count("A") / len(chosen) if chosen else 50.0,
        win_rate=interval(np.stack([(values + 1) / 2, np.ones(len(values))], axis=1), _percent, draws),
    )


def _percent(sums_BK: Array) -> Array:
    return 100 * sums_BK[:, 0] / sums_BK[:, 1]


def agreement(
    judged: Mapping[tuple[str, str], int], people: Mapping[tuple[str, str], Sequence[int]], criterion: str
) -> Agreement | None:
    """Both over the pairs that both judged; people's verdict is the sign of their sum. None over no pair.

    Args:
        judged: value by (sample id, criterion).
        people: values of all raters, likewise.
    """
    shared = sorted(key for key in judged.keys() & people.keys() if key[1] == criterion)
    if not shared:
        return None
    ours = [judged[key] for key in shared]
    theirs = [int(np.sign(sum(people[key]))) for key in shared]
    observed = float(np.mean([a == b for a, b in zip(ours, theirs, strict=True)]))
    expected = sum(
        (ours.count(value) / len(ours)) * (theirs.count(value) / len(theirs)) for value in (-1, 0, 1)
    )
    kappa = (observed - expected) / (1 - expected) if expected < 1 else None
    return Agreement(n=len(shared), agreed=100 * observed, kappa=kappa)
