"""Conversations as two lists of texts: the questions of a record, and an answer for each of them."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from data_pipeline.sources.formats.prompt_completion import are_texts
from hunmin.errors import InputError
from launcher.init.column_names import read_name
from launcher.init.left_over import as_option

_DEPTH = 4  # lists and objects that are looked through

Object = Mapping[str, Any]


def question_list(objects: Sequence[Object]) -> str | None:
    """The key under which half of the records have a list of questions, of which some have several."""
    counts = Counter(
        key
        for one in objects
        for key, value in one.items()
        if read_name(key).role == "instruction" and are_texts(value)
    )
    for key, count in counts.items():
        several = any(are_texts(texts := one.get(key)) and len(texts) > 1 for one in objects)
        if several and 2 * count >= len(objects):
            return key
    return None


def answer_list(
    path: Path, questions: str, objects: Sequence[Object], *, of_most: bool = False
) -> str | None:
    """The path to a list of as many texts as the record has questions; None where no record has one.

    Args:
        of_most: a list that less than half of the records have is none.

    Raises:
        InputError: several lists may be the answers, and no name tells which.
    """
    fitting: Counter[str] = Counter()
    for one in objects:
        asked = one.get(questions)
        if are_texts(asked):
            fitting.update(
                name for name, texts in _lists(one) if name != questions and len(texts) == len(asked)
            )
    likely = [name for name, count in fitting.items() if 2 * count >= max(fitting.values())]
    named = [name for name in likely if read_name(name.rsplit(".", 1)[-1]).role == "answer"] or likely
    if len(named) > 1:
        options = "".join(
            f"\n  {as_option('instruction', questions)} {as_option('answer', name)}" for name in named
        )
        raise InputError(f"{path}: several lists may answer those of {questions}; pass one of{options}")
    if not named or (of_most and 2 * fitting[named[0]] < len(objects)):
        return None
    return named[0]


def refuse_unanswered(path: Path, questions: str) -> None:
    """Say what is missing where a record's questions have no answers.

    Raises:
        InputError: always.
    """
    file = shlex.quote(str(path))
    raise InputError(
        f"{path}: {questions} is a list of questions that follow one another, and the file has no answer to "
        f"each. Name the file with the answers too, if one has the same ids (hunmin init {file} ANSWERS); or "
        f"learn a label from all of them ({as_option('input', f'{questions}.*')} --column label=NAME), or an "
        f"answer from the first ({as_option('instruction', f'{questions}.0')} --column answer=NAME)"
    )


def _lists(value: Any, way: tuple[str, ...] = ()) -> Iterator[tuple[str, list[str]]]:
    """Path -> list of texts of everything in a value; of a list of objects in its first."""
    if are_texts(value):
        yield ".".join(way), value
    elif len(way) < _DEPTH and isinstance(value, Mapping):
        for key, inner in value.items():
            if "." not in key:
                yield from _lists(inner, (*way, key))
    elif len(way) < _DEPTH and isinstance(value, list) and value and isinstance(value[0], Mapping):
        yield from _lists(value[0], (*way, "0"))
