"""Prompts and completions, as texts and as messages."""

import json
import re
from typing import Any

import pytest
from source_helpers import fields_of, reasons_of

from hunmin.errors import ConfigError, InputError

USER = {"role": "user", "content": "안녕?"}
ASSISTANT = {"role": "assistant", "content": "안녕하세요."}


def pairs(read_files: Any, *records: Any, **more: Any) -> list[dict]:
    return read_files({"p.jsonl": "\n".join(map(json.dumps, records))}, format="prompt_completion", **more)


@pytest.mark.parametrize(
    ("prompt", "completion"),
    [("prompt", "completion"), ("question", "answer"), ("query", "response"), ("input", "output")],
)
def test_keys_under_their_common_names(read_files: Any, prompt: str, completion: str) -> None:
    (row,) = pairs(read_files, {prompt: "2 더하기 2는?", completion: "4"})
    assert fields_of([row], "instruction", "input", "answer") == [("2 더하기 2는?", None, "4")]
    assert (row["messages"], row["references"]) == (None, ["4"])


def test_declared_keys_win_and_may_be_paths(read_files: Any) -> None:
    record = {"prompt": "no", "completion": "no", "x": {"ask": "yes?"}, "y": "yes"}
    (row,) = pairs(read_files, record, columns={"instruction": "x.ask", "answer": "y"})
    assert fields_of([row], "instruction", "answer") == [("yes?", "yes")]


@pytest.mark.parametrize(
    ("prompt", "completion", "roles"),
    [
        ([USER], [ASSISTANT], ["user", "assistant"]),
        ([USER], "네.", ["user", "assistant"]),
        ("안녕?", [ASSISTANT], ["user", "assistant"]),
        (
            [{"role": "system", "content": "짧게"}, USER, ASSISTANT, USER],
            [ASSISTANT],
            ["system", "user", "assistant", "user", "assistant"],
        ),
    ],
)
def test_lists_of_messages_are_one_conversation(
    read_files: Any, prompt: Any, completion: Any, roles: list[str]
) -> None:
    (row,) = pairs(read_files, {"prompt": prompt, "completion": completion})
    assert [turn["role"] for turn in row["messages"]] == roles
    assert row["fields"]["instruction"] == "안녕?"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"prompt": "a", "completion": " "}, "no_answer"),
        ({"prompt": "", "completion": "b"}, "no_prompt"),
        ({"prompt": "a"}, "missing_field"),
        ({"instruction": "빼 줘.", "input": "9, 2", "output": "7"}, "contradiction"),
        ({"prompt": "a", "completion": "b", "response": "c"}, "contradiction"),
        ({"prompt": {"a": 1}, "completion": "b"}, "wrong_type"),
        ({"prompt": [USER], "completion": []}, "no_answer"),
        ({"prompt": [USER, ASSISTANT], "completion": [USER]}, "no_answer"),
        ({"prompt": [USER], "completion": [{"role": "judge", "content": "x"}]}, "unknown_role"),
        ([], "not_an_object"),
    ],
)
def test_each_rule_rejects_its_record(read_files: Any, record: Any, reason: str) -> None:
    assert reasons_of(pairs(read_files, {"prompt": "a", "completion": "b"}, record)) == [None, reason]


def test_of_several_keys_the_one_with_a_value_is_read(read_files: Any) -> None:
    records = [
        {"prompt": "", "question": "a", "completion": "b"},
        {"prompt": "a", "query": "a", "output": "b"},
    ]
    rows = pairs(read_files, *records)
    assert [(row["fields"]["instruction"], row["fields"]["answer"]) for row in rows] == [("a", "b")] * 2
    columns = {"instruction": "input", "answer": "output"}
    (row,) = pairs(read_files, {"instruction": "x", "input": "a", "output": "b"}, columns=columns)
    assert row["fields"]["instruction"] == "a"


def test_another_kind_of_file_stops(read_files: Any) -> None:
    with pytest.raises(InputError, match="has the key prompt or question"):
        pairs(read_files, {"text": "a"})
    with pytest.raises(ConfigError, match=r"columns.label is unknown; the fields are instruction, answer"):
        pairs(read_files, {"prompt": "a", "completion": "b"}, columns={"label": "c"})


MANY = {"instruction": "turns", "answer": "reference"}


def test_questions_and_as_many_answers_are_one_conversation(read_files: Any) -> None:
    record = {"turns": ["하나는?", "둘은?"], "reference": ["1", "2"]}
    (row,) = pairs(read_files, record, columns=MANY)
    said = [("user", "하나는?"), ("assistant", "1"), ("user", "둘은?"), ("assistant", "2")]
    assert [(turn["role"], turn["content"]) for turn in row["messages"]] == said
    assert fields_of([row], "instruction", "answer") == [("둘은?", "2")]


@pytest.mark.parametrize(
    ("turns", "reference", "reason", "words"),
    [
        (["a", "b"], None, "no_answer", "none of the 2 questions"),
        (["a", "b"], [], "no_answer", "none of the 2 questions"),
        (["a", "b"], ["x"], "no_answer", "question 2 of 2 has no answer"),
        (["a", "b"], ["", "y"], "no_answer", "question 1 of 2 has no answer"),
        (["a"], ["x", "y"], "contradiction", r"1 question\(s\) and 2 answers"),
        (["a", "b"], [{"x": 1}, "y"], "wrong_type", "content of turn 2"),
    ],
)
def test_questions_without_their_answers_are_rejected(
    read_files: Any, turns: Any, reference: Any, reason: str, words: str
) -> None:
    good = {"turns": ["a"], "reference": ["x"]}
    kept, row = pairs(read_files, good, {"turns": turns, "reference": reference}, columns=MANY)
    assert "reason" not in kept
    assert row["reason"] == reason
    assert re.search(words, row["detail"])
