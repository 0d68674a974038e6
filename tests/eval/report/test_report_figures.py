"""Figures: where the marks stand, what the axes say, and the text alternatives."""

import math
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.report import figures
from eval.report.figures import IntervalRow, Scale, Series

WORDS = {"name": "fig", "title": "제목", "description": "말로", "x_label": "step", "y_label": "nats"}
INTERVAL_WORDS = {key: WORDS[key] for key in ("name", "title", "description", "x_label")}


def parse(markup: str) -> ET.Element:
    return ET.fromstring(f"<div>{markup}</div>")


def points_of(svg: ET.Element) -> list[list[tuple[float, float]]]:
    lines = []
    for line in svg.iter("polyline"):
        pairs = (point.split(",") for point in line.attrib["points"].split())
        lines.append([(float(x), float(y)) for x, y in pairs])
    return lines


@given(
    low=st.floats(-1e6, 1e6),
    span=st.floats(1e-3, 1e6),
)
def test_ticks_cover_the_range_evenly(low: float, span: float) -> None:
    high = low + span
    ticks = figures.nice_ticks(low, high)
    assert 2 <= len(ticks) <= 9
    slack = (ticks[1] - ticks[0]) * 1e-6
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    steps = [b - a for a, b in pairwise(ticks)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 10, [0, 2, 4, 6, 8, 10]), (1.2, 2.9, [1.0, 1.5, 2.0, 2.5, 3.0]), (3, 3, [3, 4, 5, 6])],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert figures.nice_ticks(low, high) == pytest.approx(expected)


def test_tick_text_has_the_decimals_it_needs() -> None:
    assert figures.tick_text(1.5, [1.0, 1.5]) == "1.5"
    assert figures.tick_text(12000, [0, 2000]) == "12,000"
    assert figures.tick_text(-0.25, [-0.25, -0.2]) == "−0.25"


def test_scale_is_linear() -> None:
    scale = Scale((10, 20), (100, 0))
    assert [scale(10), scale(15), scale(20)] == [100, 50, 0]


def test_line_stands_where_its_axis_says() -> None:
    svg = parse(figures.line_chart([Series("loss", [(0, 4), (50, 2), (100, 0)])], **WORDS))
    (line,) = points_of(svg)
    at = {text.text: float(text.attrib["x"]) for text in svg.iter("text") if text.attrib["class"] == "tick"}
    assert (line[0][0], line[2][0]) == (at["0"], at["100"])
    assert line[1][0] == pytest.approx((line[0][0] + line[2][0]) / 2, abs=0.1)
    assert line[0][1] < line[1][1] < line[2][1]  # a smaller loss stands lower


def test_points_that_are_not_finite_are_left_out() -> None:
    svg = parse(
        figures.line_chart([Series("a", [(1, 1.0), (2, math.nan), (3, math.inf), (4, 2.0)])], **WORDS)
    )
    assert len(points_of(svg)[0]) == 2


def test_one_point_is_a_dot() -> None:
    svg = parse(figures.line_chart([Series("a", [(1, 1.0)])], **WORDS))
    assert points_of(svg) == []
    assert len(list(svg.iter("circle"))) == 1


def test_each_line_has_its_own_style_and_legend_entry() -> None:
    lines = [Series(f"작업 {index}", [(0, index), (1, index + 1)]) for index in range(figures.NUM_STYLES)]
    found = parse(figures.line_chart(lines, **WORDS))
    styles = [line.attrib["class"] for line in found.iter("polyline")]
    assert len(set(styles)) == figures.NUM_STYLES
    assert ["".join(item.itertext()) for item in found.iter("li")] == [line.name for line in lines]


def test_bars_have_the_heights_of_their_counts() -> None:
    svg = parse(figures.histogram([0, 10, 20, 40], [4, 0, 2], **WORDS))
    bars = list(svg.iter("rect"))
    assert len(bars) == 2
    heights = [float(bar.attrib["height"]) for bar in bars]
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.2)
    assert [bar.findtext("title") for bar in bars] == ["0 to 9: 4", "20 to 39: 2"]


def test_interval_spans_low_to_high_around_its_mark() -> None:
    rows = [
        IntervalRow("base", "base", 20.0, 10.0, 40.0, "20.0"),
        IntervalRow("tuned", "tuned", 60.0, None, None, "60.0"),
    ]
    svg = parse(figures.interval_plot([("정확도", rows)], limit=100.0, **INTERVAL_WORDS))
    (whisker,) = [line for line in svg.iter("line") if "whisker" in line.attrib["class"]]
    base, tuned = (float(mark.attrib["cx"]) for mark in svg.iter("circle"))
    left, right = float(whisker.attrib["x1"]), float(whisker.attrib["x2"])
    assert left < base < right < tuned
    assert (base - left) * 2 == pytest.approx(right - base, abs=0.3)
    assert "정확도" in [text.text for text in svg.iter("text")]


def test_all_zero_scores_still_have_an_axis() -> None:
    rows = [IntervalRow("base", "base", 0.0, 0.0, 0.0, "0.0")]
    svg = parse(figures.interval_plot([("bleu", rows)], limit=100.0, **INTERVAL_WORDS))
    assert len([text for text in svg.iter("text") if text.attrib["class"] == "tick"]) >= 2


def test_figures_have_text_alternatives_and_escape() -> None:
    hostile = {**WORDS, "title": "<b>&", "description": "</desc><script>"}
    svg = parse(figures.histogram([0, 1], [3], **hostile)).find("svg")
    assert svg is not None
    assert svg.attrib["role"] == "img"
    assert svg.attrib["aria-labelledby"] == "fig-title fig-desc"
    assert (svg.findtext("title"), svg.findtext("desc")) == ("<b>&", "</desc><script>")
