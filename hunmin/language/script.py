"""What the script of a text tells, and a form in which equal texts compare equal."""

import re
import unicodedata
from functools import cache, lru_cache

HANGUL = re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_LETTER = re.compile(r"[^\W\d_]")


# Kana, Han, Thai, Lao, Tibetan, Myanmar, Khmer.
_UNSPACED = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]"
)


def is_unspaced(text: str) -> bool:
    """Whether most letters are of a script that puts no spaces between words: Chinese, Japanese, Thai."""
    return not text.isascii() and 2 * len(_UNSPACED.findall(text)) > len(_LETTER.findall(text))


def language_of(text: str) -> str:
    """`ko`, `en` (Latin script), `other`, or `und` where the text has no letter.

    Korean writing holds many Latin words (names, terms, code), and a syllable weighs two or three Latin
    letters, so a quarter of Hangul makes it Korean.
    """
    if text.isascii():  # nearly all that is not Korean, and counting takes long
        return "en" if _LATIN.search(text) else "und"
    hangul = len(HANGUL.findall(text))
    latin = len(_LATIN.findall(text))
    letters = len(_LETTER.findall(text))
    if letters == 0:
        return "und"
    if 4 * hangul >= letters:
        return "ko"
    return "en" if 2 * latin >= letters else "other"


@lru_cache(maxsize=32)  # every key of a row asks for it
def comparable(text: str) -> str:
    """NFKC, case folded, runs of white space as one space: equal for texts a reader calls the same."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@cache
def byte_letters() -> dict[str, int]:
    """Letter -> byte, as GPT-2 writes bytes: what prints stands for itself, the rest from U+0100."""
    printed = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printed]
    return {chr(byte): byte for byte in printed} | {chr(256 + at): byte for at, byte in enumerate(others)}
