"""Calls are compared by name, by arguments as JSON values, and in order; values by hand."""

import json

import pytest

from eval.metrics.tool_calls import METRIC
from eval.scores.intervals import value_of
from eval.scores.metric import Answer, Reference
from eval.scores.score_table import metrics_of, score_task
from hunmin.models.written_calls import call_of, with_calls


def calls(*found: tuple[str, object]) -> str:
    return with_calls("", [call_of(name, arguments) for name, arguments in found])


SEOUL, BUSAN = ("weather", {"city": "서울", "days": 1}), ("weather", {"city": "부산", "days": 1})


@pytest.mark.parametrize(
    ("given", "right", "value"),
    [
        ([SEOUL], [SEOUL], 1.0),
        ([("weather", {"days": 1.0, "city": "서울"})], [SEOUL], 1.0),  # another order, another spelling
        ([("weather", {"city": "서울", "days": "1"})], [SEOUL], 0.0),
        ([("weather", {"city": "서울", "days": True})], [SEOUL], 0.0),
        ([("forecast", SEOUL[1])], [SEOUL], 0.0),
        ([], [SEOUL], 0.0),
        ([SEOUL, BUSAN], [SEOUL, BUSAN], 1.0),
        ([SEOUL], [SEOUL, BUSAN], 2 / 3),
        ([SEOUL, SEOUL], [SEOUL], 2 / 3),  # one too many
        ([BUSAN, SEOUL], [SEOUL, BUSAN], 1 / 2),  # one of both is in its place
    ],
)
def test_values_by_hand(
    given: list[tuple[str, object]], right: list[tuple[str, object]], value: float
) -> None:
    assert METRIC.value(calls(*given), Reference([calls(*right)], "ko", None)) == pytest.approx(value)


def test_an_answer_in_words_calls_nothing() -> None:
    reference = Reference([calls(SEOUL)], "ko", None)
    said = f"weather({json.dumps(SEOUL[1])})"
    assert METRIC.value(said, reference) == 0.0


def test_turns_that_call_are_scored_by_their_calls_and_the_others_by_the_tasks_metrics() -> None:
    references = [Reference([calls(SEOUL)], "ko", None), Reference(["맑아요."], "ko", None)]
    systems = ("base", "tuned", "majority", "copy", "first_sentence")
    right = [Answer(reference.texts[0], 5, True) for reference in references]
    answers = dict.fromkeys(systems, right) | {"base": [Answer("몰라요", 5, True)] * 2}
    info = {"metrics": ["exact_match"], "labels": [], "language": "ko"}
    scored = score_task(
        "chat",
        metrics=metrics_of("chat", info),  # type: ignore[arg-type]
        references=references,
        families=["a", "b"],
        answers=answers,
        num_resamples=10,
        seed=0,
    )
    found = scored.scores["metrics"]
    assert {name: metric["n"] for name, metric in found.items()} == {"exact_match": 1, "tool_calls": 1}
    assert [found[name]["systems"]["tuned"]["value"] for name in found] == [1.0, 1.0]
    assert scored.per_sample["tuned"] == [{"tool_calls": 1.0}, {"exact_match": 1.0}]
    assert scored.per_sample["base"] == [{"tool_calls": 0.0}, {"exact_match": 0.0}]
    assert value_of(METRIC.statistics([calls(SEOUL)], references[:1]), METRIC.aggregate) == 1.0
