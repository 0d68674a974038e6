"""Tests on what instructions ask of an answer's text: IFEval's kinds (Zhou et al., 2023), and Korean ones.

Counted is what surely is one: a word is a run between spaces, a paragraph stands between empty lines.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from hunmin.language.answers.forms import Answered

_PARAGRAPHS = re.compile(r"\n\s*\n")
_HIGHLIGHT = re.compile(
    r"(?<![*\w])\*{1,2}(?=[^\s*])[^*\n]*[^\s*]\*{1,2}(?!\*)|(?<![*\w])\*{1,2}[^\s*]\*{1,2}(?!\*)"
)
_PLACEHOLDER = re.compile(r"\[[^\[\]\n]+\]")
_TITLE = re.compile(r"<<[^<>\n]+>>")
_SECTION = re.compile(
    r"^(?:#{1,6}[ \t]+\S|(?:SECTION|Section|제?\s?\d+\s?[장절부])\b[ \t]*\S?)", re.MULTILINE
)
_CAPITALS = re.compile(r"\b[A-Z]{2,}\b")
# A letter that is no Hangul: Latin, Greek, Cyrillic, kana, Han, Thai, Arabic.
_FOREIGN = re.compile(r"(?![\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff])[^\W\d_]")
_QUOTES = {'"': '"', "“": "”", "'": "'", "‘": "’", "「": "」", "『": "』"}


class Times(NamedTuple):
    """A word and how often it is asked for."""

    word: str
    count: int


def times(text: str) -> Times:
    """Reads 서울*3.

    Raises:
        ValueError: it is written otherwise.
    """
    word, star, count = text.rpartition("*")
    if not (word.strip() and star and count.isascii() and count.isdigit()):
        raise ValueError("a word, a star and a number, as in 서울*3")
    return Times(word.strip(), int(count))


def words(text: str) -> tuple[str, ...]:
    """Reads words apart by commas.

    Raises:
        ValueError: there is none.
    """
    found = tuple(word.strip() for word in text.split(",") if word.strip())
    if not found:
        raise ValueError("words apart by commas, as in 서울,부산")
    return found


def count_of(word: str, text: str) -> int:
    """How often a word stands in a text, whatever its case; in Latin letters as a word of its own.

    A Korean word has particles behind it, so its end is not looked at.
    """
    before = r"(?<![A-Za-z0-9])" if re.match(r"[A-Za-z0-9]", word) else ""
    after = r"(?![A-Za-z0-9])" if re.search(r"[A-Za-z0-9]$", word) else ""
    return len(re.findall(before + re.escape(word) + after, text, re.IGNORECASE))


def has_words(answered: Answered, wanted: tuple[str, ...]) -> bool:
    """All of them stand in the answer."""
    return all(count_of(word, answered.answer) for word in wanted)


def avoids_words(answered: Answered, banned: tuple[str, ...]) -> bool:
    """None of them stands in the answer, which says something."""
    return bool(answered.answer.strip()) and not any(count_of(word, answered.answer) for word in banned)


def says_often(answered: Answered, wanted: Times) -> bool:
    """At least so often."""
    return count_of(wanted.word, answered.answer) >= wanted.count


def num_paragraphs(answered: Answered, count: int) -> bool:
    """So many, apart by empty lines, or by lines of three stars or dashes as IFEval has it."""
    blocks = re.split(r"\n\s*(?:\*{3}|-{3})\s*\n", answered.answer.strip())
    parts = blocks if len(blocks) > 1 else _PARAGRAPHS.split(answered.answer.strip())
    return len([part for part in parts if part.strip()]) == count


def at_least(form: re.Pattern[str]) -> Callable[[Answered, int], bool]:
    """Whether the form is found at least so often."""
    return lambda answered, count: len(form.findall(answered.answer)) >= count


highlights = at_least(_HIGHLIGHT)
placeholders = at_least(_PLACEHOLDER)
sections = at_least(_SECTION)
capital_words = at_least(_CAPITALS)


def has_title(answered: Answered, _: Any) -> bool:
    """A title in double angle brackets, or a heading in the first line."""
    first = answered.lines[0] if answered.lines else ""
    return bool(_TITLE.search(answered.answer)) or bool(re.match(r"#\s+\S", first))


def has_postscript(answered: Answered, _: Any) -> bool:
    """A line that begins with P.S., 추신 or 덧붙임."""
    return bool(
        re.search(r"^\s*(?:P\.?\s?(?:P\.?\s?)?S\.?|추신|덧붙임)(?![A-Za-z가-힣])", answered.answer, re.M)
    )


def is_quoted(answered: Answered, _: Any) -> bool:
    """The whole answer stands between quotation marks."""
    text = answered.answer.strip()
    return len(text) > 2 and _QUOTES.get(text[0]) == text[-1]


def repeats_request(answered: Answered, _: Any) -> bool:
    """The answer begins with what it was given, and goes on."""
    given = answered.input.strip()
    return (
        bool(given)
        and answered.answer.strip().startswith(given)
        and len(answered.answer.strip()) > len(given)
    )


def two_answers(answered: Answered, _: Any) -> bool:
    """Two different ones, with six stars between."""
    parts = [part.strip() for part in answered.answer.split("******") if part.strip()]
    return len(parts) == 2 and parts[0] != parts[1]


def is_hangul(answered: Answered, _: Any) -> bool:
    """Korean without a letter of another script."""
    return answered.language == "ko" and not _FOREIGN.search(answered.answer)


def is_upper(answered: Answered, _: Any) -> bool:
    """Latin letters, all of them capitals."""
    return bool(re.search("[A-Za-z]", answered.answer)) and answered.answer == answered.answer.upper()
