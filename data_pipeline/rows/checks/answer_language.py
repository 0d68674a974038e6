"""Whether the answer is in the language that the instruction asks for, or that the source declares.

Only explicit requests count (영어로 번역해 주세요, answer in Korean), and only a script that cannot be meant:
names, numbers and a few technical words are right in any language.
"""

import re

from data_pipeline.reasons import LANGUAGE_MISMATCH, Refusal
from data_pipeline.rows.checks.exchange import Exchange, is_code
from data_pipeline.rows.checks.requests import FINAL_REQUEST

_NAMES = {
    "ko": ("한국어", "한국말", "한글", "국문", "korean", "hangul"),
    "en": ("영어", "영문", "english"),
    "ja": ("일본어", "일본말", "일어", "japanese"),
    "zh": ("중국어", "중국말", "중문", "chinese", "mandarin"),
    "fr": ("프랑스어", "불어", "french"),
    "de": ("독일어", "german"),
    "es": ("스페인어", "spanish"),
    "it": ("이탈리아어", "italian"),
    "pt": ("포르투갈어", "portuguese"),
    "vi": ("베트남어", "vietnamese"),
    "ru": ("러시아어", "russian"),
    "ar": ("아랍어", "arabic"),
}
_CODE_OF = {name: code for code, names in _NAMES.items() for name in names}
_KOREAN_NAMES = "|".join(name for name in _CODE_OF if not name.isascii())
_ENGLISH_NAMES = "|".join(name for name in _CODE_OF if name.isascii())
_ANY_NAME = f"{_KOREAN_NAMES}|{_ENGLISH_NAMES}"
_WORDS = r"(?:\s+[\w'\"-]+){0,12}?"
_KOREAN_REQUEST = re.compile(
    rf"(?<![가-힣])({_ANY_NAME})으?로(?:만)?\s?(?:(?:다시|자연스럽게|정확하게|간단히|모두)\s)?{FINAL_REQUEST}",
    re.IGNORECASE,
)
_ENGLISH_REQUEST = re.compile(
    rf"\b(?:(?:translate|convert|render|put){_WORDS}\s+(?:into|to|in)"
    rf"|(?:answer|respond|reply|write)(?:\s+\w+){{0,3}}?\s+in|summari[sz]e(?:\s+\w+){{0,4}}?\s+in)"
    rf"\s+({_ENGLISH_NAMES})\b(?!\s*(?:and|or|,|/|&)\s*\w|[-\s]+(?:speaking|language\s+\w|style))",
    re.IGNORECASE,
)
# Said in a word: "To Korean:" as the whole instruction, "Target language: Korean".
_SHORT_REQUEST = re.compile(
    rf"\A(?:(?:in)?to\s+({_ENGLISH_NAMES})|({_KOREAN_NAMES})로)\s*[:：.]?\Z"
    r"|(?:\b(?:target|output|answer)\s+language|(?:옮길|목표|도착|출력|답변|대상)\s?언어)"
    rf"\s*[:：=]\s*({_ANY_NAME})\s*$",
    re.IGNORECASE | re.MULTILINE,
)
# Before an English verb in its sentence: what makes it no request.
_NO_REQUEST = re.compile(
    r"\b(?:not|never|without|how|why|when|if|that|who|which|(?:can|could)(?!\s+you)|to|instead"
    r"|app|tool|program|function|script|code|api|model)\b|n't\b",
    re.IGNORECASE,
)
# After the Korean request: it was quoted, or told of.
_QUOTED = re.compile(r"^[\"'”’」]?\s?(?:라고|라는|라며|이라는|고\s)")

_HANGUL = re.compile(r"[\u3131-\u318e\uac00-\ud7a3]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_LOWER_WORD = re.compile(r"(?<![\w`<:./@_-])[a-z][a-z']+(?![\w`>:/@_(-])")
_OTHER = {
    "ja": re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]"),
    "zh": re.compile(r"[\u4e00-\u9fff]"),
    "ru": re.compile(r"[\u0400-\u04ff]"),
    "ar": re.compile(r"[\u0600-\u06ff]"),
}
_NON_LATIN = re.compile(r"[\u0400-\u06ff\u3040-\u30ff\u4e00-\u9fff]")
_MARKUP = re.compile(r"`[^`]*`|<[^<>]*>|:[\w:]+:|https?://\S+|%\(\w+\)s|\|\w+\|")

MIN_WORDS = 3  # lower-case Latin words that make a text prose
MIN_LETTERS = 5  # letters of another script that do


def language_mismatch(exchange: Exchange) -> Refusal:
    """Refuse an answer whose script cannot be the language asked for, or declared for a translation."""
    if exchange.is_label:
        return None
    wanted, said = requested_language(exchange.instruction), "the instruction asks for"
    if wanted is None and exchange.declared is not None:
        wanted, said = exchange.declared, "the source declares"
    if wanted is None or not _cannot_be(exchange.answer, wanted) or is_code(exchange.answer):
        return None
    return LANGUAGE_MISMATCH, f"{exchange.where}{said} {wanted}; the answer begins {exchange.answer[:40]!r}"


def requested_language(instruction: str) -> str | None:
    """The one language that the instruction asks the answer to be in; None where it names none, or two."""
    folded = instruction.casefold()
    if not any(name in folded for name in _CODE_OF):  # nearly always, in a tenth of a pattern's time
        return None
    wanted = {
        _CODE_OF[match[1].lower()]
        for match in _KOREAN_REQUEST.finditer(instruction)
        if not _QUOTED.match(instruction[match.end() :])
    }
    for match in _SHORT_REQUEST.finditer(instruction):
        wanted.add(_CODE_OF[next(name for name in match.groups() if name).lower()])
    for match in _ENGLISH_REQUEST.finditer(instruction):
        sentence = re.split(r"[.?!:\n]", instruction[: match.start()])[-1]
        if not _NO_REQUEST.search(sentence) and sentence.count('"') % 2 == 0:
            wanted.add(_CODE_OF[match[1].lower()])
    return wanted.pop() if len(wanted) == 1 else None


def _cannot_be(answer: str, language: str) -> bool:
    hangul = len(_HANGUL.findall(answer))
    if language == "ko":
        return hangul == 0 and (_is_latin_prose(answer) or len(_NON_LATIN.findall(answer)) > MIN_LETTERS)
    script = _OTHER.get(language, _LATIN)
    if script is not _LATIN:
        return not script.search(answer) and (hangul >= MIN_LETTERS or _is_latin_prose(answer))
    return hangul >= MIN_LETTERS and hangul > len(_LATIN.findall(answer))


def _is_latin_prose(text: str) -> bool:
    """More than names, numbers and markup."""
    return len(_LOWER_WORD.findall(_MARKUP.sub(" ", text))) >= MIN_WORDS
