"""Which tokens of a segment are a thought or a call, by the marks that the template writes around them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from hunmin.models.part_marks import MarkedKind, Marks, spans_of
from launcher.inspect.tokens import TokenGroup

_FIRST_SIGN = 0xF0000  # private use, plane 15: stands for a special token, which no text spells


def with_kinds(groups: Sequence[TokenGroup], marks: Mapping[MarkedKind, Marks]) -> list[TokenGroup]:
    """The same groups, those of thoughts and calls with their kind.

    Only answers are looked at, with what the template writes before them: an instruction about tools spells
    marks too.
    """
    special = sorted({group.text for group in groups if group.special}, key=len, reverse=True)
    signs = {text: chr(_FIRST_SIGN + number) for number, text in enumerate(special)}
    signed: dict[MarkedKind, Marks] = {
        kind: Marks(*(_signed(mark, signs) for mark in pair)) for kind, pair in marks.items()
    }
    found = list(groups)
    for start, end in _answers(groups, "".join(mark for pair in marks.values() for mark in pair)):
        texts = [signs[group.text] if group.special else group.text for group in groups[start:end]]
        places = accumulate(map(len, texts), initial=0)
        spans = list(spans_of("".join(texts), signed))
        for index, place in zip(range(start, end), places, strict=False):
            kind = next((span.kind for span in spans if span.start <= place < span.end), None)
            found[index] = replace(groups[index], kind=kind)
    return found


def _signed(mark: str, signs: Mapping[str, str]) -> str:
    return re.sub("|".join(map(re.escape, signs)), lambda one: signs[one[0]], mark) if signs else mark


def _answers(groups: Sequence[TokenGroup], in_marks: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each stretch that is trained, and before it of all up to a special token of no mark."""
    behind = index = 0
    while index < len(groups):
        if not groups[index].trained:
            index += 1
            continue
        start = index
        while start > behind and not (groups[start - 1].special and groups[start - 1].text not in in_marks):
            start -= 1
        while index < len(groups) and groups[index].trained:
            index += 1
        yield start, index
        behind = index
