"""What a chat template writes around a thought and around a call, and where a render holds some.

Found by handing the template a thought and a call, as its habits are. For showing rows to people: what is
trained is decided by rendering with and without the answer, never by these marks.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

MarkedKind = Literal["thought", "call"]


class Marks(NamedTuple):
    """The texts that stand before and behind every part of a kind."""

    before: str
    after: str


class Span(NamedTuple):
    """The part `text[start:end]`, with the mark before it."""

    kind: MarkedKind
    start: int
    end: int


def mark_before(text: str) -> str:
    """What stands at the end of a text: its last stretch without white space."""
    return next(iter(text.split()[-1:]), "")


def mark_after(text: str, added: Iterable[str]) -> str:
    """What ends a part that a text follows: the first added token in it, which is one sign whatever comes
    next; else the first stretch without white space.
    """
    found = min(((text.index(token), -len(token), token) for token in added if token in text), default=None)
    return found[2] if found else next(iter(text.split()), "")


def spans_of(text: str, marks: Mapping[MarkedKind, Marks]) -> Iterator[Span]:
    """The marked parts of a text, in order; what looks like a call within a thought is the thought's."""
    if not marks:
        return
    kinds: list[MarkedKind] = list(marks)
    pattern = "|".join(
        f"(?P<{kind}>{re.escape(marks[kind].before)}.*?){re.escape(marks[kind].after)}" for kind in kinds
    )
    for found in re.finditer(pattern, text, re.DOTALL):
        kind: MarkedKind = next(kind for kind in kinds if found[kind] is not None)
        yield Span(kind, *found.span(kind))
