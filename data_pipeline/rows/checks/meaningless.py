"""Answers of signs alone, such as ":" and "**": what is left where an answer was cut away."""

import re
import unicodedata

from data_pipeline.reasons import MEANINGLESS_ANSWER, Refusal
from data_pipeline.rows.checks.exchange import Exchange

_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_OPERATOR = re.compile(r"[!<>=+]?[<>=+$]")
_EMOTICON = re.compile(r"[:;=]['^-]?[()\[\]/\\|*]+|[\^>][_-]?[\^<*][;~]*|-_-;*|<3")
_RULES = range(0x2500, 0x25A0)  # lines and blocks to draw with
# Where a sign is what was asked for.
_ABOUT_SIGNS = re.compile(
    r"punctuat|symbol|\bsigns?\b|\bmarks?\b|operator|character|emoticon|delimiter|separator|regex"
    r"|부호|기호|연산자|문자|이모티콘|구분자|정규",
    re.IGNORECASE,
)


def meaningless_answer(exchange: Exchange) -> Refusal:
    """Refuse an answer of punctuation alone. An emoji, ✓, <= and :) say something; "?" and "..." do not."""
    answer = exchange.answer
    if not answer or exchange.is_label or says_something(answer) or _ABOUT_SIGNS.search(exchange.prompt):
        return None
    return MEANINGLESS_ANSWER, f"{exchange.where}answer is {answer[:40]!r}"


def says_something(text: str) -> bool:
    """Whether a text holds a letter, a digit, a symbol of its own, or is an operator or an emoticon."""
    if _LETTER_OR_DIGIT.search(text):
        return True
    if any(
        unicodedata.category(sign)[0] == "S" and ord(sign) not in _RULES for sign in text if sign > "\x7f"
    ):
        return "\ufffd" not in text
    bare = text.strip()
    return _OPERATOR.fullmatch(bare) is not None or _EMOTICON.fullmatch(bare) is not None
