"""Roles written into texts become messages where nothing else can be meant."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows_drafts import draft

from data_pipeline.rows.written_roles import take_roles_apart


def turns(row: Any) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in row["messages"]]


@pytest.mark.parametrize(
    ("instruction", "bare"),
    [
        ("사용자: 오늘 날씨 어때?", "오늘 날씨 어때?"),
        ("사용자: 오늘 날씨 어때?\n어시스턴트:", "오늘 날씨 어때?"),
        ("USER: Hello there ASSISTANT:", "Hello there"),
        ("Human: Hello there\n\nAssistant:", "Hello there"),
        ("### Instruction:\nSum it up.\n\n### Response:", "Sum it up."),
    ],
)
def test_one_turn_becomes_a_bare_instruction(instruction: str, bare: str) -> None:
    row, steps = take_roles_apart(draft(instruction, "좋습니다."))
    assert row["fields"]["instruction"] == bare
    assert (row["messages"], steps) == (None, ["role_prefix_removed"])
    assert row["fields"]["answer"] == "좋습니다."


def test_several_turns_become_messages() -> None:
    text = "USER: Hello there ASSISTANT: Hello. USER: How are you? ASSISTANT:"
    row, steps = take_roles_apart(draft(text, "ASSISTANT: Fine."))
    assert steps == ["roles_split"]
    assert turns(row) == [
        ("user", "Hello there"),
        ("assistant", "Hello."),
        ("user", "How are you?"),
        ("assistant", "Fine."),
    ]
    # As of any conversation, the fields hold the last question and its answer.
    assert (row["fields"]["instruction"], row["fields"]["answer"]) == ("How are you?", "Fine.")
    assert row["references"] == ["Fine."]


def test_a_system_turn_may_come_first() -> None:
    row, _ = take_roles_apart(draft("시스템: 짧게 답하세요.\n사용자: 안녕", "네."))
    assert turns(row) == [("system", "짧게 답하세요."), ("user", "안녕"), ("assistant", "네.")]


def test_an_alpaca_prompt_gives_instruction_and_input() -> None:
    text = (
        "Below is an instruction that describes a task. Write a response that completes it.\n\n"
        "### Instruction:\nSum it up.\n\n### Input:\nA long text.\n\n### Response:\n"
    )
    row, steps = take_roles_apart(draft(text, "Short."))
    assert (row["fields"]["instruction"], row["fields"]["input"]) == ("Sum it up.", "A long text.")
    assert steps == ["role_prefix_removed"]


@pytest.mark.parametrize(
    "instruction",
    [
        "다음 대화를 요약해 주세요.\n사용자: 안녕\n어시스턴트: 네.",
        "사용자: 안녕\n상담원: 네.",
        "사용자: 안녕\n어시스턴트: 네.",
        "어시스턴트: 무엇을 도와드릴까요?\n사용자: 안녕",
        "사용자: 하나\n사용자: 둘",
        "Human: hi\n사용자: 안녕",
        "사용자:",
        "준비물: 물과 소금",
        "AI: the future of work",
        "What does a user: group permission do?",
        "### Instruction:\nSum it up.\n### Response:\nDone.",
    ],
)
def test_what_could_be_something_else_stays(instruction: str) -> None:
    row = draft(instruction)
    assert take_roles_apart(row) == (row, [])


def test_a_script_beside_an_input_or_a_label_stays() -> None:
    for row in (draft("사용자: 안녕", asked="본문"), draft("사용자: 안녕", label="인사")):
        assert take_roles_apart(row) == (row, [])


def test_names_before_the_turns_of_a_conversation_go() -> None:
    row, steps = take_roles_apart(draft(messages=[("user", "USER: Hello"), ("assistant", "ASSISTANT: Hi.")]))
    assert turns(row) == [("user", "Hello"), ("assistant", "Hi.")]
    assert steps == ["role_prefix_removed"]
    row, steps = take_roles_apart(
        draft(messages=[("user", "Human: a\nAI: b\nHuman: c"), ("assistant", "AI: d")])
    )
    assert turns(row) == [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    assert steps == ["roles_split"]


def test_a_dialogue_that_was_asked_for_stays() -> None:
    row = draft(messages=[("user", "대화를 써 주세요."), ("assistant", "AI: 안녕\nHuman: 안녕")])
    assert take_roles_apart(row) == (row, [])


@given(text=st.text(alphabet=st.sampled_from("USERASISTAN사용자: \n#aé"), min_size=1, max_size=60))
def test_taking_apart_never_raises_and_keeps_the_answer(text: str) -> None:
    row, _ = take_roles_apart(draft(text))
    answer = row["messages"][-1]["content"] if row["messages"] else row["fields"]["answer"]
    assert answer == "비빔밥이 좋겠습니다."
