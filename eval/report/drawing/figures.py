"""The figures of the report: pure functions from numbers to drawings.

Every figure has axes with units, a title, and a description in words for those who cannot see it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from eval.report.drawing.svg import (
    HEIGHT,
    NUM_STYLES,
    WIDTH,
    Figure,
    Point,
    Scale,
    fitted,
    legend,
    nice_ticks,
    polyline,
    tag,
    tick_text,
    x_axis,
    y_grid,
)

LEFT, RIGHT = 46.0, WIDTH - 16  # of the axes beside a column of numbers


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


def line_chart(
    series: Sequence[Series], *, name: str, title: str, description: str, x_label: str, y_label: str
) -> Figure:
    """Lines over one pair of axes, with a legend below; points that are not finite are left out."""
    finite = [[point for point in line.points if all(map(math.isfinite, point))] for line in series]
    xs, ys = zip(*(point for points in finite for point in points), strict=True)
    x_ticks, y_ticks = nice_ticks(min(xs), max(xs)), nice_ticks(min(ys), max(ys))
    right = max(xs) if max(xs) > x_ticks[0] else x_ticks[-1]  # no empty axis behind the last step
    x = Scale((x_ticks[0], right), (LEFT, RIGHT))
    y = Scale((y_ticks[0], y_ticks[-1]), (HEIGHT - 40, 26.0))
    parts = y_grid(y, y_ticks, x.range, y_label)
    shown = [tick for tick in x_ticks if tick <= right]
    parts += x_axis([(x(tick), tick_text(tick, x_ticks)) for tick in shown], x, y.range[0], x_label)
    signs = []
    for index, (line, points) in enumerate(zip(series, finite, strict=True)):
        marks = line.marks or len(points) == 1
        parts += polyline([(x(a), y(b)) for a, b in points], index, marks=marks)
        signs.append((_line_sign(index, marks=marks), line.name))
    below, bottom = legend(signs, HEIGHT + 2)
    return Figure(name, title, description, Markup("").join([*parts, *below]), bottom)


def _line_sign(index: int, *, marks: bool) -> Markup:
    """A piece of a line for the legend."""
    style = f"s{index % NUM_STYLES}"
    line = tag("line", class_=f"line {style}", x1=0.0, x2=20.0, y1=0.0, y2=0.0)
    return line + tag("circle", class_=f"dot {style}", cx=10.0, cy=0.0, r=2.5) if marks else line


def histogram(
    edges: Sequence[int],
    counts: Sequence[int],
    *,
    name: str,
    title: str,
    description: str,
    x_label: str,
    y_label: str,
) -> Figure:
    """Bars of equal width, one a bin, with the bin's edges as they are: `len(edges) == len(counts) + 1`."""
    y_ticks = [tick for tick in nice_ticks(0, max(max(counts), 1), count=4) if tick == int(tick)]
    x = Scale((0, len(counts)), (LEFT, RIGHT))
    y = Scale((0, y_ticks[-1]), (HEIGHT - 40, 26.0))
    parts = y_grid(y, y_ticks, x.range, y_label)
    every = math.ceil(len(edges) / 7)
    labels = [(x(index), f"{edge:,}") for index, edge in enumerate(edges) if index % every == 0]
    parts += x_axis(labels, x, y.range[0], x_label)
    for index, count in enumerate(counts):
        left, right, top = x(index) + 0.5, x(index + 1) - 0.5, y(count)
        if count:
            tooltip = tag("title", f"{edges[index]:,} to {edges[index + 1] - 1:,}: {count:,}")
            size = {"width": right - left, "height": y.range[0] - top}
            parts.append(tag("rect", tooltip, class_="bar", x=left, y=top, **size))
    return Figure(name, title, description, Markup("").join(parts), HEIGHT)


def score_plot(
    groups: Sequence[tuple[str, Sequence[IntervalRow]]], *, name: str, title: str, unit: str
) -> Figure:
    """`interval_plot` of scores in a metric's unit, % or ratio, with all its numbers told in words."""
    told = "; ".join(
        f"{heading}: " + ", ".join(f"{row.label} {row.text}" for row in rows) for heading, rows in groups
    )
    return interval_plot(
        groups,
        name=name,
        title=title,
        description=told,
        x_label="score (%)" if unit == "%" else f"score ({unit})",
        limit=100.0 if unit == "%" else 1.0,
    )


def interval_plot(
    groups: Sequence[tuple[str, Sequence[IntervalRow]]],
    *,
    name: str,
    title: str,
    description: str,
    x_label: str,
    limit: float,
) -> Figure:
    """Horizontal intervals: a group for each metric, a row for each system.

    Args:
        groups: heading and rows; at least one row in all.
        limit: the largest value the unit allows; the axis ends there at the latest.
    """
    x, ticks = _score_axis([row for _, rows in groups for row in rows], limit, (112.0, WIDTH - 48))
    parts: list[Markup] = []
    y = 0.0
    for heading, members in groups:
        y += 16
        parts.append(tag("text", fitted(heading, WIDTH), class_="group", x=0.0, y=y))
        for row in members:
            y += 18
            label = {"x": x.range[0] - 10, "y": y, "text_anchor": "end"}
            value = {"x": WIDTH, "y": y, "text_anchor": "end"}
            parts.append(tag("text", fitted(row.label, x.range[0]), class_="label", **label))
            parts.append(tag("text", row.text, class_=f"value {row.kind}", **value))
            parts += _mark(row, x, y - 4)
        y += 6
    drawn = _with_score_axis(parts, x, ticks, y, x_label)
    return Figure(name, title, description, Markup("").join(drawn), y + 36)


def overview_plot(
    groups: Sequence[tuple[str, Sequence[IntervalRow]]],
    *,
    name: str,
    title: str,
    description: str,
    x_label: str,
    limit: float,
) -> Figure:
    """A lane for each task: both models with their intervals, and the trivial baselines as ticks."""
    x, ticks = _score_axis([row for _, rows in groups for row in rows], limit, (6.0, WIDTH - 16))
    parts: list[Markup] = []
    y = 0.0
    for heading, rows in groups:
        y += 18
        parts.append(tag("text", fitted(heading, WIDTH), class_="group", x=0.0, y=y))
        for row in rows:
            if row.kind == "baseline":
                parts.append(_tick(row.label, row.text, x(row.value), y + 6, y + 26))
        for row in rows:
            if row.kind != "baseline":
                parts += _mark(row, x, y + (21 if row.kind == "tuned" else 11))
        y += 30
    signs = [
        (tag("circle", class_="mark tuned", cx=10.0, cy=0.0, r=4.0), "tuned"),
        (tag("circle", class_="mark base", cx=10.0, cy=0.0, r=4.0), "base"),
    ]
    if any(row.kind == "baseline" for _, rows in groups for row in rows):
        signs.append((tag("line", class_="rival", x1=10.0, x2=10.0, y1=-7.0, y2=7.0), "a trivial baseline"))
    below, bottom = legend(signs, y + 40)
    drawn = _with_score_axis(parts, x, ticks, y, x_label)
    return Figure(name, title, description, Markup("").join([*drawn, *below]), bottom)


def _score_axis(
    rows: Sequence[IntervalRow], limit: float, span: tuple[float, float]
) -> tuple[Scale, list[float]]:
    """A scale from zero, or the lowest value, to the highest; and its ticks, none beyond the limit."""
    lows = [row.low if row.low is not None else row.value for row in rows]
    highs = [row.high if row.high is not None else row.value for row in rows]
    ticks = [tick for tick in nice_ticks(min(0.0, *lows, 0.0), max(highs)) if tick <= max(limit, max(highs))]
    if len(ticks) < 2:
        ticks = [0.0, limit]
    return Scale((ticks[0], max(ticks[-1], *highs)), span), ticks


def _with_score_axis(
    parts: Sequence[Markup], x: Scale, ticks: Sequence[float], bottom: float, x_label: str
) -> list[Markup]:
    """Grid lines behind the parts, and the axis below them; it ends 36 user units under `bottom`."""
    grid = [tag("line", class_="grid", x1=x(tick), x2=x(tick), y1=4.0, y2=bottom) for tick in ticks]
    return [*grid, *parts, *x_axis([(x(tick), tick_text(tick, ticks)) for tick in ticks], x, bottom, x_label)]


def _mark(row: IntervalRow, x: Scale, y: float) -> list[Markup]:
    """A row's interval and value."""
    parts, at = [], x(row.value)
    if row.low is not None and row.high is not None:
        ends = {"x1": x(row.low), "x2": x(row.high), "y1": y, "y2": y}
        parts.append(tag("line", class_=f"whisker {row.kind}", **ends))
    if row.kind == "baseline":
        corners = f"M{at:.1f} {y - 4:.1f}l4 4l-4 4l-4 -4z"
        parts.append(tag("path", class_="mark baseline", d=corners))
    else:
        parts.append(tag("circle", class_=f"mark {row.kind}", cx=at, cy=y, r=4.0))
    return parts


def _tick(label: str, value: str, x: float, top: float, bottom: float) -> Markup:
    tooltip = tag("title", f"{label}: {value}")
    return tag("line", tooltip, class_="rival", x1=x, x2=x, y1=top, y2=bottom)
