"""What a rewording must leave as it is: code, addresses, quotations, numbers, names, constraints."""

import re
from collections import Counter

# In this order: what one pattern took is not looked at by the next.
_SPANS = (
    re.compile(r"```.*?(?:```|\Z)", re.DOTALL),
    re.compile(r"`[^`\n]+`"),
    re.compile(r"\b(?:https?://|www\.)[^\s<>\"'”’)\]]+"),
    re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"),
    re.compile(r"\$[^$\n]+\$|\\\(.+?\\\)|\{[^{}\n]*\}|<[^<>\n]+>"),
    re.compile(r"\"[^\"\n]+\"|“[^”\n]+”|«[^»\n]+»|「[^」\n]+」|『[^』\n]+』|‘[^’\n]+’"),
    re.compile(r"(?<!\w)'[^'\n]+'(?!\w)"),
)
_QUOTED = _SPANS[1], _SPANS[5], _SPANS[6]
_COUNTER = (
    "문장|단어|줄|행|가지|개|편|명|번째|번|자|글자|단락|문단|항목|단계|살|시간|시|분|일|달|주|년|사람"
    "|곳|권|마리|잔"
)
_NUMBER = re.compile(rf"\d+(?:[.,:/]\d+)*\s?(?:%|[A-Za-z]{{1,8}}\b|{_COUNTER})?")
_KOREAN_NUMBER = re.compile(
    r"(?:한|두|세|네|다섯|여섯|일곱|여덟|아홉|열|스무|스물|몇|첫|세네|두세|서너|여러)\s?"
    rf"(?:{_COUNTER})|이상|이하|이내|미만|초과|최대|최소|정확히|반드시|오직|제외"
)
_ENGLISH_NUMBER = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|fifty|hundred"
    r"|thousand|million|first|second|third|last|at least|at most|no more than|no less than|fewer than"
    r"|less than|more than|up to|exactly|only|must|not|never|without|except|between|within)\b",
    re.IGNORECASE,
)
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f][A-Za-z\u00c0-\u024f\d_+#.\-/]*")
_SENTENCE_START = re.compile(r"(?:^|[.?!:]['\")\]]*\s+|\n\s*)$")


def quoted_spans(text: str) -> list[tuple[int, int]]:
    """Where quotations and code stand, as (start, end)."""
    return sorted(match.span() for pattern in _QUOTED for match in pattern.finditer(text))


def protected(text: str, *, language: str) -> Counter[str]:
    """How often each span that must survive a rewording stands in a text.

    Korean: also every Latin word, for it is a name, a term or code. English: words with a capital that does
    not come from the start of a sentence.
    """
    found: Counter[str] = Counter()
    for pattern in _SPANS:
        text = pattern.sub(lambda match: _count(found, match), text)
    numbers = _KOREAN_NUMBER if language == "ko" else _ENGLISH_NUMBER
    for pattern in (_NUMBER, numbers):
        found.update(match.group().strip().lower() for match in pattern.finditer(text))
    for match in _LATIN.finditer(text):
        word = match.group().rstrip(".,-/")
        if language == "ko" or _is_name(word, text[: match.start()]):
            found[word] += 1
    return found


def _count(found: Counter[str], match: re.Match[str]) -> str:
    found[match.group()] += 1
    return "\x00"


def _is_name(word: str, before: str) -> bool:
    if any(letter.isupper() or letter.isdigit() for letter in word[1:]):
        return True
    return word[0].isupper() and word != "I" and not _SENTENCE_START.search(before)
