from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.config import DataConfig, SplitConfig
from data_pipeline.reasons import REASONS
from data_pipeline.rows.identity import split_of
from data_pipeline.rows.prepare import prepare
from data_pipeline.tasks.tasks import Task
from hunmin.language.normalize import normalize_text
from hunmin.language.script import comparable, language_of

CONFIG = DataConfig.model_validate(
    {"sources": [{"name": "s", "format": "alpaca", "path": "x"}], "bounds": {"answer": [3, 20]}}
)
LABELLED = Task.model_validate(
    {
        "name": "sentiment",
        "labels": ["긍정", "부정"],
        "wordings": [{"id": "a", "language": "ko", "axis": "tone", "text": "감정은?"}],
    }
)


def draft(**changes) -> Any:
    fields = {
        "instruction": "요약해 주세요",
        "input": "본문",
        "answer": "짧은 요약",
        "rationale": None,
        "label": None,
    }
    base = {
        "source": "s",
        "file": "a.jsonl",
        "record": 3,
        "sub_record": 0,
        "task": None,
        "domain": None,
        "language": None,
        "licence": "MIT",
        "synthetic": False,
        "family_key": None,
        "messages": None,
        "references": ["짧은 요약"],
    }
    return base | {"fields": fields | changes.pop("fields", {})} | changes


def prepared(**changes) -> Any:
    return prepare(draft(**changes), config=CONFIG, tasks={"sentiment": LABELLED}, seed=0)


def talk(*pairs: tuple[str, str]) -> list[Any]:
    return [{"role": role, "content": content} for role, content in pairs]


def test_a_refused_row_says_what_its_file_says_and_no_number_of_a_person() -> None:
    row = prepared(fields={"instruction": "<p>010-1234-5678로 전화해 주세요", "answer": " \n "})
    assert row["reason"] == "empty_answer"
    assert row["text"] == "user: <p>[전화번호]로 전화해 주세요\n\n본문\nanswer:  \n "


def test_what_a_reader_quotes_is_masked_too() -> None:
    place = {"source": "s", "file": "a.jsonl", "record": 3, "sub_record": 0}
    line = '{"전화": "010-1234-5678"'
    row: Any = {**place, "reason": "broken_json", "detail": f"line 4: {line}", "text": line}
    kept = prepare(row, config=CONFIG, tasks={}, seed=0)
    assert (kept["detail"], kept["text"]) == ('line 4: {"전화": "[전화번호]"', '{"전화": "[전화번호]"')  # type: ignore[typeddict-item]


def test_a_good_row_is_kept_with_its_origin() -> None:
    row = prepared()
    assert "reason" not in row
    assert row["row_id"] == "s:a.jsonl:3.0"
    assert (row["task"], row["language"], row["transforms"]) == ("instruction", "ko", [])


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"fields": {"answer": " \n "}}, "empty_answer", "answer"),
        ({"fields": {"instruction": " ", "input": None}}, "empty_instruction", "instruction"),
        ({"fields": {"answer": "네"}}, "length_out_of_bounds", "answer has 1 characters, allowed 3 to 20"),
        ({"fields": {"answer": "가" * 21}}, "length_out_of_bounds", "21"),
        (
            {"task": "sentiment", "fields": {"answer": "중립", "label": "중립"}},
            "label_unknown",
            "'중립' is not one of 긍정, 부정",
        ),
        ({"messages": talk(("user", "안녕"))}, "empty_answer", "no answered turn"),
        (
            {"messages": talk(("assistant", "네 네"), ("user", "가"), ("assistant", "나나나"))},
            "role_order",
            "message 0 is assistant, expected user",
        ),
        (
            {"messages": talk(("user", "가"), ("user", "나"), ("assistant", "다다다"))},
            "role_order",
            "message 1 is user",
        ),
        ({"messages": talk(("user", "가"), ("assistant", " "))}, "empty_answer", "message 1"),
    ],
)
def test_each_rule_rejects_its_row(changes: Any, reason: str, detail: str) -> None:
    row = prepared(**changes)
    assert row["reason"] == reason
    assert detail in row["detail"]
    assert reason in REASONS


def test_a_label_answer_is_exempt_from_the_bounds() -> None:
    row = prepared(task="sentiment", fields={"instruction": None, "answer": "긍정", "label": "긍정"})
    assert "reason" not in row


def test_an_unanswered_last_turn_is_dropped_and_noted() -> None:
    row = prepared(messages=talk(("user", "가"), ("assistant", "나나나"), ("user", "다")))
    assert [m["train"] for m in row["messages"]] == [False, True]
    assert row["transforms"] == ["unanswered_turn_dropped"]


@pytest.mark.parametrize(
    ("text", "clean", "steps"),
    [
        ("\u1112\u1161\u11ab", "한", ["nfc"]),
        ("a\r\nb\rc", "a\nb\nc", ["line_ends"]),
        ("a\x00b\u200bc\ufeff", "abc", ["control_characters"]),
        ("👩\u200d👧", "👩\u200d👧", []),
        ("\n  a ", "a", ["outer_space"]),
        ("e\u200b\u0301", "é", ["control_characters", "nfc"]),
    ],
)
def test_normalization_names_what_it_changed(text: str, clean: str, steps: list[str]) -> None:
    assert normalize_text(text) == (clean, steps)


def test_an_answer_keeps_its_indentation() -> None:
    assert normalize_text("\n \n    return 1\n", answer=True)[0] == "    return 1"


@given(text=st.text())
def test_normalization_is_idempotent(text: str) -> None:
    once, _ = normalize_text(text)
    assert normalize_text(once) == (once, [])


def test_family_is_shared_by_variants_and_no_others() -> None:
    one = prepared()["family_id"]
    assert prepared(fields={"instruction": "한 문장으로 줄이세요"})["family_id"] == one
    assert prepared(fields={"answer": "다른 요약"})["family_id"] != one
    alone = {"fields": {"input": None}}
    assert (
        prepared(**alone)["family_id"]
        != prepared(fields={"input": None, "instruction": "다른 질문"})["family_id"]
    )
    keyed = [prepared(family_key="p1", fields={"answer": f"답은 {n}번"})["family_id"] for n in range(2)]
    assert keyed[0] == keyed[1]


def test_a_question_and_its_answer_are_one_family_as_row_and_as_chat() -> None:
    row = prepared(fields={"input": None, "instruction": "물은 몇 도에 끓나요?", "answer": "백 도입니다."})
    chat = prepared(messages=talk(("user", "물은 몇 도에 끓나요?"), ("assistant", "백 도입니다.")))
    assert row["family_id"] == chat["family_id"]


def test_code_that_differs_in_indentation_is_no_duplicate() -> None:
    one = prepared(fields={"answer": "if a:\n x()\n y()"})
    two = prepared(fields={"answer": "if a:\n x()\ny()"})
    assert one["text_key"] != two["text_key"]
    assert prepared(fields={"input": "본문  "})["text_key"] == prepared()["text_key"]


def test_splits_come_in_their_shares_and_stay() -> None:
    config = SplitConfig(val=0.1, heldout=0.2, heldout_tasks=("unseen",))
    splits = [split_of(str(i), "t", config=config, seed=0) for i in range(5000)]
    assert abs(splits.count("heldout") / 5000 - 0.2) < 0.02
    assert abs(splits.count("val") / 5000 - 0.1) < 0.02
    assert splits[:10] == [split_of(str(i), "t", config=config, seed=0) for i in range(10)]
    assert splits != [split_of(str(i), "t", config=config, seed=1) for i in range(5000)]
    assert split_of("0", "unseen", config=config, seed=0) == "heldout"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("안녕하세요", "ko"),
        ("PyTorch로 Llama 학습하기", "ko"),
        ("Hello, 세계 of many English words", "en"),
        ("1234 !!", "und"),
        ("Привет", "other"),
    ],
)
def test_language_by_script(text: str, language: str) -> None:
    assert language_of(text) == language


def test_comparable_texts() -> None:
    assert comparable(" Ｈello\n\t World ") == comparable("hello world")
