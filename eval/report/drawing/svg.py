"""The parts that figures are drawn from: elements, scales, axes, a legend. Pure functions, numbers to markup.

A figure is drawn once, as SVG without colours of its own: the page shows it in the page's colours, and
`pictures.py` makes a PNG of the same drawing. Classes `s0` to `s7` are the styles of lines, colour and
dashes, so that no figure depends on colour alone; `figures.css` says what they look like.
"""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH = 360.0  # user units, about a phone's width in pixels: no text gets smaller there than it is drawn
HEIGHT = 210.0
NUM_STYLES = 8
LEGEND_LINE = 18.0
FONT_SIZE = 12.0

# What XML has no place for, not even escaped: a name may hold any of it.
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Point = tuple[float, float]


@dataclass(frozen=True)
class Figure:
    """A drawing with its text alternative. In a template it is its own markup."""

    name: str  # unique on the page; ids and the file name are made of it
    title: str
    description: str
    drawing: Markup
    height: float  # in user units; all figures are WIDTH wide

    def __html__(self) -> str:
        """The figure as an inline SVG image that names and describes itself."""
        head = [tag("title", self.title, id=f"{self.name}-title")]
        head.append(tag("desc", self.description, id=f"{self.name}-desc"))
        return tag(
            "svg",
            *head,
            self.drawing,
            viewBox=f"0 0 {WIDTH:.0f} {self.height:.0f}",
            role="img",
            aria_labelledby=f"{self.name}-title {self.name}-desc",
        )


@dataclass(frozen=True)
class Scale:
    """A linear map from a domain to a range of user units."""

    domain: tuple[float, float]
    range: tuple[float, float]

    def __call__(self, value: float) -> float:
        """The position of a value."""
        (low, high), (start, end) = self.domain, self.range
        return start + (value - low) / (high - low) * (end - start)


def tag(name: str, *children: str, **attributes: str | float) -> Markup:
    """An element. `class_` stands for `class`, `stroke_width` for `stroke-width`.

    Text is escaped, and characters that XML does not allow become U+FFFD.
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        text = f"{value:.1f}" if isinstance(value, float) else str(value)
        parts.append(f' {key.rstrip("_").replace("_", "-")}="{escape(text)}"')
    if not children:
        return _sound("".join(parts) + "/>")
    return _sound("".join(parts) + ">" + "".join(escape(child) for child in children) + f"</{name}>")


def _sound(markup: str) -> Markup:
    return Markup(NOT_XML.sub("\ufffd", markup))


def nice_ticks(low: float, high: float, *, count: int = 5) -> list[float]:
    """Round numbers that cover [low, high], a step of 1, 2 or 5 times a power of ten apart."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    rough = (high - low) / count
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def tick_text(value: float, ticks: Sequence[float]) -> str:
    """A tick's label, with the decimals that its neighbours need and no more."""
    step = ticks[1] - ticks[0]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:,.{decimals}f}".replace("-", "−")


def text_width(text: str, *, size: float = FONT_SIZE) -> float:
    """About how wide a text is set, in user units: Hangul and its like take a whole em, the rest less."""
    ems = sum(
        0.0 if unicodedata.combining(char) else 1.0 if unicodedata.east_asian_width(char) in "WF" else 0.6
        for char in unicodedata.normalize("NFC", text)
    )
    return ems * size


def fitted(text: str, width: float, *, size: float = FONT_SIZE) -> str:
    """The text, cut with an ellipsis where it is wider than `width`."""
    if text_width(text, size=size) <= width:
        return text
    kept = unicodedata.normalize("NFC", text)
    while kept and text_width(kept + "…", size=size) > width:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def y_grid(y: Scale, ticks: Sequence[float], x_range: tuple[float, float], label: str) -> list[Markup]:
    """Horizontal lines with their values, and what the values are above them."""
    parts = [tag("text", label, class_="axis-label", x=0.0, y=12.0)]
    for tick in ticks:
        parts.append(tag("line", class_="grid", x1=x_range[0], x2=x_range[1], y1=y(tick), y2=y(tick)))
        text = tick_text(tick, ticks)
        parts.append(tag("text", text, class_="tick", x=x_range[0] - 6, y=y(tick) + 4, text_anchor="end"))
    return parts


def x_axis(labels: Sequence[tuple[float, str]], x: Scale, y: float, label: str) -> list[Markup]:
    """The line at the bottom, marks with texts, and what they count; 36 user units high."""
    parts = [tag("line", class_="axis", x1=x.range[0], x2=x.range[1], y1=y, y2=y)]
    for at, text in labels:
        parts.append(tag("line", class_="axis", x1=at, x2=at, y1=y, y2=y + 4))
        parts.append(tag("text", text, class_="tick", x=at, y=y + 16, text_anchor="middle"))
    parts.append(tag("text", label, class_="axis-label", x=x.range[1], y=y + 32, text_anchor="end"))
    return parts


def polyline(points: Sequence[Point], index: int, *, marks: bool) -> list[Markup]:
    """A line in its style; `marks` draws each point."""
    style = f"s{index % NUM_STYLES}"
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    parts = [tag("polyline", class_=f"line {style}", points=path)] if len(points) > 1 else []
    if marks:
        parts += [tag("circle", class_=f"dot {style}", cx=a, cy=b, r=2.5) for a, b in points]
    return parts


def legend(entries: Sequence[tuple[Markup, str]], top: float) -> tuple[list[Markup], float]:
    """Names behind their signs, set in lines like words; also how far down they reach.

    A sign is drawn around (10, 0), within 20 units.
    """
    parts: list[Markup] = []
    left, line = 0.0, 0
    for sign, name in entries:
        shown = fitted(name, WIDTH - 26)
        width = 26 + text_width(shown)
        if left and left + width > WIDTH:
            left, line = 0.0, line + 1
        middle = top + LEGEND_LINE * (line + 0.5)
        text = tag("text", shown, class_="legend", x=26.0, y=4.0)
        parts.append(tag("g", sign, text, transform=f"translate({left:.1f} {middle:.1f})"))
        left += width + 14
    return parts, top + LEGEND_LINE * (line + 1)
