"""How a system answers, whatever is right: what a score alone does not show."""

import re
from collections.abc import Mapping, Sequence

from eval.scores.labelled import LabelExtractor
from eval.scores.metric import Answer, Reference
from hunmin.language.script import is_unspaced
from hunmin.schema import Habits

_WORD = re.compile(r"\w+|[^\w\s]")
_ORDER = 4


def habits_of(
    answers: Mapping[str, Sequence[Answer]], references: Sequence[Reference], labels: Sequence[str] = ()
) -> Habits:
    """Of each system's answers to the same samples; shares of models only where they are of models only."""
    models = {system: said for system, said in answers.items() if said[0].stopped is not None}
    habits = Habits(
        stop_rate={system: _mean([bool(one.stopped) for one in said]) for system, said in models.items()},
        length_ratio={system: length_ratio(said, references) for system, said in answers.items()},
        repetition={
            system: _mean([share for one in said if (share := repetition(one.text)) is not None])
            for system, said in answers.items()
        },
    )
    if labels:
        extract = LabelExtractor(labels)
        habits["unread"] = {
            system: _mean([extract(one.text) is None for one in said]) for system, said in answers.items()
        }
    if any(one.thought is not None for said in models.values() for one in said):
        habits["thought_tokens"] = {
            system: _mean([one.num_thought_tokens or 0 for one in said]) for system, said in models.items()
        }
    return habits


def length_ratio(answers: Sequence[Answer], references: Sequence[Reference]) -> float:
    """Characters of all answers over characters of all first references."""
    wanted = sum(len(reference.texts[0]) for reference in references)
    return sum(len(answer.text) for answer in answers) / max(wanted, 1)


def repetition(text: str) -> float | None:
    """Share of a text's 4-grams that stand in it before: 1 - different ones / all (seq-rep-4 of Welleck et
    al., 2020, over words instead of tokens; over characters where no spaces part words). None where it has
    none.
    """
    words = [one for one in text if not one.isspace()] if is_unspaced(text) else _WORD.findall(text.lower())
    grams = [tuple(words[at : at + _ORDER]) for at in range(len(words) - _ORDER + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
