"""Multiple choice: columns or list items that are the choices, and the column that tells the right one.

What is learned is the text of the right choice, never its number, which says nothing by itself.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from data_pipeline.sources.values.columns import columns_in, is_text
from hunmin.language.script import language_of
from launcher.init.column_families import ASKED
from launcher.init.column_names import CHOICES, read_name, words, words_of
from launcher.init.column_values import Row, is_id, is_number, mean_length, values_of

_ANSWERS = words("answer label gold correct key answerkey target 정답 답 라벨")
_LETTERS = "abcdefghij"
ASKS = {
    "ko": "=다음을 읽고 보기 가운데 알맞은 것을 골라 그대로 쓰세요.",
    "en": "=Read the following and pick the right one of the choices; write it as it stands.",
}


class Choice(NamedTuple):
    """A multiple choice as a mapping of columns."""

    columns: dict[str, str]
    labels: dict[str, str]  # raw value -> the column of its text, in braces
    decide: tuple[str, ...]


def find_choices(header: Sequence[str], rows: Sequence[Row], given: Mapping[str, str]) -> Choice | None:
    """The mapping of a table of multiple choice; None where it is none.

    Choices are columns that differ in a number or letter counted from the start (1 2, A B C D, choice1
    choice2, endings.0 endings.1), and another column has nothing but these, or counts them.

    Args:
        given: field -> column as the user said; an answer or a label among them is not second-guessed.
    """
    if {"answer", "label"} & given.keys():
        return None
    said = [name for field, spec in given.items() if field in ASKED for name in columns_in(spec)]
    for texts in _series(header, rows):
        rest = [name for name in header if name and name not in texts and not is_choice(name)]
        answer, keys = _answer_of(texts, rest, rows)
        asked = _asked(rest, answer, rows)
        if answer is not None:
            choice = _choice(said or asked, texts, answer, keys, rows)
            whole = {field: spec for field, spec in given.items() if is_text(spec) or field not in ASKED}
            return choice._replace(columns={**choice.columns, **whole})
    return None


def is_choice(name: str) -> bool:
    """Whether a name is that of a choice, or of something about one."""
    return bool(CHOICES & set(words_of(name)))


def _series(header: Sequence[str], rows: Sequence[Row]) -> list[list[str]]:
    """Groups of columns that may be choices, in the order of their numbers or letters."""
    groups: dict[tuple[str, ...], dict[str, str]] = {}
    for name in header:
        base, place = _counted(name)
        if place is not None:
            groups.setdefault(base, {}).setdefault(place, name)
    found = []
    for base, group in groups.items():
        texts = _in_order(group)
        role = read_name(" ".join(base)).role
        known = role != "label" and (not base or is_choice(" ".join(base)) or role == "answer")
        if texts and (known or (role is None and not any(is_number(one, rows) for one in texts))):
            found.append((not known, texts))
    return [texts for _, texts in sorted(found, key=lambda one: one[0])]


def _counted(name: str) -> tuple[tuple[str, ...], str | None]:
    """A name without its number or letter, and that."""
    words = words_of(re.sub(r"\.(\d+)(?=\.|$)", r" \1 ", name))
    places = [index for index, word in enumerate(words) if word.isdecimal() or word in tuple(_LETTERS)]
    if not places:
        return (), None
    last = places[-1]
    return tuple(words[:last] + words[last + 1 :]), words[last]


def _in_order(group: Mapping[str, str]) -> list[str] | None:
    for count in ("123456789", "0123456789", _LETTERS):
        wanted = count[: len(group)]
        if len(group) > 1 and set(group) == set(wanted):
            return [group[place] for place in wanted]
    return None


def _answer_of(
    texts: Sequence[str], rest: Sequence[str], rows: Sequence[Row]
) -> tuple[str | None, dict[str, str]]:
    """The column that tells the right choice, and its values -> the column of the choice's text."""
    likely = [
        name for name in rest if set(words_of(name)) & _ANSWERS or read_name(name).role in ("answer", "label")
    ]
    for name in likely:
        if keys := _keys(texts, set(values_of(name, rows))):
            return name, keys
    for name in likely:  # the right choice may stand there word for word
        told = [row for row in rows if row.get(name, "").strip()]
        if told and all(row[name].strip() in [row.get(text, "").strip() for text in texts] for row in told):
            return name, {}
    return None, {}


def _keys(texts: Sequence[str], values: Iterable[str]) -> dict[str, str] | None:
    """Value -> column, by the way of counting that all values are of; None where there is none.

    The numbers or letters of the columns themselves come first, then letters, then 1 2 3, then 0 1 2.
    """
    size = len(texts)
    bare = {value: re.sub(r"\.0+$", "", value.strip("().번 ")).casefold() for value in values}
    for way in ([str(_counted(text)[1]) for text in texts], _LETTERS, "123456789", "0123456789"):
        keys = dict(zip(way[:size], texts, strict=True))
        if bare and set(bare.values()) <= keys.keys():
            spelled = {value: keys[key] for value, key in bare.items()}
            upper = any(value.isupper() for value in bare)
            return dict(
                sorted(
                    ({key.upper() if upper else key: text for key, text in keys.items()} | spelled).items()
                )
            )
    return None


def _asked(rest: Sequence[str], answer: str | None, rows: Sequence[Row]) -> list[str]:
    """The columns that say what the choices are of: those with a known name, else the one long text."""
    others = [name for name in rest if name != answer and not is_id(name, rows)]
    named = [name for role in ("input", "instruction") for name in others if read_name(name).role == role]
    texts = [name for name in others if mean_length(name, rows) >= 5 and not is_number(name, rows)]
    return named or (texts if len(texts) == 1 else [])


def _choice(
    asked: Sequence[str], texts: Sequence[str], answer: str, keys: Mapping[str, str], rows: Sequence[Row]
) -> Choice:
    shown = " ".join(value for name in (*asked, *texts) for value in values_of(name, rows[:20]))
    language = "en" if language_of(shown) == "en" else "ko"
    lines = [f"{number}. {{{name}}}" for number, name in enumerate(texts, start=1)]
    columns = {
        "instruction": ASKS[language],
        "input": "\n".join([*(f"{{{name}}}" for name in asked), "", *lines]),
        "answer": answer,
    }
    if not asked:
        del columns["instruction"], columns["input"]  # what the choices are of is for the user to say
    said = ", ".join(f"{value} means column {name}" for value, name in keys.items())
    meant = f"the right one is told by {answer} ({said})" if keys else f"{answer} holds the right one"
    return Choice(
        columns,
        {value: f"{{{name}}}" for value, name in keys.items()},
        (
            f"multiple choice: {', '.join(texts)} are the choices, {meant}; its text is learned; is it so?",
            f"columns.instruction: the words that ask are hunmin's own ({ASKS[language].removeprefix('=')})",
        ),
    )
