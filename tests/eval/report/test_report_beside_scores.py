"""What stands beside a task's scores: habits of answering, several draws, the model's own history."""

import re
from pathlib import Path
from typing import Any

from report_run import small_run, write_run

from eval.report import report


def page_with(tmp_path: Path, **values: Any) -> str:
    """The text of the page of a run whose chat task has these scores too."""
    spec = small_run()
    spec.scores["tasks"]["chat"] |= values
    page, _ = report.render(report.read_contents(tmp_path, write_run(tmp_path, spec)), "감성과 번역")
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.partition('id="scores"')[2]))


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 1, "high": value + 1}


def test_habits_are_told_of_the_models(tmp_path: Path) -> None:
    page = page_with(
        tmp_path,
        repetition={"base": 0.5, "tuned": 0.01, "copy": 0.9},
        unread={"base": 0.25, "tuned": 0.0},
        thought_tokens={"base": 12.4, "tuned": 80.0},
    )
    assert re.search(r"Repeated 4-grams: base 50(\.0)? %, tuned 1(\.0)? %\.", page)
    assert re.search(r"No label to be read: base 25(\.0)? %, tuned 0(\.0)? %\.", page)
    assert "Tokens of thought: base 12, tuned 80." in page
    assert "Repeated" not in page_with(tmp_path / "plain")


def test_draws_and_own_history_have_tables(tmp_path: Path) -> None:
    history = {"unit": "%", "given": interval(20.0), "own": interval(15.0), "delta": interval(-5.0)}
    page = page_with(
        tmp_path,
        drawn={
            "draws": 4,
            "metrics": {"chrf": {"tuned": {"mean": 9.5, "spread": 0.4, "pass_at": {"2": 31.0}}}},
        },
        own_history={
            "n": {"base": 12, "tuned": 12},
            "conversations": {"base": 6, "tuned": 6},
            "metrics": {"chrf": {"tuned": history}},
        },
    )
    assert "4 answers drawn to each sample" in page
    assert re.search(r"chrf \(%\) pass@2 31\.0+ tuned 9\.50? 0\.40?", page)
    assert re.search(r"chrf \(%\) tuned 20\.0.*15\.0.*[-−]5\.0.*worse", page)
