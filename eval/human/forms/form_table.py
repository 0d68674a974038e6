"""A form as a table: a header, a row an item. And tables that came back, as lines."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eval.human.forms.rater_words import WORDS, spoken
from eval.human.study.blinding import Form, FormItem
from eval.human.study.criteria import CRITERIA, OVERALL, REPLIES, Criterion, Language, Mode, criteria_of
from hunmin.errors import InputError
from hunmin.readable import Part, shortened

ID = "id"
MAX_CHARS = 30_000  # of a cell; a spreadsheet takes 32,767, and a longer one would spill into others
FORMULA_SIGNS = "=+-@\t\r\n"  # a cell that begins so is a formula, or becomes one when it is edited
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]")  # no sign of XML 1.0, and nothing to read
_HINT = re.compile(r"\s*\(.*\)\s*$")  # behind a criterion in a header: "정확성 (1-5)"


@dataclass(frozen=True)
class Line:
    """What stands in a returned form for one item; `values` has what is not empty, by criterion."""

    where: str  # in the file, in words
    item: str  # FORM.ITEM
    values: dict[str, str]
    note: str


@dataclass(frozen=True)
class Returned:
    """A returned form, and the titles of columns that nobody reads."""

    lines: list[Line]
    unread: list[str]


def header_of(form: Form) -> list[str]:
    """The titles of the columns."""
    words = WORDS[form.language]
    answers = [words["answer"]] if form.mode == "absolute" else [f"{words['answer']} {side}" for side in "AB"]
    replies = REPLIES[form.mode]
    hint = f"{replies[0]}-{replies[-1]}" if form.mode == "absolute" else "/".join(replies)
    asked = [f"{criterion.title[form.language]} ({hint})" for criterion in criteria_of(form.mode)]
    return [ID, words["question"], *answers, *asked, words["note"]]


def row_of(form: Form, item: FormItem) -> list[str]:
    """The cells of an item, those that a rater fills in empty."""
    texts = [prompt_text(item.prompt, form.language), *item.answers]
    empty = [""] * (len(criteria_of(form.mode)) + 1)
    return [f"{form.name}.{item.item_id}", *(shown(text) for text in texts), *empty]


def prompt_text(prompt: Sequence[Part], language: Language) -> str:
    """What was asked: the user's words alone, or a conversation with who says what."""
    if [part.kind for part in prompt] == ["user"]:
        return prompt[0].text
    return "\n\n".join(f"[{spoken(part.kind, language)}]\n{part.text}" for part in prompt)


def shown(text: str) -> str:
    """A text as a cell can hold it."""
    return _UNSEEN.sub(
        "\ufffd", shortened(text.replace("\r\n", "\n").replace("\r", "\n"), max_chars=MAX_CHARS)
    )


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may compute the text; fullwidth signs and leading spaces count, as some do."""
    return unicodedata.normalize("NFKC", text.lstrip(" \u3000")[:1]) in tuple(FORMULA_SIGNS)


def lines_of(table: Iterable[Sequence[str]]) -> Returned:
    """The lines of a table with a header.

    Raises:
        InputError: the header lacks a column, or has one twice.
    """
    rows = iter(table)
    titles = [title.strip() for title in next(rows, [])]
    places, unread = _columns(titles)
    lines = []
    for number, row in enumerate(rows, start=2):
        cells = {name: row[place].strip() if place < len(row) else "" for name, place in places.items()}
        item, note = cells.pop(ID), cells.pop("note", "")
        values = {name: plain_reply(text) for name, text in cells.items() if text}
        if item or values or note:
            lines.append(Line(f"row {number}", item, values, note))
    return Returned(lines, unread)


def plain_reply(text: str) -> str:
    """A reply as it is meant: fullwidth signs are plain ones, and 4.0 is 4."""
    text = unicodedata.normalize("NFKC", text).strip()
    return text.removesuffix(".0")


def _columns(titles: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """Places of the columns that are read, by name, and the titles of the others that are not ours."""
    known = {_folded(title): name for name, title in _titles()}
    texts = {_folded(words[name]) for words in WORDS.values() for name in ("question", "answer")}
    places: dict[str, int] = {}
    unread = []
    for place, title in enumerate(titles):
        name = known.get(_folded(title))
        if name in places:
            raise InputError(f"the column {title!r} stands in the header twice; leave one of them")
        if name is not None:
            places[name] = place
        elif title and _folded(title).removesuffix(" a").removesuffix(" b") not in texts:
            unread.append(title)
    mode: Mode = "pairwise" if OVERALL.name in places else "absolute"
    needed = [ID, *(criterion.name for criterion in criteria_of(mode))]
    if missing := [name for name in needed if name not in places]:
        raise InputError(
            f"the header has no column for {', '.join(missing)} (it reads "
            f"{', '.join(titles[:12]) or 'nothing'}); hand back the form with its first row as it was"
        )
    return places, unread


def _titles() -> list[tuple[str, str]]:
    """Names of columns that are read, and what they may be called."""
    asked: tuple[Criterion, ...] = (OVERALL, *CRITERIA)
    own = [(one.name, title) for one in asked for title in (one.name, *one.title.values())]
    return [(ID, ID), *(("note", words["note"]) for words in WORDS.values()), *own]


def _folded(title: str) -> str:
    return _HINT.sub("", unicodedata.normalize("NFC", title)).strip().casefold()
