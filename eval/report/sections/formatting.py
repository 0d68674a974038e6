"""Numbers and texts as the page writes them: the template's filters, all pure."""

import re
import unicodedata
from typing import Any

from markupsafe import Markup, escape

from hunmin.language.script import HANGUL
from hunmin.schema import Interval

LATIN = re.compile(r"[A-Za-z]")
FOLD_CHARS = 320  # longer texts are folded
LEAD_CHARS = 180
MINUS = "−"
NBSP = "\u00a0"  # between a number and its unit
NONE = "–"


def integer(value: float | None) -> str:
    """12,345."""
    return NONE if value is None else f"{value:,.0f}".replace("-", MINUS)


def compact(value: float) -> str:
    """Three significant digits with a unit prefix: 4.21 M."""
    for size, prefix in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{NBSP}{prefix}"
    return f"{value:.3g}"


def percent(share: float | None) -> str:
    """A share in [0, 1] as a percentage; what is not zero does not read as 0, nor what is not all as 100."""
    if share is None:
        return NONE
    if 0 < share < 0.0005:
        return f"<{NBSP}0.1{NBSP}%"
    if 0.9995 < share < 1:
        return f">{NBSP}99.9{NBSP}%"
    return f"{share * 100:.1f}{NBSP}%"


def loss(value: float | None) -> str:
    """A loss in nats, three decimals."""
    return NONE if value is None else f"{value:.3f}"


def seconds(value: float) -> str:
    """Seconds below two minutes, else minutes and hours."""
    if value < 120:
        return f"{value:.1f}{NBSP}s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{NBSP}h {minutes:02d}{NBSP}min" if hours else f"{minutes}{NBSP}min {rest:02d}{NBSP}s"


def gibibytes(value: float) -> str:
    """Bytes as GiB."""
    return f"{value / 2**30:.2f}{NBSP}GiB"


def score(value: float | None, unit: str, *, signed: bool = False) -> str:
    """A metric's value: percentages with one decimal, ratios with three."""
    if value is None:
        return NONE
    digits = 1 if unit == "%" else 3
    written = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    if float(written) == 0:
        written = written.lstrip("+-")
    return written.replace("-", MINUS)


def in_percent(found: Interval) -> Interval:
    """Shares as percentages."""
    low, high = (None if end is None else 100 * end for end in (found["low"], found["high"]))
    return Interval(value=100 * found["value"], low=low, high=high)


def interval(bounds: Any, unit: str, *, signed: bool = False) -> str:
    """The bounds of an Interval, "1.0 to 2.0"; empty where it has none."""
    if bounds is None or bounds["low"] is None or bounds["high"] is None:
        return ""
    return f"{score(bounds['low'], unit, signed=signed)} to {score(bounds['high'], unit, signed=signed)}"


def language_of(text: str) -> str:
    """The `lang` attribute of a text: ko with any Hangul, en with Latin letters, else unknown ("")."""
    if HANGUL.search(text):
        return "ko"
    return "en" if LATIN.search(text) else ""


def lang(text: str) -> Markup:
    """A name or a phrase, marked as Korean where it holds Hangul."""
    if language_of(text) != "ko":
        return escape(text)
    return Markup('<span lang="ko">{}</span>').format(text)


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters of a text, with an ellipsis where some are left out."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def is_long(text: str) -> bool:
    """Whether the page folds the text."""
    return len(text) > FOLD_CHARS or text.count("\n") > 10


def lead(text: str) -> str:
    """The beginning of a long text: at most LEAD_CHARS and three lines, ending between words if it can."""
    head = "\n".join(text.split("\n")[:3])
    if len(head) <= LEAD_CHARS:
        return head
    end = LEAD_CHARS
    # No accent, jamo or emoji modifier is torn from what it belongs to.
    while end > 1 and _joins(head[end - 1], head[end]):
        end -= 1
    space = head.rfind(" ", end - 30, end)
    return head[: space if space > 0 else end].rstrip()


def _joins(before: str, after: str) -> bool:
    combining = unicodedata.category(after) in ("Mn", "Mc", "Me", "Sk") or "\u1160" <= after <= "\u11ff"
    return combining or after == "\u200d" or before == "\u200d"


_FILTERS = (integer, compact, percent, loss, seconds, gibibytes, score, interval, language_of, lang)
FILTERS = {filter_.__name__: filter_ for filter_ in _FILTERS}
