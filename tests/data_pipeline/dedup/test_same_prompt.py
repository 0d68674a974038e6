"""One prompt with several answers: the rule, and the keys that find such rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows_drafts import draft

from data_pipeline.dedup.same_prompt import Rule, kept_answers
from data_pipeline.rows.identity import answer_key, prompt_key, prompt_text


@pytest.mark.parametrize(
    ("answers", "rule", "kept"),
    [
        ("abb", "keep_all", [True, True, True]),
        ("abb", "first", [True, False, False]),
        ("aba", "first", [True, False, True]),
        ("abb", "majority", [False, True, True]),
        ("ab", "majority", [True, False]),
        ("cabab", "majority", [False, True, False, True, False]),
        ("abb", "reject", [False, False, False]),
        ("aa", "reject", [True, True]),
        ("", "majority", []),
    ],
)
def test_each_rule(answers: str, rule: Rule, kept: list[bool]) -> None:
    assert kept_answers(answers, rule) == kept


@given(answers=st.lists(st.sampled_from("abc")), rule=st.sampled_from(["first", "majority"]))
def test_one_answer_is_left(answers: list[str], rule: Rule) -> None:
    kept = kept_answers(answers, rule)
    assert len({answer for answer, keep in zip(answers, kept, strict=True) if keep}) == min(1, len(answers))


def test_rows_that_ask_the_same_have_one_key() -> None:
    row = draft("Sum  it up.", asked="A Text")
    assert prompt_text(row) == "Sum  it up.\n\nA Text"
    chat = draft(messages=[("user", "sum it up.\n\na text"), ("assistant", "짧게")])
    assert prompt_key(row) == prompt_key(chat)
    assert len(prompt_key(row)) == 16
    assert int(prompt_key(row), 16) >= 0
    assert prompt_key(row) != prompt_key(row | {"task": "summarization"})
    assert prompt_key(row) != prompt_key(draft("Sum it up.", asked="Another text"))


def test_answers_count_to_the_letter() -> None:
    assert answer_key(draft(answer="하나")) == answer_key(draft("다른 질문", answer="하나"))
    assert answer_key(draft(answer="a b")) != answer_key(draft(answer="a  b"))
    chat = draft(messages=[("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")])
    other = draft(messages=[("user", "a"), ("assistant", "x"), ("user", "c"), ("assistant", "d")])
    assert prompt_key(chat) == prompt_key(other)
    assert answer_key(chat) != answer_key(other)
