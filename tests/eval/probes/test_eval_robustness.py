"""The probe of robustness: what it asks, and what it finds in answers made up by the test."""

import dataclasses
from collections import Counter
from typing import Any

import pytest
from eval_stages import assistant, default_rows, heldout_row, user
from probe_material import answers_of, material, right, sentiment

from eval.probes.robustness import PROBE
from eval.samples.samples import Sample
from eval.samples.variants import axis_of


def test_rows_are_asked_in_every_held_out_wording_and_with_an_edit_of_each_axis() -> None:
    given = material(sentiment(), robustness=3)
    asked = PROBE.ask(given)
    assert asked == PROBE.ask(given)
    assert len({sample.sample_id for sample in asked}) == len(asked)
    assert all(sample.sample_id.startswith("robustness:") for sample in asked)
    assert len({sample.row_id for sample in asked}) == 3
    axes = Counter(map(axis_of, asked))
    assert {
        "tone",
        "format",
        "punctuation",
        "spacing",
        "line_breaks",
        "speech_level",
        "typing",
    } <= axes.keys()
    assert set(axes.values()) == {3}
    first = {sample.row_id: sample for sample in given.samples}
    for sample in asked:
        own = first[sample.row_id]
        assert sample.question != own.question
        assert sample.question.endswith(own.text), "the input stays as it is"
        assert sample.messages[-1]["content"] == sample.question
        assert (sample.reference, sample.task) == (own.reference, own.task)


@pytest.mark.parametrize(("count", "most"), [(5, 5), (40, 40), (400, 16 * 9)])
def test_where_no_number_is_given_the_questions_at_most_double(count: int, most: int) -> None:
    asked = PROBE.ask(material(sentiment(count)))
    assert len(asked) <= most
    assert len({sample.row_id for sample in asked}) == min(16, count // 8)


def test_none_are_asked_where_the_config_says_so() -> None:
    assert PROBE.ask(material(sentiment(), robustness=0)) == []


def test_a_steady_and_right_model_is_found_to_be_so() -> None:
    given = material(sentiment(), robustness=20)
    asked = PROBE.ask(given)
    found = PROBE.judge(given, asked, answers_of(given, asked, right)).scores["tasks"]["sentiment"]
    assert (found["metric"], found["rows"], found["questions"], found["breaks"]) == (
        "accuracy",
        20,
        len(asked),
        [],
    )
    tuned = {name: one["value"] for name, one in found["axes"]["all"]["systems"]["tuned"].items()}
    assert tuned == {
        "own": 1,
        "mean": 1,
        "change": 0,
        "worst": 1,
        "spread": 0,
        "consistency": 1,
        "reliable": 1,
    }
    base = found["axes"]["all"]["systems"]["base"]  # says 긍정 whatever it is asked: steady, right of 3 in 5
    assert base["consistency"]["value"] == 1
    assert base["reliable"]["value"] == pytest.approx(3 / 5)
    assert found["axes"]["all"]["delta"]["reliable"]["value"] == pytest.approx(2 / 5)


def test_what_breaks_the_model_is_found_by_axis_and_quoted() -> None:
    given = material(sentiment(), robustness=20)
    asked = PROBE.ask(given)

    def fails_on_typing(sample: Sample) -> str:
        return "모름" if axis_of(sample) == "typing" and ":" in (sample.wording_id or "") else right(sample)

    findings = PROBE.judge(given, asked, answers_of(given, asked, fails_on_typing))
    found = findings.scores["tasks"]["sentiment"]
    tuned = {axis: one["systems"]["tuned"] for axis, one in found["axes"].items()}
    assert tuned["typing"]["reliable"]["value"] == tuned["typing"]["consistency"]["value"] == 0
    assert tuned["typing"]["change"]["value"] == -1
    assert tuned["all"]["reliable"]["value"] == 0
    assert 0 < tuned["all"]["mean"]["value"] < 1
    assert tuned["spacing"]["reliable"]["value"] == 1
    assert {one["axis"] for one in found["breaks"]} == {"typing"}
    ids = {sample.sample_id: sample for sample in (*given.samples, *asked)}
    for one in found["breaks"]:
        assert ids[one["own"]].row_id == ids[one["other"]].row_id
        assert findings.per_answer["tuned", one["other"]] == {"accuracy": 0.0}
    assert len(found["breaks"]) == 3


def test_of_what_breaks_the_model_each_axis_is_shown_first() -> None:
    given = material(sentiment(), robustness=20)
    asked = PROBE.ask(given)
    answers = answers_of(given, asked, lambda one: "모름" if ":" in one.sample_id[:12] else right(one))
    found = PROBE.judge(given, asked, answers).scores["tasks"]["sentiment"]
    axes = [one["axis"] for one in found["breaks"]]
    every = sorted(set(found["axes"]) - {"all"})
    assert axes == every * 3
    assert all(one["lost"] for one in found["breaks"])


def test_an_answer_without_a_label_agrees_with_none() -> None:
    given = material(sentiment(), robustness=4)
    asked = PROBE.ask(given)
    found = PROBE.judge(given, asked, answers_of(given, asked, lambda _: "모름")).scores["tasks"]["sentiment"]
    assert found["axes"]["all"]["systems"]["tuned"]["consistency"]["value"] == 0


def test_texts_are_right_from_half_of_the_best_value_and_agree_but_for_punctuation() -> None:
    rows = [row | {"row_id": f"c{at}"} for at in range(3) for row in default_rows()[:1]]
    given = material(rows, robustness=3)
    asked = PROBE.ask(given)
    found = PROBE.judge(
        given,
        asked,
        answers_of(given, asked, lambda one: right(one) + ("!" if one.sample_id.startswith("rob") else "")),
    ).scores["tasks"]["chat"]
    assert found["metric"] == "rougeL"
    tuned = found["axes"]["all"]["systems"]["tuned"]
    assert tuned["consistency"]["value"] == tuned["reliable"]["value"] == 1
    assert tuned["own"]["value"] == 1, "a share of the metric's best value"


def test_options_move_with_the_answer() -> None:
    question = "다음 중 과일을 고르세요.\n(A) 사과\n(B) 돌\n(C) 물"
    row = heldout_row(0, task="chat", messages=[user(question), assistant("(A)")], references=["(A)"])
    given = material([row], robustness=1)
    moved = [sample for sample in PROBE.ask(given) if axis_of(sample) == "option_order"]
    assert len(moved) == 1
    mark = moved[0].reference.texts[0].strip("()")
    assert f"({mark}) 사과" in moved[0].question
    found = PROBE.judge(given, moved, answers_of(given, moved, right)).scores["tasks"]["chat"]
    assert found["axes"]["option_order"]["systems"]["tuned"]["consistency"]["value"] == 1


def test_what_could_not_be_asked_is_not_judged() -> None:
    given = material(sentiment(), robustness=2)
    asked = PROBE.ask(given)[:1]
    found = PROBE.judge(given, asked, answers_of(given, asked, right)).scores["tasks"]["sentiment"]
    assert (found["rows"], found["questions"]) == (1, 1)
    assert PROBE.judge(given, [], answers_of(given, [], right)).scores == {"tasks": {}}


def test_a_tools_result_is_not_reworded() -> None:
    given = material(sentiment(1), robustness=1)
    sample = given.samples[0]
    tool: Any = {"role": "tool", "content": "긍정", "train": False}
    after_tool = dataclasses.replace(sample, messages=[*sample.messages, tool])
    asked = PROBE.ask(dataclasses.replace(given, samples=[after_tool], unseen=[]))
    assert asked == []
