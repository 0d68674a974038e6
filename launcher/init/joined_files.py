"""Two files of the user's that are one source: what is asked in one, the answers in the other, by an id."""

from collections.abc import Mapping, Sequence
from itertools import islice, permutations
from pathlib import Path
from typing import Any, NamedTuple

from data_pipeline.config import JoinConfig
from data_pipeline.sources.files.records import Reject, scalar_text
from data_pipeline.sources.formats import format_of
from hunmin.errors import InputError
from launcher.init.column_names import is_about, read_name
from launcher.init.column_values import is_id
from launcher.init.detected import HEAD, Detected, Hints, detect_columns, make_source, no_task, unit_of
from launcher.init.nesting import common, flat
from launcher.init.question_lists import answer_list, question_list

UNDER = JoinConfig.model_fields["under"].default
READ = 50_000  # records of each file in which an id is looked for

Object = dict[str, Any]


class _Side(NamedTuple):
    """One of the files."""

    path: Path
    objects: list[Object]

    def flat(self) -> list[dict[str, str]]:
        """The first records with a path to every value."""
        return [flat(one) for one in self.objects[:HEAD]]


def detect_joined(paths: Sequence[Path], hints: Hints) -> Detected | None:
    """The source of two files with an id in common, of which one has answers and the other has none.

    None for other files: two that both have answers are two sources.

    Args:
        hints: with the encoding of both.

    Raises:
        InputError: it is not clear which columns are asked and answered.
    """
    if hints.format not in (None, "table", "prompt_completion"):
        return None
    sides = [side for path in paths if (side := _side(path, hints.encoding or "utf-8"))]
    pairs = permutations(sides, 2)
    for asked, answers in sorted(pairs, key=lambda pair: question_list(pair[0].objects) is None):
        key = _common_id(asked, answers) if _lacks_answers(asked, answers) else None
        if key is not None and (found := _source(asked, answers, key, hints)):
            return found
    return None


def _side(path: Path, encoding: str) -> _Side | None:
    """The records of a file, where it has such as are read by name."""
    source = make_source(format="table", path=str(path), encoding=encoding)
    try:
        found = list(islice(format_of("table").records(unit_of(path, source), source), READ))
    except InputError:
        return None
    objects = [record.value for record in found if isinstance(record.value, dict)]
    return _Side(path, objects) if objects else None


def _lacks_answers(asked: _Side, answers: _Side) -> bool:
    """Whether the questions of a file have no answers there; else whether the other tells more of answers."""
    questions = question_list(asked.objects)
    if questions is not None:
        return answer_list(asked.path, questions, asked.objects, of_most=True) is None
    return _tells(asked) < _tells(answers)


def _tells(side: _Side) -> int:
    """2 for a file with answers, 1 for one with labels alone, 0 for one with neither."""
    roles = {read_name(name).role for name in common(side.flat())}
    return 2 if "answer" in roles else 1 if "label" in roles else 0


def _common_id(asked: _Side, answers: _Side) -> str | None:
    """The key whose values name the records of both files, and that says nothing else.

    Where another key of both has other values for the same id, the ids number the records of two corpora.
    """
    shared = [key for key in asked.objects[0] if key in answers.objects[0]]
    rows = asked.flat()
    for key in sorted(shared, key=lambda name: not (is_about(name) or is_id(name, rows))):
        mine, theirs = _by_value(asked, key), _by_value(answers, key)
        both = mine.keys() & theirs.keys()
        if 2 * len(both) < min(len(mine), len(theirs)) or not both:
            continue
        others = [name for name in shared if name != key]
        if all(_agree(mine, theirs, name) for name in others):
            return key
    return None


def _by_value(side: _Side, key: str) -> dict[str, Object]:
    """The records by a key's value; nothing where a value stands twice, or one has none."""
    found: dict[str, Object] = {}
    for one in side.objects:
        try:
            value = scalar_text(one.get(key), key).strip()
        except Reject:
            return {}
        if not value or value in found:
            return {}
        found[value] = one
    return found


def _agree(mine: Mapping[str, Object], theirs: Mapping[str, Object], name: str) -> bool:
    both = [value for value in mine if value in theirs]
    same = sum(mine[value].get(name) == theirs[value].get(name) for value in both)
    return 2 * same >= len(both)


def _source(asked: _Side, answers: _Side, key: str, hints: Hints) -> Detected | None:
    """The source of both; None where questions of conversations are not what the answers are given to."""
    others = _by_value(answers, key)
    merged: list[Object] = []
    for value, one in _by_value(asked, key).items():
        if value in others:
            rest = {name: inner for name, inner in others[value].items() if name != key}
            merged.append({**one, UNDER: rest})
    source = make_source(
        format="table",
        path=str(asked.path),
        encoding=hints.encoding or "utf-8",
        join={"path": str(answers.path), "by": key},
    )
    number = len(asked.objects)
    words = (
        f"{answers.path.name} has the answers to {asked.path.name}: {len(merged)} of {number} records have "
        f"one with their {key}"
    )
    questions = question_list(asked.objects)
    if questions is not None and not hints.columns:
        found = answer_list(answers.path, questions, merged)
        if found is None:
            return None
        columns = {"instruction": questions, "answer": found}
        update = {"format": "prompt_completion", "columns": columns, "task": hints.task}
        seen = (words, f"a conversation of each record: {questions}, answered by {found}")
        return Detected(source.model_copy(update=update), seen, no_task(hints.task, default="conversation"))
    rows = [flat(one) for one in merged[:HEAD]]
    header = [name for name in common(rows) if name != key]
    return detect_columns(asked.path, source, header, rows, hints, words, keys=common(merged[:HEAD]))
