"""Figures: where the marks stand, what the axes say, and the text alternatives."""

import math
import unicodedata
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.report.drawing import figures
from eval.report.drawing.figures import IntervalRow, Series
from eval.report.drawing.svg import (
    NUM_STYLES,
    WIDTH,
    Figure,
    Scale,
    fitted,
    legend,
    nice_ticks,
    tag,
    text_width,
    tick_text,
)

WORDS = {"name": "fig", "title": "제목", "description": "말로", "x_label": "step", "y_label": "nats"}
INTERVAL_WORDS = {key: WORDS[key] for key in ("name", "title", "description", "x_label")}


def parse(figure: Figure) -> ET.Element:
    return ET.fromstring(f"<div>{figure.__html__()}</div>")


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
    ticks = nice_ticks(low, high)
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
    assert nice_ticks(low, high) == pytest.approx(expected)


def test_tick_text_has_the_decimals_it_needs() -> None:
    assert tick_text(1.5, [1.0, 1.5]) == "1.5"
    assert tick_text(12000, [0, 2000]) == "12,000"
    assert tick_text(-0.25, [-0.25, -0.2]) == "−0.25"


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
    assert len(list(svg.iter("circle"))) == 2  # the point, and its sign in the legend


def test_each_line_has_its_own_style_and_legend_entry() -> None:
    lines = [Series(f"작업 {index}", [(0, index), (1, index + 1)]) for index in range(NUM_STYLES)]
    found = parse(figures.line_chart(lines, **WORDS))
    styles = [line.attrib["class"] for line in found.iter("polyline")]
    assert len(set(styles)) == NUM_STYLES
    assert [text.text for text in found.iter("text") if text.attrib["class"] == "legend"] == [
        line.name for line in lines
    ]
    signs = [group.find("line") for group in found.iter("g")]
    assert [sign.attrib["class"] for sign in signs if sign is not None] == styles


def test_a_legend_stays_inside_the_figure() -> None:
    names = ["감성", "translation", "아주 길고 긴 이름을 가진 작업" * 3, "요약", "question_answering"]
    drawn, bottom = legend([(tag("circle", r=4.0), name) for name in names], 100.0)
    svg = ET.fromstring(f"<svg>{''.join(drawn)}</svg>")
    lines: dict[float, float] = {}  # the height of a line -> where its last name ends
    for group in svg.iter("g"):
        left, middle = map(float, group.attrib["transform"][len("translate(") : -1].split())
        assert left >= lines.get(middle, 0.0)
        assert 100 < middle < bottom
        lines[middle] = left + 26 + text_width(group.findtext("text") or "")
        assert lines[middle] <= WIDTH
    assert len(lines) == 3
    assert svg.findall("g")[2].findtext("text", "").endswith("…")


def test_a_text_is_cut_between_syllables() -> None:
    assert fitted("요약", 100) == "요약"
    decomposed = unicodedata.normalize("NFD", "대한민국" * 20)
    cut = fitted(decomposed, 100)
    assert text_width(cut) <= 100
    assert ("대한민국" * 20).startswith(cut.removesuffix("…"))
    assert cut.endswith("…")


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


def test_an_overview_has_a_lane_a_task_and_ticks_for_baselines() -> None:
    rows = [
        IntervalRow("base", "base", 20.0, 10.0, 40.0, "20.0"),
        IntervalRow("tuned", "tuned", 60.0, 50.0, 70.0, "60.0"),
        IntervalRow("majority answer", "baseline", 50.0, 40.0, 60.0, "50.0"),
    ]
    svg = parse(figures.overview_plot([("정확도", rows), ("요약", rows[:2])], limit=100.0, **INTERVAL_WORDS))
    lane = [
        line
        for line in svg.iter("line")
        if line.attrib["class"] == "rival" and line.find("title") is not None
    ]
    assert [line.findtext("title") for line in lane] == ["majority answer: 50.0"]
    tuned = [mark for mark in svg.iter("circle") if mark.attrib["class"] == "mark tuned"]
    base = [mark for mark in svg.iter("circle") if mark.attrib["class"] == "mark base"]
    assert len(tuned) == len(base) == 3  # two lanes and the legend
    assert float(base[0].attrib["cx"]) < float(lane[0].attrib["x1"]) < float(tuned[0].attrib["cx"])
    assert float(lane[0].attrib["y1"]) < float(tuned[0].attrib["cy"]) < float(lane[0].attrib["y2"])
    headings = [text.text for text in svg.iter("text") if text.attrib["class"] == "group"]
    assert headings == ["정확도", "요약"]


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
