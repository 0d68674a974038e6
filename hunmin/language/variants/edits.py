"""Small edits of a request that do not change what it asks, for people do not write like a corpus.

Punctuation, spacing, line breaks, a particle that talk leaves out, the speech level, a slip of the hand.
Every edit is confirmed by reading the text again: what `protected` finds, the labels and answers that the
caller names, and Korean names stand in it as often as before.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from hunmin.hashing import stable_hash
from hunmin.language.korean.morphemes import Morpheme, sentences
from hunmin.language.protected import protected, quoted_spans
from hunmin.language.script import language_of
from hunmin.language.variants.rewordings import MAX_CHARS, rewordings
from hunmin.language.variants.typing_slips import typing_slips

_SENTENCE_END = re.compile(r"(?<=[가-힣a-z)\"'][.!?]) (?=\S)")  # the space behind it; no 3. or e.g. X
_CODE = re.compile(r"```|^(?: {4}|\t)|[{};]\s*$", re.MULTILINE)
_PREFIX = re.compile(r"\[[^\[\]\n]+\]")  # of a task: [번역]
Named = tuple[str, str]  # what was done, and the text


@dataclass(frozen=True)
class Edit:
    """A request edited once: along which axis, how, and what it says then."""

    axis: str
    name: str
    text: str


def edits(request: str, *, draw: int, keep: Iterable[str] = ()) -> list[Edit]:
    """One edit of each axis that has a safe one, in the order of `AXES`.

    Args:
        request: with the white space that parts it from an input behind it. One that holds code, or more than
            a request (MAX_CHARS), gets none.
        draw: any number; which of an axis' edits is made.
        keep: labels, answers and the like, that must stay as they are.
    """
    body = request.rstrip()
    if not body or len(body) > MAX_CHARS or _CODE.search(body):
        return []
    language = language_of(body)
    kept = [*keep, *_PREFIX.findall(body), *(_names(body) if language == "ko" else ())]
    before = _kept(body, language=language, keep=kept)
    found: list[Edit] = []
    for axis, candidates in AXES.items():
        drawn = sorted(candidates(request, language), key=lambda one: stable_hash(draw, axis, *one))
        for name, text in drawn:
            if text != request and _kept(text, language=language, keep=kept) == before:
                found.append(Edit(axis, name, text))
                break
    return found


def _kept(text: str, *, language: str, keep: Iterable[str]) -> tuple[Counter[str], list[int]]:
    """What an edit must leave: protected spans, and how often each kept phrase stands in the text."""
    return protected(text, language=language), [text.count(phrase) for phrase in keep if phrase]


def _names(text: str) -> set[str]:
    """Korean proper nouns, as far as the analyser sees them."""
    return {text[one.start : one.end] for one in _morphemes(text) if one.tag == "NNP"}


def _morphemes(text: str) -> Iterator[Morpheme]:
    offset = 0
    for line in text.split("\n"):
        yield from (one for sentence in sentences(line, offset=offset) for one in sentence)
        offset += len(line) + 1


def _parted(request: str) -> tuple[str, str]:
    """The words, and the white space behind them."""
    body = request.rstrip()
    return body, request[len(body) :]


def punctuation(request: str, language: str) -> Iterator[Named]:
    """The closing mark left out, added or doubled.

    A question mark is never left out, for talk may have no other sign of a question (재미있어?).
    """
    body, gap = _parted(request)
    if body[-1] in ".!:" and body[-2:-1] not in (*".!:", ""):
        yield "mark_left_out", body[:-1] + gap
    if body[-1] in "?!" and body[-2:-1] not in ("?", "!"):
        yield "mark_doubled", body + body[-1] + gap
    if body[-1].isalpha():
        yield "mark_added", body + "." + gap


def spacing(request: str, language: str) -> Iterator[Named]:
    """A space doubled; in Korean also left out or put in before an auxiliary verb, as spelling allows.

    한글 맞춤법 47항: 분류해 주세요, 분류해주세요.
    """
    for match in re.finditer(r"(?<=\S) (?=\S)", request):
        yield "space_doubled", request[: match.start()] + " " + request[match.start() :]
    if language != "ko":
        return
    for one, other in pairwise(_morphemes(request)):
        if (one.form, one.tag, other.kind) != ("어", "EC", "VX"):
            continue
        if request[one.end : other.start] == " ":
            yield "space_left_out", request[: one.end] + request[other.start :]
        elif one.end == other.start:
            yield "space_put_in", request[: one.end] + " " + request[other.start :]


def line_breaks(request: str, language: str) -> Iterator[Named]:
    """A line broken between sentences or in the middle; the empty line before the input closed."""
    body, gap = _parted(request)
    quoted = quoted_spans(body)

    def broken(at: int) -> str | None:
        inside = any(start < at < end for start, end in quoted)
        return None if inside else body[:at] + "\n" + body[at + 1 :] + gap

    places = [("break_between_sentences", match.start()) for match in _SENTENCE_END.finditer(body)]
    spaces = [match.start() for match in re.finditer(r"(?<=\S) (?=\S)", body)]
    if len(spaces) > 1:
        places.append(("break_in_the_middle", min(spaces, key=lambda at: abs(2 * at - len(body)))))
    for name, at in places:
        if text := broken(at):
            yield name, text
    if gap == "\n\n":
        yield "empty_line_closed", body + "\n"


def particles(request: str, language: str) -> Iterator[Named]:
    """Korean: an object's particle left out, as in talk: 감정을 분류해 주세요, 감정 분류해 주세요."""
    if language != "ko":
        return
    for one in _morphemes(request):
        surface = request[one.start : one.end]
        if one.tag == "JKO" and surface in ("을", "를") and request[one.end : one.end + 1] == " ":
            yield f"{surface}_left_out", request[: one.start] + request[one.end :]


def speech_level(request: str, language: str) -> Iterator[Named]:
    """Korean: another speech level or form of request; English: another frame. By the rules of rewording."""
    body, gap = _parted(request)
    for found in rewordings(body, language=language):
        yield found.rule, found.text + gap


AXES: dict[str, Callable[[str, str], Iterator[Named]]] = {
    "punctuation": punctuation,
    "spacing": spacing,
    "line_breaks": line_breaks,
    "particles": particles,
    "speech_level": speech_level,
    "typing": typing_slips,
}
