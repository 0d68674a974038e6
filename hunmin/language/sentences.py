"""Sentences of Korean and English text, and the speech level of Korean ones, by their endings.

Made for checks that must not be wrong when they say yes: where a text is doubtful, `sentences` gives more of
them, `sure_sentences` fewer, and `speech_level` none.
"""

import re
from typing import Literal

SpeechLevel = Literal["formal", "polite", "plain"]

_END = re.compile(r"""(?<=[.!?。…])["'”’)\]』」]*(?=\s|$)|\n+""")
_SURE_END = re.compile(
    r"""(?<=[.!?。…])["'”’)\]』」]*(?=\s+(?!["'“‘(]*[a-z]|라고|하고|고 |라는|이라|며 |란 )|$)"""
)
_MARKED_END = re.compile(r"""[.!?。…~]["'”’)\]』」]*$""")
# No end of a sentence: Mr. Smith, J. Brown, e.g. this, 3. a list ...
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Mx|Dr|Prof|St|Jr|Sr|vs|etc|Inc|Co|Corp|Ltd|Bros|e\.g|i\.e|cf|Gov|Sen|Rep|Gen|Col|Lt|Capt|Maj"
    r"|Sgt|Adm|Rev|Hon|Pres|Mt|Dept|Univ|Ph\.D|a\.m|p\.m)|\b[A-Z]|^\s*\d+)\.$"
)
# ... No. 5, pp. 3 ...
_BEFORE_NUMBER = re.compile(r"\b(?:No|Nos|Fig|Figs|Vol|Ch|Sec|Art|pp?)\.$")
# ... unless a word follows that begins a sentence: plan B. It works.
_BEGINS = re.compile(
    r"\s+(?:I|You|He|She|It|We|They|The|A|An|This|That|These|Those|There|Then|But|And|So|However|If|When|While"
    r"|After|In|On|At|My|His|Her|Its|Our|Their)\b"
)
_DATE = re.compile(r"\d{2,4}\.\s?\d{1,2}\.\s?\d{1,2}\.|\d{4}\.\s?\d{1,2}\.(?!\d)")
# What else may be no end: a number, a word without a vowel or with a full stop inside.
_DOUBTFUL = re.compile(r"(?:\d|\b[B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{1,5}|\w\.\w+)\.$")
# Endings that close a Korean sentence although its end mark was left out: 맛있어요 또 갈게요.
_UNMARKED = re.compile(r"(?<=니다|니까|세요|어요|아요|해요|네요|예요|에요|군요|지요|게요|까요|나요)\s+(?=\S)")
_LONGEST_BEGINNING = 12  # characters
_CLOSING = re.compile(r"""[\s.!?~…。"'”’)\]』」^ㅋㅎㅠㅜ]+$""")
_SIGNS = re.compile(r"[\w]")

# A yes or no has no level, although 아니요 ends like one.
_INTERJECTION = re.compile(r"예|네|아니요|아니오|아뇨")
# Nouns that end like the polite ending.
_YO_NOUN = re.compile(r"(?:필|중|수|개|소|민|동|강|주|긴)요$")
# 한다, 었다, 없다, 이다, 많다 … but not 바다, 보다, 마다: the syllable before 다 has a final consonant, or is
# the copula, or ends one of the stems that end openly.
_OPEN_STEM = "이니하르쁘크기치리지키시비쓰"


def sentences(text: str) -> list[str]:
    """The sentences of a text in order, stripped. Line breaks end a sentence; 3.5 and Mr. do not.

    Doubtful places are taken for ends, so there are at most so many.
    """
    parts = (part.strip() for piece in _pieces(text, _END, sure=False) for part in _UNMARKED.split(piece))
    return [part for part in parts if _SIGNS.search(part)]


def sure_sentences(text: str) -> list[str]:
    """The sentences that are surely ones: closed by a mark or a Korean ending, cut at sure places only.

    There are at least so many. A quoted sentence inside another ("…?" said he, "…"라고 했다) is part of it.
    """
    parts = (piece.strip() for line in text.splitlines() for piece in _pieces(line, _SURE_END, sure=True))
    return [part for part in parts if _SIGNS.search(part) and is_closed(part)]


def is_closed(sentence: str) -> bool:
    """Whether it ends as a sentence does, not as a phrase or a headline."""
    return bool(_MARKED_END.search(sentence)) or speech_level(sentence) is not None


def _pieces(text: str, end: re.Pattern[str], *, sure: bool) -> list[str]:
    pieces: list[str] = []
    start = 0
    dates = {place for date in _DATE.finditer(text) for place in range(date.start() + 1, date.end() + 1)}
    for match in end.finditer(text):
        piece, rest = text[start : match.end()], text[match.end() : match.end() + _LONGEST_BEGINNING]
        if "\n" not in match[0] and (match.end() in dates or _is_no_end(piece, rest, sure=sure)):
            continue
        pieces.append(piece)
        start = match.end()
    return [*pieces, text[start:]]


def _is_no_end(piece: str, rest: str, *, sure: bool) -> bool:
    """Whether a full stop is no end of a sentence: where `sure`, of a surely ended one."""
    if _BEFORE_NUMBER.search(piece) and rest.lstrip()[:1].isdigit():
        return True
    if sure:
        return bool(rest.strip()) and bool(_ABBREVIATION.search(piece) or _DOUBTFUL.search(piece))
    return _ABBREVIATION.search(piece) is not None and not _BEGINS.match(rest)


def speech_level(sentence: str) -> SpeechLevel | None:
    """The level that a Korean sentence's ending shows; None where it shows none of the three.

    formal: -습니다, -습니까, -십시오; polite: -요; plain: -다 as in written prose.
    """
    end = _CLOSING.sub("", sentence)
    if _INTERJECTION.fullmatch(end):
        return None
    if re.search(r"(?:니다|니까|십시오|십시다)$", end) and not end.endswith("아니다"):
        return "formal" if _has_bieup_before(end) else None
    if end.endswith(("요", "죠")) and not _YO_NOUN.search(end) and len(end) > 1:
        return "polite"
    if end.endswith("다") and len(end) > 1 and (_final(end[-2]) or end[-2] in _OPEN_STEM):
        return "plain"
    return None


def _has_bieup_before(end: str) -> bool:
    """Before -니다 and -니까 stands a ㅂ (합니다, 습니까), which 그러니까 lacks; -십시오 needs none."""
    return end.endswith("오") or end.endswith("십시다") or (len(end) > 2 and _final(end[-3]) == _BIEUP)


_BIEUP = 17  # place of ㅂ among the final consonants


def _final(syllable: str) -> int:
    """The place of a Hangul syllable's final consonant, 0 where it has none or is no syllable."""
    code = ord(syllable) - 0xAC00
    return code % 28 if 0 <= code < 11172 else 0


def final_consonant(word: str) -> int | None:
    """The place of the last sound's final consonant (0: none), digits as read; None for other letters."""
    last = word.rstrip("\"'”’)]』」.!? ")[-1:]
    if "가" <= last <= "힣":
        return _final(last)
    if last.isdigit() and last.isascii():
        # 영 일 이 삼 사 오 육 칠 팔 구: ㅇ=21, ㄹ=8, ㅁ=16, ㄱ=1
        return (21, 8, 0, 16, 0, 0, 1, 8, 8, 0)[int(last)]
    return None


def with_particle(word: str, pair: str) -> str | None:
    """A word with the fitting one of two particles; None where the word's last sound is not known.

    Args:
        word: as it stands in the sentence: 긍정, 9점.
        pair: the form after a consonant, a slash, the form after a vowel: 은/는, 이라고/라고, 으로/로.
    """
    final = final_consonant(word)
    if final is None:
        return None
    after_consonant, after_vowel = pair.split("/")
    if after_consonant.startswith("으로") and final == 8:  # 서울로
        final = 0
    return word + (after_consonant if final else after_vowel)
