"""Slips of the hand, one a text: what people type in a hurry, and a reader understands all the same.

Korean: ㅐ for ㅔ, 되 for 돼, a vowel struck twice, a neighbouring key of the two-set keyboard. English: two
letters swapped, one doubled, one left out, a neighbouring key. Short words are left alone, since a slip in
them easily gives another word.
"""

import re
from collections.abc import Iterator

Named = tuple[str, str]  # the slip, and the text

_HANGUL_WORD = re.compile(r"[가-힣]{2,}")
_ENGLISH_WORD = re.compile(r"(?<![\w'-])[a-z]{6,}(?![\w'-])")
_LEAST_SYLLABLES = 3  # of a word whose keys are missed
# One slip makes another of them, or they decide what is asked: whose, how many, yes or no.
_LEFT_ALONE = re.compile(r"[내네제쟤걔][가게]|않|없|아니|아닌|못|말고|빼고|제외|만약")

_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_FIRST, _NUM_FINALS = ord("가"), 28
_ALIKE = {"ㅐ": "ㅔ", "ㅔ": "ㅐ"}
_DWAE = {"되": "돼", "돼": "되", "됐": "됬"}
_KOREAN_ROWS = ("ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ", "ㅁㄴㅇㄹㅎㅗㅓㅏㅣ", "ㅋㅌㅊㅍㅠㅜㅡ")
_ENGLISH_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _right_neighbours(rows: tuple[str, ...]) -> dict[str, str]:
    """Each key's neighbour to the right, of the last one to the left."""
    return {
        key: (row[at + 1] if at + 1 < len(row) else row[at - 1]) for row in rows for at, key in enumerate(row)
    }


_KOREAN_KEYS, _ENGLISH_KEYS = _right_neighbours(_KOREAN_ROWS), _right_neighbours(_ENGLISH_ROWS)


def typing_slips(text: str, language: str) -> Iterator[Named]:
    """Every text that is this one with a slip in it; none but in Korean (`ko`) and English (`en`)."""
    words, slips = {
        "ko": (_HANGUL_WORD, _korean_slips),
        "en": (_ENGLISH_WORD, _english_slips),
    }.get(language, (None, None))
    if words is None or slips is None:
        return
    for match in words.finditer(text):
        if not _LEFT_ALONE.search(match[0]):
            for name, slipped in slips(match[0]):
                yield name, text[: match.start()] + slipped + text[match.end() :]


def _korean_slips(word: str) -> Iterator[Named]:
    for at, syllable in enumerate(word):
        initial, vowel, final = _jamo(syllable)
        before, after = word[:at], word[at + 1 :]
        if vowel in _ALIKE:
            yield "vowel_alike", before + _syllable(initial, _ALIKE[vowel], final) + after
        if syllable in _DWAE:
            yield "doe_dwae", before + _DWAE[syllable] + after
        if len(word) < _LEAST_SYLLABLES:
            continue
        if final == 0 and vowel in _KOREAN_KEYS:
            yield "key_struck_twice", before + syllable + vowel + after
        if (other := _KOREAN_KEYS.get(vowel, "")) in _VOWELS and other and other != _ALIKE.get(vowel):
            yield "neighbouring_key", before + _syllable(initial, other, final) + after


def _english_slips(word: str) -> Iterator[Named]:
    for at in range(1, len(word) - 1):  # the first letter is rarely missed, and carries the word
        before, letter, after = word[:at], word[at], word[at + 1 :]
        if letter != after[0]:
            yield "letters_swapped", before + after[0] + letter + after[1:]
        yield "letter_doubled", before + 2 * letter + after
        yield "letter_left_out", before + after
        yield "neighbouring_key", before + _ENGLISH_KEYS[letter] + after


def _jamo(syllable: str) -> tuple[str, str, int]:
    """Initial and vowel as letters, and the number of the final (0: none), by Unicode's arithmetic."""
    place, final = divmod(ord(syllable) - _FIRST, _NUM_FINALS)
    initial, vowel = divmod(place, len(_VOWELS))
    return _INITIALS[initial], _VOWELS[vowel], final


def _syllable(initial: str, vowel: str, final: int) -> str:
    place = _INITIALS.index(initial) * len(_VOWELS) + _VOWELS.index(vowel)
    return chr(_FIRST + place * _NUM_FINALS + final)
