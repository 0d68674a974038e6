"""Scores of a suite, held against values by hand."""

from typing import Any

import pytest
from suite_files import quiz

from eval.bench.bench_scores import overall, score
from eval.bench.harness import tasks_of
from hunmin.errors import ArtifactError


def row(doc: int, value: float, *, count: int = 1, task: str = "a") -> dict[str, Any]:
    return {
        "task": task,
        "doc_sha256": f"d{doc}",
        "prompt_sha256": f"p{doc}",
        "value_sum": value,
        "value_count": count,
    }


def scored(base: list[dict[str, Any]], tuned: list[dict[str, Any]]) -> Any:
    return score({"base": base, "tuned": tuned}, name="a", resamples=500, seed=0)


def test_means_and_their_paired_difference() -> None:
    base = [row(doc, doc % 2) for doc in range(20)]
    tuned = [row(doc, 1.0) for doc in range(20)]
    found = scored(base, tuned)
    assert (found["n"], found["systems"]["base"]["value"], found["systems"]["tuned"]["value"]) == (
        20,
        0.5,
        1.0,
    )
    assert found["delta"]["value"] == 0.5
    assert 0 < found["delta"]["low"] < 0.5 < found["delta"]["high"] < 1
    assert found["systems"]["tuned"] == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_parts_of_a_prompt_count_one_by_one() -> None:
    rows = [row(0, 1, count=1), row(1, 0, count=3)]  # of four instructions one is kept
    assert scored(rows, rows)["systems"]["base"]["value"] == 0.25


def test_an_equal_document_is_no_second_sample() -> None:
    once = [row(doc, doc % 2) for doc in range(10)]
    twice = [row(doc, doc % 2) for doc in range(10) for _ in range(2)]
    assert scored(twice, twice)["systems"]["base"] == scored(once, once)["systems"]["base"]
    alone = [row(0, 1), row(0, 1)]
    assert scored(alone, alone)["systems"]["base"] == {"value": 1.0, "low": None, "high": None}


def test_models_that_were_asked_different_things_are_not_compared() -> None:
    with pytest.raises(ArtifactError, match="asked different samples"):
        scored([row(0, 1), row(1, 1)], [row(1, 1), row(0, 1)])


def test_all_samples_together_where_the_tasks_have_one_metric() -> None:
    task = tasks_of(quiz())[0]
    rows = [row(0, 1), row(0, 0, task="b"), row(1, 0, task="b"), row(2, 0, task="b")]
    samples = {"base": rows, "tuned": rows}
    asked = {"name": "quiz", "resamples": 10, "seed": 0}
    found = overall([task, task], samples, **asked)
    assert found is not None
    assert found["systems"]["base"]["value"] == 0.25  # by size, as the harness' groups weigh them
    assert overall([task], samples, **asked) is None
