"""Texts whose bytes were read in another encoding than they were written in."""

import re

from data_pipeline.reasons import MOJIBAKE, Refusal
from data_pipeline.rows.checks.exchange import Exchange

_LOST = "\ufffd"
_BYTES = re.compile(r"[\u0080-\u024f\u02c6\u02dc\u2013-\u203a\u20ac\u2122]{2,}")
_LATIN_HINT = re.compile(
    r"[ÂÃâã][\u0080-\u00bf\u2013-\u203a\u20ac\u2122\u0152-\u0178]"
    r"|[êëìí][\u0080-\u00bf\u2013-\u203a\u20ac\u2122\u0152-\u0178\u02c6\u02dcêëìí]|[\u00b0-\u00c8][\u00a1-\u00fe]{3}"
)
# Lead letters of Hangul in UTF-8; its other bytes are control characters, which normalization took away.
_LEAD = re.compile(r"[êëìí]")
_LETTER = re.compile(r"[^\W\d_]")
MIN_LEADS, LEAD_SHARE = 4, 0.4
# CP949 read as Latin-1: each syllable is a letter or sign of À's neighbourhood and any other.
_PAIRS = re.compile(r"(?:[\u00b0-\u00c8][\u00a1-\u00fe]){2,}")
MIN_PAIRS = 3
_KNOWN = re.compile(r"占쏙옙|占쏙|锟斤拷|ï»¿|뷁뷁")
_COMMON = frozenset(
    bytes((lead, trail)).decode("euc_kr") for lead in range(0xB0, 0xC9) for trail in range(0xA1, 0xFF)
)
# Syllables outside the 2,350 of KS X 1001: words have them hardly ever, misread bytes nearly always.
_RARE = re.compile(
    "[" + "".join(chr(code) for code in range(0xAC00, 0xD7A4) if chr(code) not in _COMMON) + "]"
)
_STRANGE = re.compile(rf"{_RARE.pattern}|[\u4e00-\u9fff](?=[가-힣])|\?(?=[가-힣])")
_SYLLABLE = re.compile(r"[가-힣]")
_ABOUT_ENCODING = re.compile(
    r"encod|인코딩|unicode|유니코드|utf-?8|latin-?1|mojibake|글자\s?깨짐|글자가\s?깨|ascii", re.I
)
MIN_RARE = 2  # distinct ones
STRANGE_SHARE = 0.5  # strange signs a syllable


def mojibake(exchange: Exchange) -> Refusal:
    """Refuse texts whose bytes were read in another encoding than they were written in."""
    for name in ("instruction", "input", "answer"):
        text = getattr(exchange, name)
        if text.isascii():
            continue
        found = misread(text)
        if found and not _ABOUT_ENCODING.search(exchange.prompt):
            return MOJIBAKE, f"{exchange.where}{name} holds {found!r}"
    return None


def misread(text: str) -> str | None:
    """The first piece of the text that can only come from a wrong decoding, or None.

    Letters lost (U+FFFD); UTF-8 read as Latin-1 or Windows-1252 (the piece decodes as UTF-8 when written
    back) or as CP949 (most syllables are of those that no word has); CP949 read as Latin-1.
    """
    at = text.find(_LOST)
    if at >= 0:
        return text[max(0, at - 5) : at + 5]
    known = _KNOWN.search(text)
    if known:
        return known[0]
    return (_misread_as_latin(text) if _LATIN_HINT.search(text) else None) or _misread_as_korean(text)


def _misread_as_latin(text: str) -> str | None:
    leads = len(_LEAD.findall(text))
    if leads >= MIN_LEADS and leads >= LEAD_SHARE * len(_LETTER.findall(text)):
        return text[:40]
    pairs = _PAIRS.findall(text)
    if sum(len(pair) // 2 for pair in pairs) >= MIN_PAIRS:
        return pairs[0]
    for match in _BYTES.finditer(text):
        if _is_utf8(match[0], after=text[max(0, match.start() - 1) : match.start()]):
            return match[0]
    return None


def _misread_as_korean(text: str) -> str | None:
    """Rare syllables beside Chinese signs, and question marks before syllables."""
    if not _RARE.search(text):
        return None
    rare = _RARE.findall(text)
    strange = _STRANGE.findall(text)
    few = len(set(rare)) < MIN_RARE or len(strange) == len(rare)  # rare syllables alone are somebody's slang
    if few or len(strange) < STRANGE_SHARE * len(_SYLLABLE.findall(text)):
        return None
    return "".join(rare[:8])


def _is_utf8(run: str, *, after: str) -> bool:
    """Whether a run of Latin letters and signs is the bytes of other letters."""
    data = b"".join(_byte(sign) for sign in run)
    try:
        meant = data.decode("utf-8")
    except UnicodeDecodeError:
        # The run may end in a real letter or sign: the longest beginning counts.
        meant = data.decode("utf-8", errors="ignore")
        if 2 * len(meant.encode()) < len(data):
            return False
    if any(ord(sign) > 0x7FF for sign in meant):
        return True
    # One letter of two bytes is "Ã©" within a word; alone it may be what was written.
    return len(meant) > 1 or (after.isalpha() and after.islower())


def _byte(sign: str) -> bytes:
    for encoding in ("cp1252", "latin-1"):
        try:
            return sign.encode(encoding)
        except UnicodeEncodeError:
            continue
    return b"?"
