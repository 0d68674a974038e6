"""Signs that only one font or program knows."""

import re

from data_pipeline.reasons import PRIVATE_USE, Refusal
from data_pipeline.rows.checks.exchange import Exchange

_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd]")


def private_use(exchange: Exchange) -> Refusal:
    """Refuse texts with signs of Unicode's private areas.

    They are icons of a web page's font, old Hangul of a word processor, or hidden text: the text does not say
    which, and without it they mean nothing.
    """
    for name in ("instruction", "input", "answer"):
        text = getattr(exchange, name)
        found = None if text.isascii() else _PRIVATE.search(text)
        if found:
            around = text[max(0, found.start() - 10) : found.start()]
            return PRIVATE_USE, f"{exchange.where}{name} holds U+{ord(found[0]):04X} after {around!r}"
    return None
