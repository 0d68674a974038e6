"""Each check refuses its row, keeps the row's good neighbour, and can be switched off."""

from typing import Any

import pytest
from pydantic import ValidationError
from rows_drafts import data_config, draft

from data_pipeline.config import BoundsConfig
from data_pipeline.reasons import CHECKS, SWITCHABLE, Refusal
from data_pipeline.rows.checks.bounds import PROFILES, ranges_of
from data_pipeline.rows.validate import validate

CONFIG = data_config()
PROSE = "The committee met on Monday. It heard three reports. It thanked the staff for the work. "


def judged(row: Any, **settings: Any) -> Refusal:
    config = data_config(**settings) if settings else CONFIG
    return validate(row, config=config, task_labels=(), has_bank=False, task_bounds=None)


# One row that trips each check, and nothing but that check.
BAD: dict[str, Any] = {
    "empty_instruction": draft(None),
    "role_order": draft(messages=[("user", "하나"), ("user", "둘"), ("assistant", "둘입니다.")]),
    "meaningless_answer": draft(answer="**"),
    "tool_order": draft(messages=[("user", "하나"), ("tool", "둘"), ("assistant", "둘입니다.")]),
    "length_out_of_bounds": draft("가" * 20_001),
    "mojibake": draft(answer="cafÃ© de Paris"),
    "private_use": draft(answer="\uf8ff 상표입니다."),
    "template_leftover": draft(answer="짧은 요약입니다.<|im_end|>"),
    "placeholder": draft("요약해 주세요.", asked="sample input"),
    "stacked_instructions": draft("다음을 요약해주세요: 다음을 번역해주세요:", asked="본문"),
    "language_mismatch": draft("영어로 답해 주세요.", answer="저는 한국어로만 답합니다."),
    "truncated_text": draft(answer=f"{PROSE}Then it turned to the"),
    "repeated_text": draft(answer="정말 좋습니다. " * 40),
}


@pytest.mark.parametrize("reason", [name for name in SWITCHABLE if name != "label_unknown"])
def test_each_check_refuses_its_row_and_can_be_switched_off(reason: str) -> None:
    refusal = judged(BAD[reason])
    assert refusal is not None
    assert refusal[0] == reason
    assert judged(BAD[reason], validation={"skip": [reason]}) is None


def test_a_good_row_is_kept() -> None:
    assert judged(draft()) is None
    assert judged(draft(messages=[("system", "짧게"), ("user", "안녕"), ("assistant", "네.")])) is None


def test_a_label_must_be_one_of_the_task() -> None:
    row = draft(answer="중립", label="중립")
    asked: Any = {"task_labels": ("긍정", "부정"), "has_bank": True, "task_bounds": None}
    assert validate(row, config=CONFIG, **asked) == ("label_unknown", "'중립' is not one of 긍정, 부정")
    off = data_config(validation={"skip": ["label_unknown"]})
    assert validate(row, config=off, **asked) is None


@pytest.mark.parametrize(
    ("messages", "reason", "detail"),
    [
        ([("user", "안녕")], "empty_answer", "no answered turn"),
        ([("user", "안녕"), ("assistant", "")], "empty_answer", "message 1"),
        ([("user", ""), ("assistant", "네.")], "empty_instruction", "message 0"),
        (
            [("assistant", "네."), ("user", "왜?"), ("assistant", "음.")],
            "role_order",
            "message 0 is assistant",
        ),
        ([("system", "a"), ("system", "b"), ("user", "c"), ("assistant", "d")], "role_order", "is system"),
        ([], "empty_answer", "no answered turn"),
    ],
)
def test_conversations_alternate_and_end_with_an_answer(
    messages: list[tuple[str, str]], reason: str, detail: str
) -> None:
    row = draft() | {"messages": [{"role": role, "content": content} for role, content in messages]}
    refusal = judged(row)
    assert refusal is not None
    assert refusal[0] == reason
    assert detail in refusal[1]


def test_a_bad_turn_of_a_conversation_is_found_and_named() -> None:
    row = draft(
        messages=[
            ("user", "안녕"),
            ("assistant", "네."),
            ("user", "영어로 답해줘"),
            ("assistant", "싫습니다."),
        ]
    )
    row["messages"][3]["content"] = "저는 한국어만 합니다."
    refusal = judged(row)
    assert refusal is not None
    assert refusal[0] == "language_mismatch"
    assert refusal[1].startswith("message 2: ")


def test_turns_out_of_order_are_still_judged_where_the_order_is_not() -> None:
    row = draft(
        messages=[
            ("assistant", "안녕하세요."),
            ("user", "영어로 답해줘"),
            ("assistant", "저는 한국어만 합니다."),
        ]
    )
    refusal = judged(row, validation={"skip": ["role_order"]})
    assert refusal is not None
    assert refusal[0] == "language_mismatch"
    assert refusal[1].startswith("message 1: ")


# ---- bounds


def test_an_explicit_range_wins_over_the_task_and_the_task_over_the_profile() -> None:
    config = BoundsConfig(profile="instruction_data", answer=(1, 9))
    ranges = ranges_of(config, {"answer": [4, 5], "input": [2, 7]})
    assert ranges == {"instruction": (5, 200), "input": (2, 7), "answer": (1, 9)}
    assert ranges_of(BoundsConfig(), None) == PROFILES["default"]


@pytest.mark.parametrize(
    ("profile", "instruction", "answer", "kept"),
    [
        ("instruction_data", "가" * 4, "나" * 3, False),
        ("instruction_data", "가" * 5, "나" * 3, True),
        ("instruction_data", "가" * 200, "나" * 2000, True),
        ("instruction_data", "가" * 201, "나" * 2000, False),
        ("instruction_data", "가" * 200, "나" * 2001, False),
        ("instruction_data", "가" * 200, "나" * 2, False),
        ("sft", "가", "나" * 9, False),
        ("sft", "가", "나" * 10, True),
        ("sft", "가", "나" * 1000, True),
        ("sft", "가", "나" * 1001, False),
        ("default", "가", "나", True),
    ],
)
def test_profiles_hold_to_the_character(profile: str, instruction: str, answer: str, kept: bool) -> None:
    row = draft(instruction, answer)
    refusal = judged(row, bounds={"profile": profile}, validation={"skip": ["repeated_text"]})
    assert (refusal is None) == kept
    assert kept or (refusal and refusal[0] == "length_out_of_bounds")


def test_the_bare_wording_is_counted_without_the_input_and_labels_are_exempt() -> None:
    bounds = {"profile": "instruction_data"}
    assert judged(draft("요약하세요.", asked="가" * 500), bounds=bounds) is None
    assert judged(draft("감정은 어떤가요?", answer="1", label="1"), bounds=bounds) is None
    assert (
        judged(
            draft(messages=[("user", "요약하세요.\n\n" + "가" * 500), ("assistant", "요약입니다.")]),
            bounds=bounds,
        )
        is None
    )
    refusal = judged(draft(messages=[("user", "가" * 500), ("assistant", "요약입니다.")]), bounds=bounds)
    assert refusal == ("length_out_of_bounds", "message 0: instruction has 500 characters, allowed 5 to 200")


def test_bounds_of_the_task_count() -> None:
    asked: Any = {"config": CONFIG, "task_labels": (), "has_bank": False}
    refusal = validate(draft(), **asked, task_bounds={"answer": (1, 5)})
    assert refusal == ("length_out_of_bounds", "answer has 11 characters, allowed 1 to 5")


@pytest.mark.parametrize("wrong", [[5, 3], [-1, 3]])
def test_a_range_must_ascend(wrong: list[int]) -> None:
    with pytest.raises(ValidationError, match="give \\[fewest, most\\]"):
        BoundsConfig.model_validate({"answer": wrong})


# ---- validation.skip


def test_unknown_checks_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValidationError, match="did you mean truncated_text"):
        data_config(validation={"skip": ["truncated_texts"]})
    with pytest.raises(ValidationError, match="empty_answer is always checked"):
        data_config(validation={"skip": ["empty_answer"]})
    with pytest.raises(ValidationError, match="no check of rows"):
        data_config(validation={"skip": ["duplicate"]})


def test_every_check_but_one_is_switchable() -> None:
    assert set(SWITCHABLE) == set(CHECKS) - {"empty_answer"}
    assert set(BAD) | {"label_unknown"} == set(SWITCHABLE)
