"""Records of fields that hold more than a question and its answer."""

import json
from typing import Any

import pytest

BASE = {"instruction": "17 곱하기 3은?", "output": "51입니다."}


def read_one(read_files: Any, record: Any, **settings: Any) -> Any:
    (row,) = read_files({"r.jsonl": json.dumps(record)}, **{"format": "alpaca", **settings})
    return row


def test_a_plain_record_stays_a_row_of_fields(read_files: Any) -> None:
    row = read_one(read_files, {**BASE, "system": "", "history": [], "tools": "[]"})
    assert (row["messages"], row["tools"], row["weight"], row["unread"]) == (None, None, 1.0, [])


@pytest.mark.parametrize(
    "more", [{"reasoning": "17+17+17"}, {"output": "<think>\n17+17+17\n</think>\n\n51입니다."}]
)
def test_a_thought_makes_a_conversation_of_it(read_files: Any, more: Any) -> None:
    row = read_one(read_files, {**BASE, "input": "암산으로", **more})
    assert row["messages"] == [
        {"role": "user", "content": "17 곱하기 3은?\n\n암산으로"},
        {"role": "assistant", "content": "51입니다.", "reasoning": "17+17+17"},
    ]
    assert (row["fields"]["answer"], row["references"]) == ("51입니다.", ["51입니다."])


def test_an_empty_thought_is_none(read_files: Any) -> None:
    row = read_one(read_files, {**BASE, "output": "<think>\n\n</think>\n\n51입니다.", "reasoning": ""})
    assert (row["messages"], row["fields"]["answer"], row["references"]) == (None, "51입니다.", ["51입니다."])


def test_system_text_and_earlier_turns(read_files: Any) -> None:
    record = {**BASE, "system": "짧게", "history": [["안녕", "안녕하세요."]]}
    assert [turn["content"] for turn in read_one(read_files, record)["messages"]] == [
        "짧게",
        "안녕",
        "안녕하세요.",
        "17 곱하기 3은?",
        "51입니다.",
    ]


def test_a_table_reads_them_where_they_are_mapped(read_files: Any) -> None:
    columns = {"instruction": "q", "answer": "a", "reasoning": "cot", "system": "=짧게"}
    record = {"q": "셋은?", "a": "3", "cot": "하나, 둘", "system": "서버"}
    row = read_one(read_files, record, format="table", columns=columns)
    assert [turn.get("reasoning") for turn in row["messages"]] == [None, None, "하나, 둘"]
    assert row["unread"] == ["system"]


@pytest.mark.parametrize(
    ("record", "settings", "reason", "words"),
    [
        ({**BASE, "output": "<think>a</think>"}, {}, "no_answer", "behind the thought"),
        ({**BASE, "output": "<think>a</think>b", "thinking": "c"}, {}, "contradiction", "thought"),
        ({**BASE, "history": "안녕"}, {}, "wrong_type", "list of pairs"),
        ({**BASE, "w": 0}, {"columns": {"weight": "w"}}, "no_answer", "weight 0"),
        (
            {"q": "셋은?", "a": "<think>x</think>3"},
            {"format": "table", "columns": {"input": "q", "answer": "a"}},
            "no_prompt",
            "instruction of its own",
        ),
        (
            {"prompt": [{"role": "user", "content": "a"}], "completion": "b", "reasoning": "c"},
            {"format": "prompt_completion"},
            "unsupported_key",
            "beside a list of turns",
        ),
    ],
)
def test_what_cannot_be_read(read_files: Any, record: Any, settings: Any, reason: str, words: str) -> None:
    row = read_one(read_files, record, **settings)
    assert row["reason"] == reason
    assert words in row["detail"]


def test_a_label_has_no_thought(read_files: Any) -> None:
    columns = {"instruction": "q", "label": "l"}
    row = read_one(read_files, {"q": "무슨 표시?", "l": "</think>"}, format="table", columns=columns)
    assert (row["fields"]["label"], row["messages"]) == ("</think>", None)


def test_prompt_and_completion(read_files: Any) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    turns = [{"role": "user", "content": "a"}]
    record = {"prompt": json.dumps(turns), "completion": "b", "system": "짧게", "tools": tools}
    row = read_one(read_files, record, format="prompt_completion")
    assert [turn["role"] for turn in row["messages"]] == ["system", "user", "assistant"]
    assert json.loads(row["tools"]) == tools
    row = read_one(read_files, {"prompt": "[1, 2]의 합은?", "completion": "3"}, format="prompt_completion")
    assert row["messages"] is None
