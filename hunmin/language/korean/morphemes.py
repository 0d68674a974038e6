"""Korean morphemes with one spelling each, so that endings can be looked up in a table (kiwipiepy)."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from kiwipiepy import Kiwi, Token

# Kiwi writes an ending as it stands in the text; the tables here want one name for each.
_ENDINGS = {
    "습니까": "ᆸ니까",
    "습니다": "ᆸ니다",
    "을까": "ᆯ까",
    "을까요": "ᆯ까요",
    "을래": "ᆯ래",
    "을래요": "ᆯ래요",
    "은가": "ᆫ가",
    "는가": "ᆫ가",
    "은가요": "ᆫ가요",
    "는가요": "ᆫ가요",
    "는지": "ᆫ지",
    "은지": "ᆫ지",
    "죠": "지요",
    "라": "으라",
    "읍시오": "ᆸ시오",
    "아라": "어라",
    "아": "어",
    "아요": "어요",
    "을": "ᆯ",
    "으시": "시",
}
_AFTER_COPULA = {"야": "어", "예요": "어요", "에요": "어요", "이에요": "어요"}
_HONORIFIC = re.compile(r"^(?:으)?(?:세요|셔요)$")


@dataclass(frozen=True)
class Morpheme:
    """A morpheme and the characters of the text it came from (neighbours may share a syllable)."""

    form: str
    tag: str
    start: int
    end: int

    @property
    def kind(self) -> str:
        """The tag without the mark of regular or irregular inflection."""
        return self.tag.split("-")[0]


@lru_cache(maxsize=1)
def kiwi() -> Kiwi:
    """The analyser of this process, loaded on first use: a few seconds, 0.3 GB, one thread.

    Without the dictionary of names of several words, which takes 0.2 GB and tells nothing about endings.
    """
    return Kiwi(num_workers=1, load_multi_dict=False)


def sentences(line: str, *, offset: int = 0) -> list[list[Morpheme]]:
    """The morphemes of each sentence of a line that starts at `offset` of its text."""
    found: dict[int, list[Morpheme]] = {}
    for token in cast(list[Token], kiwi().tokenize(line)):
        group = found.setdefault(token.sent_position, [])
        start, end = token.start + offset, token.end + offset
        group.extend(_canonical(token.form, token.tag, start, end, group))
    return [found[position] for position in sorted(found)]


def _canonical(form: str, tag: str, start: int, end: int, before: list[Morpheme]) -> list[Morpheme]:
    """The morpheme under its one name; 요 joins the ending before it, 세요 parts into 시 + 어요."""
    if before and tag == "JX" and form == "요" and before[-1].tag == "EF":
        last = before.pop()
        return [Morpheme(_ENDINGS.get(last.form + "요", last.form + "요"), "EF", last.start, end)]
    if tag == "EF" and _HONORIFIC.match(form):
        return [Morpheme("시", "EP", start, end), Morpheme("어요", "EF", start, end)]
    if tag == "EF" and before and before[-1].tag in ("VCP", "VCN"):
        form = _AFTER_COPULA.get(form, form)
    return [Morpheme(_ENDINGS.get(form, form) if tag in ("EF", "EC", "ETM", "EP") else form, tag, start, end)]


@lru_cache(maxsize=4096)
def joined(*morphemes: tuple[str, str]) -> str:
    """The surface of a stem and its endings, inflected (ㅂ, ㄷ, ㅅ, ㅎ, 르, 으, ㄹ and 하다 included)."""
    return kiwi().join(morphemes)
