"""Ratings to preference pairs: which of two answers is liked better, and how clearly (schema.PREFERENCES)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from eval.human.returned import Rating, Study
from eval.human.study.blinding import Item
from eval.human.study.criteria import OVERALL
from hunmin.rows import Message
from hunmin.schema import PREFERENCES

WIDEST = {"absolute": 4.0, "pairwise": 1.0}  # the largest difference that one rater can express


def preference_pairs(study: Study, ratings: Sequence[Rating]) -> list[dict[str, Any]]:
    """A pair for each sample of which one answer is liked better.

    The mean difference over raters decides: of the overall judgement, or of the means over the criteria by
    those who rated both answers. Its size over the largest one possible is the margin. No pair comes of a
    tie, of equal answers, and of an empty answer that is liked better, which nobody could learn from.
    """
    differences = _overall(study, ratings) if study.mode == "pairwise" else _of_means(study, ratings)
    pairs = []
    for (base, tuned), by_rater in differences:
        mean = float(np.mean(by_rater))
        better, worse = (tuned, base) if mean > 0 else (base, tuned)
        if mean == 0 or better == worse or not better[1].strip():
            continue
        pairs.append(_pair(study, better, worse, np.array(by_rater) * np.sign(mean)))
    return pairs


Said = tuple[Item, str]  # an item and one of its answers


def _overall(study: Study, ratings: Iterable[Rating]) -> Iterable[tuple[tuple[Said, Said], list[float]]]:
    votes: dict[str, list[float]] = defaultdict(list)
    for rating in ratings:
        if rating.criterion == OVERALL.name:
            votes[rating.item_id].append(float(rating.value))
    for item_id in sorted(votes, key=lambda one: study.items[one].sample_id):
        item = study.items[item_id]
        yield ((item, item.answers[0]), (item, item.answers[1])), votes[item_id]


def _of_means(study: Study, ratings: Iterable[Rating]) -> Iterable[tuple[tuple[Said, Said], list[float]]]:
    given: dict[str, dict[int, dict[str, list[int]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for rating in ratings:
        item = study.items[rating.item_id]
        given[item.sample_id][rating.rater][item.systems[0]].append(rating.value)
    answers = {(item.sample_id, item.systems[0]): (item, item.answers[0]) for item in study.items.values()}
    for sample_id in sorted(given):
        both = [one for one in given[sample_id].values() if len(one) == 2]
        if both:
            sides = answers[sample_id, "base"], answers[sample_id, "tuned"]
            yield sides, [float(np.mean(one["tuned"]) - np.mean(one["base"])) for one in both]


def _pair(study: Study, better: Said, worse: Said, by_rater: Any) -> dict[str, Any]:
    """A line of schema.PREFERENCES; `by_rater`: how much better each rater finds the better answer."""
    item = better[0]
    facts = ("row_id", "turn", "family_id", "task", "language", "licence", "tools")
    return {name: getattr(item, name) for name in facts} | {
        "prompt": item.messages,
        "chosen": [_said(better[1])],
        "rejected": [_said(worse[1])],
        "source": f"human:{study.mode}",
        "margin": float(by_rater.mean()) / WIDEST[study.mode],
        "num_chosen": int((by_rater > 0).sum()),
        "num_rejected": int((by_rater < 0).sum()),
        "num_tied": int((by_rater == 0).sum()),
    }


def _said(answer: str) -> Message:
    return {"role": "assistant", "content": answer, "train": True}


def preferences_table(pairs: Sequence[dict[str, Any]]) -> pa.Table:
    """schema.PREFERENCES."""
    return pa.Table.from_pylist(list(pairs), schema=PREFERENCES)
