"""A wording is paired only where all it says is true; the draw is even and the same anywhere."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.tasks.tasks import Task, Wording
from data_pipeline.tasks.wordings import Choice, draw_choice, draw_heldout, true_choices


def wording(name: str, **settings: Any) -> Any:
    return {"id": name, "language": "ko", "axis": "tone", "text": f"{name} 해 주세요."} | settings


BANK = Task.model_validate(
    {
        "name": "t",
        "labels": ["긍정", "부정", "positive", "negative"],
        "wordings": [
            wording("plain"),
            wording("korean", when={"language": "ko"}),
            wording("from_english", when={"language": "ko", "input_language": "en"}),
            wording("no_input", when={"input": False}),
            wording("short", requires=["max_chars:10"]),
            wording("one_and_short", requires=["one_sentence", "max_chars:40"]),
            wording("news", attested=["domain:news"]),
            wording("three", when={"labels": ["긍정", "부정", "중립"]}),
            wording("ten", when={"scale": "1-10"}, answer="score"),
            wording("five", answer="score_5", requires=["scale:1-5"]),
            wording("sentence", answer="sentence", requires=["one_sentence"]),
            wording("said", answer="said"),
            wording("english", when={"language": "en"}, answer="english"),
            wording("kept", heldout=True),
            wording("kept_short", heldout=True, requires=["max_chars:10"]),
        ],
        "renderers": {
            "score": {"language": "ko", "text": "{value}점", "scales": {"1-10": 1}},
            "score_5": {"language": "ko", "text": "{value}점", "scales": {"1-5": 1, "1-10": 2}},
            "sentence": {"language": "ko", "answers": {"긍정": "이 글은 긍정적입니다."}},
            "said": {"language": "ko", "text": "{label:이라고/라고} 봅니다."},
            "english": {"language": "en", "answers": {"긍정": "positive", "부정": "negative"}},
        },
    }
)


def row(answer: str, *, row_id: str = "s:f:0.0", **settings: Any) -> Any:
    names = ("instruction", "input", "label", "value")
    fields = {name: settings.pop(name, None) for name in names} | {"answer": answer}
    if fields["input"] is None:
        fields["input"] = "본문"
    defaults = {"row_id": row_id, "language": "ko", "messages": None, "references": [answer]}
    return defaults | settings | {"fields": fields}


def ids(choices: list[Choice]) -> list[str]:
    return [choice.wording_id.removeprefix("t/") for choice in choices]


REVIEW = {"label": "긍정", "value": "8"}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (row("이 답은 열 글자보다 깁니다."), ["plain", "korean", "one_and_short"]),
        (row("짧은 답"), ["plain", "korean", "short"]),
        (row("An answer of many words", language="en"), ["plain"]),
        (
            row("번역한 글입니다.", input="a text"),
            ["plain", "korean", "from_english", "short", "one_and_short"],
        ),
        (row("짧은 답", input=""), ["plain", "korean", "no_input", "short"]),
        (row("짧은 답", attests=["domain:news", "tone:formal"]), ["plain", "korean", "short", "news"]),
        (row("짧은 답", attests=["domain:newspaper"]), ["plain", "korean", "short"]),
        (row("긍정", **REVIEW), ["plain", "korean", "short", "sentence", "said", "english"]),
        (
            row("긍정", **REVIEW, attests=["labels:부정/긍정/중립", "labels:a/b"]),
            ["plain", "korean", "short", "three", "sentence", "said", "english"],
        ),
        (
            row("긍정", **REVIEW, attests=["labels:긍정/부정"]),
            ["plain", "korean", "short", "sentence", "said", "english"],
        ),
        (
            row("긍정", **REVIEW, attests=["scale:1-10"]),
            ["plain", "korean", "short", "ten", "five", "sentence", "said", "english"],
        ),
        (
            row("부정", label="부정", value="3", attests=["scale:1-10"]),  # 3 of 10 is no whole number of 5
            ["plain", "korean", "short", "ten", "said", "english"],
        ),
        (
            row("긍정", label="긍정", value="별로", attests=["scale:1-10"]),
            ["plain", "korean", "short", "sentence", "said", "english"],
        ),
    ],
)
def test_only_what_is_true_of_a_row_is_paired_with_it(asked: Any, expected: list[str]) -> None:
    assert ids(true_choices(BANK, asked)) == expected


def test_rows_that_ask_themselves_get_no_wording() -> None:
    own = row("답", instruction="요약해 주세요.")
    chat = row("답") | {"messages": [{"role": "user", "content": "안녕", "train": False}]}
    for asked in (own, chat):
        assert true_choices(BANK, asked) == true_choices(BANK, asked, heldout=True) == []
        assert draw_choice(BANK, asked, seed=0, epoch=0, repeat=0) is None


def test_held_out_wordings_are_paired_apart() -> None:
    assert ids(true_choices(BANK, row("짧은 답"), heldout=True)) == ["kept", "kept_short"]
    assert ids(true_choices(BANK, row("이 답은 열 글자보다 깁니다."), heldout=True)) == ["kept"]


def test_held_out_wordings_are_laid_out_of_every_axis_first() -> None:
    axes = ["tone", "tone", "tone", "format", "expression", "expression"]
    bank = [wording(f"h{at}", axis=axis, heldout=True) for at, axis in enumerate(axes)]
    task = Task.model_validate({"name": "t", "wordings": [*bank, wording("trained")]})
    every: list[list[Choice]] = []
    for number in range(20):
        asked = row("답", row_id=f"s:f:{number}.0")
        found = draw_heldout(task, asked, seed=0, at_most=64)
        assert sorted(ids(found)) == [f"h{at}" for at in range(6)]
        assert sorted(one.axis for one in found[:3]) == ["expression", "format", "tone"]
        assert draw_heldout(task, asked, seed=0, at_most=2) == found[:2]
        every.append(found)
    assert len({found[0].wording_id for found in every}) > 2
    own = row("답", instruction="요약해 주세요.")
    assert draw_heldout(task, own, seed=0, at_most=64) == []


def test_a_choice_tells_what_was_verified_and_how_its_answer_came_about() -> None:
    asked = row("긍정", **REVIEW, attests=["scale:1-10"])
    choices = {choice.wording_id: choice for choice in true_choices(BANK, asked)}
    plain = choices["t/short"]
    assert plain == Choice(
        "short 해 주세요.", "t/short", "tone", "긍정", ["긍정"], ["max_chars:10"], [], "긍정"
    )
    score = choices["t/five"]
    assert (score.answer, score.references, score.label) == ("4점", ["4점"], None)
    assert (score.constraints, score.transforms) == (["scale:1-5"], ["answer:score_5"])
    english = choices["t/english"]
    assert (english.answer, english.label) == ("positive", "positive")
    said = choices["t/said"]
    assert (said.answer, said.label) == ("긍정이라고 봅니다.", "긍정")
    assert "t/news" not in choices


def test_all_references_stay_where_the_answer_does() -> None:
    asked = row("첫째 답", references=["첫째 답", "둘째 답"])
    assert all(choice.references == ["첫째 답", "둘째 답"] for choice in true_choices(BANK, asked))


def drawn(asked: Any, count: int, *, plain: bool = False) -> Counter[str]:
    rows = [asked | {"row_id": f"s:f:{number}.0"} for number in range(count)]
    found = [draw_choice(BANK, one, seed=0, epoch=0, repeat=0, plain=plain) for one in rows]
    return Counter(choice.wording_id for choice in found if choice)


def test_true_wordings_are_drawn_evenly_and_no_others() -> None:
    asked = row("긍정", **REVIEW, attests=["scale:1-10"])
    true = [choice.wording_id for choice in true_choices(BANK, asked)]
    counts = drawn(asked, 4000)
    assert set(counts) == set(true)
    expected = 4000 / len(true)
    chi_squared = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_squared < 24.3  # 0.1 % of even draws are beyond it, 7 degrees of freedom


def test_plain_draws_leave_the_answer_as_it_is() -> None:
    asked = row("긍정", **REVIEW, attests=["scale:1-10"])
    assert set(drawn(asked, 400, plain=True)) == {"t/plain", "t/korean", "t/short"}


def test_the_draw_is_a_function_of_seed_row_epoch_and_repeat() -> None:
    asked = row("짧은 답")
    first = draw_choice(BANK, asked, seed=0, epoch=0, repeat=0)
    assert first == draw_choice(BANK, asked, seed=0, epoch=0, repeat=0)
    assert first is not None
    assert first.wording_id == "t/plain"  # the same on any machine
    for place in range(3):
        numbers = [[number if place == other else 0 for other in range(3)] for number in range(30)]
        found = [draw_choice(BANK, asked, seed=s, epoch=e, repeat=r) for s, e, r in numbers]
        assert {choice.wording_id for choice in found if choice} == {"t/plain", "t/korean", "t/short"}


def test_a_bank_without_a_true_wording_gives_none() -> None:
    empty = Task.model_validate({"name": "e", "wordings": [wording("news", attested=["domain:news"])]})
    assert true_choices(empty, row("답")) == []
    assert draw_choice(empty, row("답"), seed=0, epoch=0, repeat=0) is None


@given(
    answer=st.text(min_size=1, max_size=30),
    label=st.none() | st.sampled_from(["긍정", "부정", "joy"]),
    value=st.none() | st.text(max_size=4),
    attests=st.lists(st.sampled_from(["scale:1-10", "scale:1-5", "labels:긍정/부정", "domain:news"])),
)
def test_whatever_the_row_a_drawn_wording_is_one_of_the_true_ones(
    answer: str, label: str | None, value: str | None, attests: list[str]
) -> None:
    asked = row(answer, label=label, value=value, attests=attests)
    choice = draw_choice(BANK, asked, seed=1, epoch=2, repeat=3)
    true = true_choices(BANK, asked)
    assert choice in true
    assert all(one.answer and one.references for one in true)


def test_requests_may_be_kept_to_the_languages_of_the_row() -> None:
    bank = BANK.model_copy(
        update={
            "wordings": (
                *(Wording.model_validate(wording(name, language=name)) for name in ("ko", "en")),
                Wording.model_validate(wording("rendered", language="en", answer="english")),
            )
        }
    )

    def told(asked: Any) -> list[str]:
        return ids(true_choices(bank, asked, cross_language=False))

    assert ids(true_choices(bank, row("긍정", label="긍정"))) == ["ko", "en", "rendered"]
    assert told(row("긍정", label="긍정")) == ["ko", "rendered"]  # the English one asks for an English answer
    assert told(row("번역한 글", input="a text")) == ["ko", "en"]
    assert told(row("Bien", input="Bonjour", language="fr")) == ["en"]  # Latin letters
    only = bank.model_copy(update={"wordings": bank.wordings[1:2]})
    assert ids(true_choices(only, row("긍정", label="긍정"), cross_language=False)) == ["en"]
    for epoch in range(20):
        choice = draw_choice(bank, row("좋다"), seed=0, epoch=epoch, repeat=0, cross_language=False)
        assert choice is not None
        assert choice.wording_id == "t/ko"
