"""Rows to samples, and the answers that need no model."""

import pytest
from eval_stages import TASKS, assistant, default_rows, heldout_row, user
from transformers import PreTrainedTokenizerFast

from eval.samples.samples import (
    as_written,
    baseline_answers,
    draw_samples,
    first_sentence,
    make_samples,
    render_prompts,
)
from hunmin.models.renderer import Renderer


def test_a_sample_per_trained_turn_after_the_true_history() -> None:
    messages = [
        {"role": "system", "content": "짧게 답한다.", "train": False},
        user("하나?"),
        assistant("1"),
        user("둘?"),
        assistant("2", train=False),
        user("셋?"),
        assistant("3"),
    ]
    row = heldout_row(0, task="chat", messages=messages, references=["3", "삼"])
    first, last = make_samples([row], TASKS)
    assert (first.sample_id, first.turn, first.messages) == ("src:a.json:0.0/0", 0, messages[:2])
    assert (last.sample_id, last.turn, last.messages) == ("src:a.json:0.0/2", 2, messages[:6])
    assert (first.question, last.question) == ("하나?", "셋?")
    assert (first.reference.texts, last.reference.texts) == (["1"], ["3", "삼"])
    assert first.reference.label is None


CALL = {**assistant(""), "tool_calls": [{"id": "a", "name": "weather", "arguments": '{"city":  "서울"}'}]}
CALLING = [user("날씨는?"), CALL, {"role": "tool", "content": "맑음", "train": False}, assistant("맑아요.")]


def test_a_call_of_a_tool_is_asked_and_is_history_of_the_answer_behind_it() -> None:
    row = heldout_row(0, task="chat", messages=CALLING, references=["맑아요.", "맑음"])
    call, answer = make_samples([row], TASKS)
    assert (call.turn, call.messages) == (0, CALLING[:1])
    assert call.reference.texts == [
        '<tool_call>{"name": "weather", "arguments": {"city": "서울"}}</tool_call>'
    ]
    assert call.reference.calls[0]["name"] == "weather"
    assert (answer.turn, answer.messages, answer.question) == (1, CALLING[:3], "날씨는?")
    assert (answer.reference.texts, answer.reference.calls) == (["맑아요.", "맑음"], [])


def test_calls_that_a_template_cannot_write_are_left_out_and_counted(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    samples = make_samples([heldout_row(0, task="chat", messages=CALLING)], TASKS)
    kept, skipped = as_written(samples, Renderer(tokenizer).answers)  # ChatML, which has no calls
    assert ([sample.turn for sample in kept], skipped) == ([1], {"unreadable_calls": 1})
    assert as_written(kept, Renderer(tokenizer).answers) == (kept, {})


def test_constraints_of_the_wording_are_the_last_answers() -> None:
    fields = {"instruction": "?", "input": "글", "answer": "답", "rationale": None, "label": None}
    row = heldout_row(
        0,
        task="chat",
        messages=[user("?"), assistant("답")],
        fields=fields,
        constraints=["max_chars:5", "one_line"],
    )
    (sample,) = make_samples([row], TASKS)
    assert (sample.reference.constraints, sample.reference.given) == (("max_chars:5", "one_line"), "글")


def test_the_prompt_is_what_training_saw_before_the_answer(tokenizer: PreTrainedTokenizerFast) -> None:
    renderer = Renderer(tokenizer)
    for row in default_rows():
        whole = renderer.rows(row["messages"])[-1]
        samples = make_samples([row], TASKS)
        prompts, skipped = render_prompts(samples, renderer=renderer, max_prompt_tokens=10_000)
        assert not skipped
        for sample in samples:
            ids = prompts[sample.sample_id]
            assert whole.input_ids[: len(ids)] == ids
            assert whole.labels[len(ids)] != -100
            assert whole.labels[len(ids) - 1] == -100


def test_what_does_not_fit_is_counted(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [
        heldout_row(0, task="chat", messages=[user("짧다"), assistant("네")]),
        heldout_row(1, task="chat", messages=[user("길다 " * 50), assistant("네")]),
    ]
    prompts, skipped = render_prompts(
        make_samples(rows, TASKS), renderer=Renderer(tokenizer), max_prompt_tokens=40
    )
    assert list(prompts) == ["src:a.json:0.0/0"]
    assert skipped == {"prompt_too_long": 1}


def test_the_label_is_the_declared_one_else_the_answers() -> None:
    fields = {"instruction": None, "input": "재미없다", "answer": "부정", "rationale": None}
    rows = [
        heldout_row(
            0, task="sentiment", messages=[user("?"), assistant("부정")], fields=fields | {"label": "부정"}
        ),
        heldout_row(
            1,
            task="sentiment",
            messages=[user("?"), assistant("부정입니다")],
            fields=fields | {"label": None},
        ),
        heldout_row(
            2, task="sentiment", messages=[user("?"), assistant("모름")], fields=fields | {"label": "2"}
        ),
    ]
    assert [sample.reference.label for sample in make_samples(rows, TASKS)] == ["부정", "부정", None]


def test_the_draw_is_seeded_per_task_and_in_order() -> None:
    samples = make_samples(default_rows(), TASKS)
    assert draw_samples(samples, per_task=None, seed=0) == sorted(
        samples, key=lambda s: (s.task, s.sample_id)
    )
    drawn = draw_samples(samples[::-1], per_task=3, seed=0)
    assert [sample.task for sample in drawn] == ["chat"] * 3 + ["sentiment"] * 3
    assert drawn == draw_samples(samples, per_task=3, seed=0)
    assert (
        len({tuple(s.sample_id for s in draw_samples(samples, per_task=3, seed=seed)) for seed in range(5)})
        > 1
    )


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("첫 문장입니다. 둘째 문장입니다.", "첫 문장입니다."),
        ('그가 "가자!" 했다. 끝', '그가 "가자!"'),
        ("점수는 3.5점이다. 끝", "점수는 3.5점이다."),
        ("마침표 없는 줄\n다음 줄", "마침표 없는 줄"),
        ("  \n ", ""),
        ("한 문장", "한 문장"),
    ],
)
def test_first_sentence(text: str, first: str) -> None:
    assert first_sentence(text) == first


def test_baselines() -> None:
    chat, *_, sentiment = draw_samples(make_samples(default_rows(), TASKS), per_task=None, seed=0)
    found = baseline_answers([chat, sentiment], majority={"sentiment": "긍정"})
    assert [answer.text for answer in found["majority"]] == ["", "긍정"]
    assert [answer.text for answer in found["copy"]] == [chat.question, "영화 4편. 좋았다."]
    assert [answer.text for answer in found["first_sentence"]] == ["안녕하세요 0.", "영화 4편."]
    assert all(answer.stopped is None for answers in found.values() for answer in answers)
