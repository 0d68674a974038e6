"""Personal data in Korean and English text: found by form, checked by arithmetic where there is some.

Numbers are everywhere, so a form alone counts only where it is hardly anything else: separators, dates,
check digits or a word beside it must agree. What is masked already is not found again, and what belongs to
nobody (safety/nobodys.py) is not found at all.
"""

import re
from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from hunmin.language.answers.code_spans import code_spans
from hunmin.language.korean.particles import particle_after
from hunmin.language.script import language_of
from hunmin.safety.config import PersonalKind
from hunmin.safety.nobodys import is_allowed, is_reserved_address, is_service_number

# kind -> its mask in a Korean text, and in any other.
MASKS: dict[PersonalKind, tuple[str, str]] = {
    "resident_number": ("[주민등록번호]", "[RESIDENT_NUMBER]"),
    "foreigner_number": ("[외국인등록번호]", "[FOREIGNER_NUMBER]"),
    "phone": ("[전화번호]", "[PHONE]"),
    "email": ("[이메일]", "[EMAIL]"),
    "card": ("[카드번호]", "[CARD]"),
    "account": ("[계좌번호]", "[ACCOUNT]"),
    "address": ("[주소]", "[ADDRESS]"),
    "passport": ("[여권번호]", "[PASSPORT]"),
    "driver_licence": ("[운전면허번호]", "[DRIVER_LICENCE]"),
}
KINDS: tuple[PersonalKind, ...] = tuple(MASKS)


class Match(NamedTuple):
    """A find. Not `certain`: a resident number whose check digit does not fit, as none need since 2020-10."""

    kind: PersonalKind
    start: int
    end: int
    certain: bool = True


# Not inside a Latin word, a decimal, a longer number, a path. Hangul may touch: particles do.
_START = r"(?<![A-Za-z0-9_.\-+/=])"
_END = r"(?![A-Za-z0-9_\-=]|\.\d)"

_REGISTRATION = re.compile(_START + r"(\d{2})(\d{2})(\d{2})(\s?[-–]\s?)?([1-8])(\d{6})" + _END)
_PHONE = re.compile(
    rf"(?:(?<![A-Za-z0-9_.\-/=])\+?82[\s.\-]?\(?0?\)?|{_START}\(?0)(?:"
    r"1[016789]\)?[\s.\-]?\d{3,4}[\s.\-]?\d{4}"  # mobile, also without separators
    r"|(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|50\d)(?:\)\s?|[\s.\-])\d{3,4}[\s.\-]\d{4})"
    + _END
    # North American and international writing, with all separators
    + rf"|{_START}(?:\+?1[\s.\-])?(?:\([2-9]\d\d\)\s?|[2-9]\d\d[\-.])[2-9]\d\d[\-.]\d{{4}}{_END}"
    + rf"|(?<![A-Za-z0-9_.\-+=])\+(?!82)\d{{1,3}}(?:[\s.\-]\(?\d{{1,4}}\)?){{2,5}}{_END}"
)
_EMAIL = re.compile(
    r"(?<![\w.+\-/@])(?!git@)[A-Za-z0-9][\w.+\-]{0,63}@"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,62})\.)+[A-Za-z]{2,10}(?![\w@])",
    re.ASCII,
)
_CARD = re.compile(
    rf"{_START}(?:\d{{4}}([ \-]?)\d{{4}}\1\d{{4}}\1\d{{4}}|3[47]\d\d([ \-]?)\d{{6}}\2\d{{5}}){_END}"
)
_ISSUERS = re.compile(r"4|5[1-5]|2[2-7]|3[457]|6|9[0-9]")
_BANK = (
    r"(?:은행|계좌|입금|송금|이체|예금주|농협|수협|신협|새마을금고|우체국|카카오뱅크|케이뱅크|토스뱅크|[Bb]ank|"
    r"[Aa]ccount|[Aa]cct|IBAN)"
)
_ACCOUNT = re.compile(rf"{_BANK}[^\n\d]{{0,24}}?{_START}(\d{{2,6}}(?:-\d{{1,8}}){{1,3}}|\d{{10,14}}){_END}")
_PROVINCE = (
    r"(?:서울|부산|대구|인천|광주|대전|울산|세종|경기|강원|충북|충남|전북|전남|경북|경남|제주|충청[북남]|"
    r"전라[북남]|경상[북남])(?:특별자치시|특별자치도|특별시|광역시|시|도)?"
)
# After a house number; what counts something is none, and so is the number of a side street.
_NO_UNIT = r"(?![\d.:]|\s?(?:번길|길|[년월일시분위개명원%대살배]))"
_HOUSE = rf"\d+(?:-\d+)?{_NO_UNIT}"
_ROAD = rf"[가-힣][가-힣\d·]{{0,12}}?(?:로|길)(?:\s?\d+(?:번|[가-힣])?길)?\s?{_HOUSE}"
_LOT = rf"[가-힣][가-힣\d]{{0,8}}(?:동|읍|면|리|가)\s(?:산\s?)?{_HOUSE}(?:번지)?"
_DISTRICT = r"[가-힣]{1,6}[시군구읍면]\s"
_DETAIL = r"\s?(?:,|\(|\d+[층호동])"
_BUILDING = (
    r"(?:,?\s[가-힣A-Za-z]{2,12}(?:아파트|빌라|빌딩|타워|오피스텔))?"
    r"(?:,?\s?\d+동)?(?:,?\s?(?:지하\s?)?\d+층)?(?:,?\s?\d+호)?"
)
_ADDRESS = re.compile(
    rf"(?<![가-힣])(?:{_PROVINCE}\s(?:{_DISTRICT}){{1,3}}(?:{_ROAD}|{_LOT}){_BUILDING}"
    # Without a province only with something that belongs to a building
    rf"|(?:{_DISTRICT}){{1,3}}{_ROAD}(?={_DETAIL}){_BUILDING})"
)
_PASSPORT = re.compile(
    rf"(?:여권|[Pp]assport)[^\n\d]{{0,16}}?(?<!\w)([MSRODG](?:\d{{8}}|\d{{3}}[A-Z]\d{{4}})){_END}"
)
_LICENCE = re.compile(rf"{_START}(?:1[1-9]|2[0-8])-\d{{2}}-\d{{6}}-\d{{2}}{_END}")

_LONGEST_PARTICLE = 8  # characters, with what must follow it

# A text without one of these holds nothing of the kinds below; the first is quickly seen.
_SIGN = re.compile(r"[@\d]")
_CLUE = re.compile(r"@|\d[\d\s.\-–)]{5,20}\d|[로길동리면읍가]\s?(?:산\s?)?\d|[MSRODG]\d{3}")


def find(
    text: str, *, kinds: tuple[PersonalKind, ...] = (), allow: tuple[str, ...] = (), code: bool = False
) -> list[Match]:
    """The personal data of a text, by place, none overlapping another.

    Args:
        kinds: those that are looked for; empty: all.
        allow: what may stand as it is (see `is_allowed`).
        code: also in the text's code, where an address is hardly ever somebody's.
    """
    if not (_SIGN.search(text) and _CLUE.search(text)):
        return []
    matches = [m for seek in _SEEKERS for m in seek(text) if not kinds or m.kind in kinds]
    kept: list[Match] = []
    taken = bytearray(len(text))
    for match in matches:  # in the order of _SEEKERS: the forms that prove most come first
        if not any(taken[match.start : match.end]):
            taken[match.start : match.end] = b"\1" * (match.end - match.start)
            kept.append(match)
    kept = [match for match in kept if not is_allowed(text[match.start : match.end], allow)]
    if kept and not code:
        spans = code_spans(text)
        kept = [m for m in kept if not any(start <= m.start and m.end <= end for start, end in spans)]
    return sorted(kept, key=lambda match: match.start)


def mask(
    text: str,
    *,
    kinds: tuple[PersonalKind, ...] = (),
    allow: tuple[str, ...] = (),
    code: bool = False,
    language: str = "und",
) -> tuple[str, Counter[PersonalKind]]:
    """The text with every find replaced by its mask, and how many of each kind there were.

    The masks are Korean where the text without the finds is (script.language_of); where nothing with letters
    is left, `language`, that of the row, decides. A Korean particle behind a find agrees with the mask.
    """
    matches = find(text, kinds=kinds, allow=allow, code=code)
    if not matches:
        return text, Counter()
    ends = [0, *(match.end for match in matches)]
    own = language_of(
        "".join(text[end : match.start] for end, match in zip(ends, matches, strict=False)) + text[ends[-1] :]
    )
    column = 0 if (language if own == "und" else own) == "ko" else 1
    pieces: list[str] = []
    end = 0
    for match in matches:
        word = MASKS[match.kind][column]
        particle, length = particle_after(word, text[match.end : match.end + _LONGEST_PARTICLE])
        pieces += [text[end : match.start], word, particle]
        end = match.end + length
    return "".join([*pieces, text[end:]]), Counter(match.kind for match in matches)


def luhn_valid(digits: str) -> bool:
    """The check digit of card numbers (ISO/IEC 7812-1)."""
    doubled = [int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def registration_check_digit(digits: str) -> int:
    """The 13th digit that fits the first 12 of a resident or a foreigner registration number."""
    total = sum(
        int(digit) * weight
        for digit, weight in zip(digits[:12], (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5), strict=True)
    )
    return ((13 if digits[6] in "5678" else 11) - total % 11) % 10


def _valid_date(year: str, month: str, day: str, century: str) -> bool:
    full = (1900 if century in "1256" else 2000) + int(year)
    return 1 <= int(month) <= 12 and 1 <= int(day) <= monthrange(full, int(month))[1]


def _registrations(text: str) -> Iterator[Match]:
    """Resident and foreigner numbers. Thirteen digits without a hyphen need a check digit that fits."""
    for found in _REGISTRATION.finditer(text):
        year, month, day, hyphen, century, rest = found.groups()
        if not _valid_date(year, month, day, century):
            continue
        certain = registration_check_digit(year + month + day + century + rest) == int(rest[-1])
        if certain or hyphen:
            kind = "foreigner_number" if century in "5678" else "resident_number"
            yield Match(kind, found.start(), found.end(), certain)


def _phones(text: str) -> Iterator[Match]:
    """Any number of the forms above; a foreign one needs as many digits as one can have (ITU-T E.164)."""
    for found in _PHONE.finditer(text):
        if 8 <= sum(char.isdigit() for char in found[0]) <= 15 and not is_service_number(found[0]):
            yield Match("phone", found.start(), found.end())


def _cards(text: str) -> Iterator[Match]:
    for found in _CARD.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        if _ISSUERS.match(digits) and len(set(digits)) > 1 and luhn_valid(digits):
            yield Match("card", found.start(), found.end())


def _accounts(text: str) -> Iterator[Match]:
    """Ten to fourteen digits soon after a word of banking."""
    for found in _ACCOUNT.finditer(text):
        if 10 <= sum(char.isdigit() for char in found[1]) <= 14 and not is_service_number(found[1]):
            yield Match("account", found.start(1), found.end(1))


def _emails(text: str) -> Iterator[Match]:
    for found in _EMAIL.finditer(text) if "@" in text else ():
        if not is_reserved_address(found[0]):
            yield Match("email", found.start(), found.end())


def _by(kind: PersonalKind, pattern: re.Pattern[str], group: int = 0) -> Callable[[str], Iterator[Match]]:
    def seek(text: str) -> Iterator[Match]:
        for found in pattern.finditer(text):
            yield Match(kind, found.start(group), found.end(group))

    return seek


_SEEKERS: tuple[Callable[[str], Iterator[Match]], ...] = (
    _registrations,
    _cards,
    _by("driver_licence", _LICENCE),
    _by("passport", _PASSPORT, 1),
    _phones,
    _accounts,
    _emails,
    _by("address", _ADDRESS),
)
