"""One form for the many ways a word is written to slip past a word list.

Korean: decomposed and spelled-out jamo, signs between syllables, repeated syllables.
Latin: leet digits, masked letters, drawn-out and spaced letters.
"""

import re
import unicodedata
from collections.abc import Iterator

_LEADS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_TAILS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_SPELLED = re.compile(rf"([{_LEADS}])([ㅏ-ㅣ])([{_TAILS[1:]}](?![ㅏ-ㅣ]))?")
_SYLLABLES = re.compile(r"[가-힣]+")
_CONSONANT = re.compile(r"[ㄱ-ㅎ]")
_REPEATED = re.compile(r"(.)\1+")
_FULLWIDTH = re.compile(r"[！-～]")

_LATIN = re.compile(r"[a-z]++(?![0-9_])")
_LEET = re.compile(r"[a-z]++(?:[0-9@$!*#]++[a-z]++)+(?![0-9_])")
# What is quickly seen and must be there for the slower patterns to find anything; most texts have none.
_SIGN = re.compile(r"[0-9@$!*#]")  # of leet
_LONE_LETTERS = re.compile(r"[ .\-_*][a-z][ .\-_*][a-z][ .\-_*]")  # of a spaced word
_DRAWN_OUT = re.compile(r"([a-z])\1\1")
_SPACED = re.compile(r"(?<![a-z0-9])(?:[a-z][ .\-_*]){3,12}[a-z](?![a-z0-9])")
_LETTERS = str.maketrans("013457@$!", "oieastasi")
_MAX_LATIN = 24  # characters; longer ones are no words


def canonical(text: str) -> str:
    """NFC with half width Latin: what all patterns are written for. Most texts come back as they are."""
    if text.isascii():
        return text
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    return _FULLWIDTH.sub(lambda match: chr(ord(match[0]) - 0xFEE0), text)


def compose_jamo(text: str) -> str:
    """Syllables in place of letters spelled one by one: ㅂㅏㅂ -> 밥. Lone letters stay."""
    return _SPELLED.sub(_syllable, text)


def _syllable(match: re.Match[str]) -> str:
    lead, vowel, tail = match.groups()
    index = (_LEADS.index(lead) * 21 + ord(vowel) - ord("ㅏ")) * 28 + (_TAILS.index(tail) if tail else 0)
    return chr(0xAC00 + index)


def has_lone_consonant(text: str) -> bool:
    """Whether a text can hold spelled-out or abbreviated words at all."""
    return _CONSONANT.search(text) is not None


def syllables(text: str) -> str:
    """Only the Hangul syllables: whatever stands between the syllables of a disguised word falls away.

    Also what stood between two words, so a find here is a suspicion, not a hit.
    """
    return "".join(_SYLLABLES.findall(text))


def squeeze(text: str) -> str:
    """The Hangul syllables, each run of one syllable as one."""
    return _REPEATED.sub(r"\1", syllables(text))


def latin_words(text: str) -> set[str]:
    """The words of a lower-case text, each also in the form that its disguise hides.

    Masked letters come back as `*`, to be matched by `unmask`.
    """
    words = set(_LATIN.findall(text))
    words.update(_undisguised(text))
    return words


def _undisguised(text: str) -> Iterator[str]:
    for token in _LEET.findall(text) if _SIGN.search(text) else ():
        if len(token) <= _MAX_LATIN:
            yield token.translate(_LETTERS).replace("#", "*")
    if _DRAWN_OUT.search(text):
        for word in _LATIN.findall(text):
            if len(word) <= _MAX_LATIN and _DRAWN_OUT.search(word):
                yield re.sub(r"([a-z])\1\1+", r"\1", word)
                yield re.sub(r"([a-z])\1\1+", r"\1\1", word)
    for spaced in _SPACED.findall(text) if _LONE_LETTERS.search(text) else ():
        yield re.sub(r"[^a-z]", "", spaced)


def unmask(word: str, known: frozenset[str]) -> str | None:
    """The known word that `word` is with letters masked (f*ck), if its first and half of all are shown."""
    if 2 * word.count("*") > len(word) or len(word) < 4:
        return None
    pattern = re.compile(word.replace("*", "[a-z]"))
    return next((other for other in sorted(known) if pattern.fullmatch(other)), None)
