"""Figures as inline SVG: pure functions from numbers to markup.

Every figure has axes with units, a title and a description in words for those who cannot see it. Colours
come from the page's style sheet (classes `s0` … `s7`, Okabe-Ito), so that light and dark each have theirs;
lines also differ in dashes, so that no figure depends on colour alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH = 440.0  # user units; a phone shows the figure a little smaller, a screen a little larger
HEIGHT = 240.0
NUM_STYLES = 8

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """A line; `marks` draws each point, for few points."""

    name: str
    points: Sequence[Point]
    marks: bool = False


@dataclass(frozen=True)
class IntervalRow:
    """A value with its interval; `kind` is `base`, `tuned` or `baseline` and chooses the mark."""

    label: str
    kind: str
    value: float
    low: float | None
    high: float | None
    text: str  # the value as the tables write it


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
    """An element. Text is escaped; `class_` stands for `class`, `stroke_width` for `stroke-width`."""
    parts = [f"<{name}"]
    for key, value in attributes.items():
        text = f"{value:.1f}" if isinstance(value, float) else str(value)
        parts.append(f' {key.rstrip("_").replace("_", "-")}="{escape(text)}"')
    if not children:
        return Markup("".join(parts) + "/>")
    return Markup("".join(parts) + ">" + "".join(escape(child) for child in children) + f"</{name}>")


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


def line_chart(
    series: Sequence[Series], *, name: str, title: str, description: str, x_label: str, y_label: str
) -> Markup:
    """Lines over one pair of axes, with a legend below.

    Args:
        series: at least one with at least one finite point; points that are not finite are left out.
        name: unique on the page, for ids.
        title, description: the text alternative.
        x_label, y_label: with units.

    """
    finite = [[point for point in line.points if all(map(math.isfinite, point))] for line in series]
    xs, ys = zip(*(point for points in finite for point in points), strict=True)
    x_ticks, y_ticks = nice_ticks(min(xs), max(xs)), nice_ticks(min(ys), max(ys))
    right = max(xs) if max(xs) > x_ticks[0] else x_ticks[-1]  # no empty axis behind the last step
    x = Scale((x_ticks[0], right), (46.0, WIDTH - 20))
    y = Scale((y_ticks[0], y_ticks[-1]), (HEIGHT - 40, 26.0))
    parts = _grid(y, y_ticks, x.range, y_label)
    shown = [tick for tick in x_ticks if tick <= right]
    parts += _x_axis([(x(tick), tick_text(tick, x_ticks)) for tick in shown], x, y.range[0], x_label)
    for index, (line, points) in enumerate(zip(series, finite, strict=True)):
        parts += _line([(x(a), y(b)) for a, b in points], index, marks=line.marks or len(points) == 1)
    svg = _svg(parts, HEIGHT, name=name, title=title, description=description)
    return svg + _legend([line.name for line in series])


def histogram(
    edges: Sequence[int],
    counts: Sequence[int],
    *,
    name: str,
    title: str,
    description: str,
    x_label: str,
    y_label: str,
) -> Markup:
    """Bars of equal width, one a bin, with the bin's edges as they are: `len(edges) == len(counts) + 1`."""
    y_ticks = [tick for tick in nice_ticks(0, max(max(counts), 1), count=4) if tick == int(tick)]
    x = Scale((0, len(counts)), (46.0, WIDTH - 20))
    y = Scale((0, y_ticks[-1]), (HEIGHT - 40, 26.0))
    parts = _grid(y, y_ticks, x.range, y_label)
    every = math.ceil(len(edges) / 7)
    labels = [(x(index), f"{edge:,}") for index, edge in enumerate(edges) if index % every == 0]
    parts += _x_axis(labels, x, y.range[0], x_label)
    for index, count in enumerate(counts):
        left, right, top = x(index) + 0.5, x(index + 1) - 0.5, y(count)
        if count:
            tooltip = tag("title", f"{edges[index]:,} to {edges[index + 1] - 1:,}: {count:,}")
            size = {"width": right - left, "height": y.range[0] - top}
            parts.append(tag("rect", tooltip, class_="bar", x=left, y=top, **size))
    return _svg(parts, HEIGHT, name=name, title=title, description=description)


def interval_plot(
    groups: Sequence[tuple[str, Sequence[IntervalRow]]],
    *,
    name: str,
    title: str,
    description: str,
    x_label: str,
    limit: float,
) -> Markup:
    """Horizontal intervals: a group for each metric, a row for each system.

    Args:
        groups: heading and rows; at least one row in all.
        name, title, description: as in `line_chart`.
        x_label: with the unit.
        limit: the largest value the unit allows; the axis ends there at the latest.

    """
    rows = [row for _, members in groups for row in members]
    lows = [row.low if row.low is not None else row.value for row in rows]
    highs = [row.high if row.high is not None else row.value for row in rows]
    ticks = [tick for tick in nice_ticks(min(0.0, *lows, 0.0), max(highs)) if tick <= max(limit, max(highs))]
    if len(ticks) < 2:
        ticks = [0.0, limit]
    x = Scale((ticks[0], max(ticks[-1], *highs)), (112.0, WIDTH - 62))
    parts: list[Markup] = []
    y = 8.0
    for heading, members in groups:
        y += 16
        parts.append(tag("text", heading, class_="group", x=0.0, y=y))
        for row in members:
            y += 18
            parts += _interval(row, x, y)
        y += 6
    grid = [tag("line", class_="grid", x1=x(tick), x2=x(tick), y1=8.0, y2=y) for tick in ticks]
    labels = [(x(tick), tick_text(tick, ticks)) for tick in ticks]
    axis = _x_axis(labels, x, y, x_label)
    return _svg([*grid, *parts, *axis], y + 36, name=name, title=title, description=description)


def _interval(row: IntervalRow, x: Scale, y: float) -> list[Markup]:
    parts = [
        tag("text", row.label, class_="label", x=x.range[0] - 10, y=y, text_anchor="end"),
        tag("text", row.text, class_=f"value {row.kind}", x=WIDTH - 4, y=y, text_anchor="end"),
    ]
    middle, at = y - 4, x(row.value)
    if row.low is not None and row.high is not None:
        ends = {"x1": x(row.low), "x2": x(row.high), "y1": middle, "y2": middle}
        parts.append(tag("line", class_=f"whisker {row.kind}", **ends))
    if row.kind == "baseline":
        corners = f"M{at:.1f} {middle - 4:.1f}l4 4l-4 4l-4 -4z"
        parts.append(tag("path", class_="mark baseline", d=corners))
    else:
        parts.append(tag("circle", class_=f"mark {row.kind}", cx=at, cy=middle, r=4.0))
    return parts


def _grid(y: Scale, ticks: Sequence[float], x_range: tuple[float, float], label: str) -> list[Markup]:
    parts = [tag("text", label, class_="axis-label", x=0.0, y=12.0)]
    for tick in ticks:
        parts.append(tag("line", class_="grid", x1=x_range[0], x2=x_range[1], y1=y(tick), y2=y(tick)))
        text = tick_text(tick, ticks)
        parts.append(tag("text", text, class_="tick", x=x_range[0] - 6, y=y(tick) + 4, text_anchor="end"))
    return parts


def _x_axis(labels: Sequence[tuple[float, str]], x: Scale, y: float, label: str) -> list[Markup]:
    parts = [tag("line", class_="axis", x1=x.range[0], x2=x.range[1], y1=y, y2=y)]
    for at, text in labels:
        parts.append(tag("line", class_="axis", x1=at, x2=at, y1=y, y2=y + 4))
        parts.append(tag("text", text, class_="tick", x=at, y=y + 16, text_anchor="middle"))
    parts.append(tag("text", label, class_="axis-label", x=x.range[1], y=y + 32, text_anchor="end"))
    return parts


def _line(points: Sequence[Point], index: int, *, marks: bool) -> list[Markup]:
    style = f"s{index % NUM_STYLES}"
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    parts = [tag("polyline", class_=f"line {style}", points=path)] if len(points) > 1 else []
    if marks:
        parts += [tag("circle", class_=f"dot {style}", cx=a, cy=b, r=2.5) for a, b in points]
    return parts


def _legend(names: Sequence[str]) -> Markup:
    items = [
        tag("li", tag("span", "", class_=f"swatch s{index % NUM_STYLES}"), name)
        for index, name in enumerate(names)
    ]
    return tag("ul", *items, class_="legend")


def _svg(parts: Sequence[Markup], height: float, *, name: str, title: str, description: str) -> Markup:
    head = [tag("title", title, id=f"{name}-title"), tag("desc", description, id=f"{name}-desc")]
    return tag(
        "svg",
        *head,
        *parts,
        viewBox=f"0 0 {WIDTH:.0f} {height:.0f}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )
