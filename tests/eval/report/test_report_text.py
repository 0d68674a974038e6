"""Numbers and texts as the page writes them, and the sections' own arithmetic."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.report.sections import corpus, formatting, results, training


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (formatting.integer(1234567), "1,234,567"),
        (formatting.integer(None), "–"),
        (formatting.compact(134_515_008), "135 M"),
        (formatting.compact(987), "987"),
        (formatting.percent(0.9531), "95.3 %"),
        (formatting.percent(0.0), "0.0 %"),
        (formatting.percent(1e-9), "< 0.1 %"),
        (formatting.percent(0.99999), "> 99.9 %"),
        (formatting.percent(1.0), "100.0 %"),
        (formatting.seconds(12.34), "12.3 s"),
        (formatting.seconds(200), "3 min 20 s"),
        (formatting.seconds(3 * 3600 + 65), "3 h 01 min"),
        (formatting.gibibytes(1.5 * 2**30), "1.50 GiB"),
        (formatting.loss(2.8754), "2.875"),
        (formatting.score(57.25, "%"), "57.2"),
        (formatting.score(0.8456, "ratio"), "0.846"),
        (formatting.score(-3.0, "%", signed=True), "−3.0"),
        (formatting.score(3.0, "%", signed=True), "+3.0"),
        (formatting.score(-0.01, "%", signed=True), "0.0"),
        (formatting.interval({"value": 1, "low": -2.0, "high": 3.0}, "%", signed=True), "−2.0 to +3.0"),
        (formatting.interval({"value": 1, "low": None, "high": None}, "%"), ""),
    ],
)
def test_numbers(found: str, expected: str) -> None:
    assert found.replace(formatting.NBSP, " ") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("안녕 hello", "ko"), ("ㅋㅋ", "ko"), ("hello", "en"), ("42 → 7", ""), ("", ""), ("こんにちは", "")],
)
def test_language_of(value: str, expected: str) -> None:
    assert formatting.language_of(value) == expected


def test_lead_ends_between_words() -> None:
    value = "가나다 라마바 " * 60
    lead = formatting.lead(value)
    assert len(lead) <= formatting.LEAD_CHARS
    assert value.startswith(lead + " ")


def test_lead_tears_no_joined_characters() -> None:
    family = "👩\u200d👩\u200d👧"
    before = "가" * (formatting.LEAD_CHARS - 2)
    assert formatting.lead(before + family + "나" * 400) == before
    decomposed = "\u1112\u1161\u11ab"  # 한 as three jamo
    assert formatting.lead("가" * (formatting.LEAD_CHARS - 1) + decomposed + "나" * 400) == "가" * (
        formatting.LEAD_CHARS - 1
    )


@given(st.text(min_size=1, max_size=600))
def test_lead_is_a_beginning(value: str) -> None:
    lead = formatting.lead(value)
    assert value.startswith(lead)
    assert len(lead) <= formatting.LEAD_CHARS


def test_thin_keeps_few_points_and_averages_many() -> None:
    few = [(float(step), float(step)) for step in range(5)]
    assert training.thin(few, limit=5) == few
    assert training.thin(few, limit=2) == [(1.0, 1.0), (3.5, 3.5)]


@pytest.mark.parametrize(
    ("delta", "higher_is_better", "expected"),
    [
        ((1.0, 3.0), True, "better"),
        ((1.0, 3.0), False, "worse"),
        ((-3.0, -1.0), True, "worse"),
        ((-3.0, -1.0), False, "better"),
        ((-1.0, 1.0), True, "unclear"),
        ((0.0, 1.0), True, "unclear"),
        ((1.0, 1.0), True, "better"),  # every sample changed alike
        ((None, None), True, "unclear"),
    ],
)
def test_verdict(delta: tuple[float | None, float | None], higher_is_better: bool, expected: str) -> None:
    low, high = delta
    metric: Any = {
        "higher_is_better": higher_is_better,
        "n": 10,
        "delta": {"value": 0.5, "low": low, "high": high},
    }
    assert results.verdict(metric) == expected
    assert results.verdict(metric | {"n": 9}) == "unclear"  # too few, however narrow the interval
    assert results.verdict(metric | {"delta": None}) == "unclear"


def test_families_in_several_splits_are_counted() -> None:
    ledger = pa.table(
        {"family_id": ["a", "a", "b", "c", "c"], "split": ["train", "train", "train", "train", "val"]}
    )
    assert corpus.shared_families(ledger, pa.table({"family_id": ["d", "d"]})) == 1  # c; a is in train twice
    assert corpus.shared_families(ledger, pa.table({"family_id": ["b", "c"]})) == 2
    nothing = pa.table({"family_id": pa.array([], pa.string())})
    assert corpus.shared_families(ledger.slice(0, 3), nothing) == 0
