import json
from typing import Any

import pytest
from source_helpers import reasons_of

GOOD = [{"from": "human", "value": "안녕?"}, {"from": "gpt", "value": "안녕하세요."}]


def turns(*said: str) -> list[dict]:
    """Turns from "role: content"."""
    return [dict(zip(("from", "value"), one.split(": ", 1), strict=True)) for one in said]


def share(read_files: Any, *conversations: Any, **more: Any) -> list[dict]:
    records = [{"conversations": conversation, **more} for conversation in conversations]
    return read_files({"c.json": json.dumps(records)}, format="sharegpt")


def roles(row: dict) -> list[str]:
    return [turn["role"] for turn in row["messages"]]


def test_a_conversation_keeps_its_turns_and_its_last_pair_as_fields(read_files: Any) -> None:
    (row,) = share(read_files, turns("system: 친절하게", "human: 하나", "gpt: 1", "human: 둘", "gpt: 2"))
    assert [(turn["role"], turn["content"]) for turn in row["messages"]] == [
        ("system", "친절하게"),
        ("user", "하나"),
        ("assistant", "1"),
        ("user", "둘"),
        ("assistant", "2"),
    ]
    assert row["fields"] == {
        "instruction": "둘",
        "input": None,
        "answer": "2",
        "rationale": None,
        "label": None,
        "value": None,
    }
    assert row["references"] == ["2"]


def test_an_open_end_and_any_order_are_left_to_the_judge(read_files: Any) -> None:
    (row,) = share(read_files, turns("gpt: a", "human: b", "gpt: c", "human: d"))
    assert roles(row) == ["assistant", "user", "assistant", "user"]
    assert (row["fields"]["instruction"], row["fields"]["answer"]) == ("b", "c")
    (row,) = share(read_files, turns("gpt: a"))
    assert (row["fields"]["instruction"], row["fields"]["answer"]) == (None, "a")


@pytest.mark.parametrize("key", ["conversations", "items"])
@pytest.mark.parametrize("form", ["sharegpt", "vicuna"])
def test_spellings_of_keys_and_roles(read_files: Any, key: str, form: str) -> None:
    for user, assistant in (("human", "gpt"), ("user", "assistant"), ("User", " bot "), ("사용자", "도우미")):
        record = {key: [{"from": user, "value": "a"}, {"role": assistant, "content": "b"}]}
        (row,) = read_files({"c.jsonl": json.dumps(record)}, format=form)
        assert roles(row) == ["user", "assistant"]


def test_openai_messages(read_files: Any) -> None:
    record = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    (row,) = read_files({"m.jsonl": json.dumps(record)}, format="messages")
    assert roles(row) == ["user", "assistant"]


def test_system_text_beside_the_turns(read_files: Any) -> None:
    (row,) = share(read_files, GOOD, system="짧게")
    assert row["messages"][0] == {"role": "system", "content": "짧게"}
    (row,) = share(read_files, turns("system:  ", "human: a", "gpt: b"))
    assert roles(row) == ["user", "assistant"]


@pytest.mark.parametrize(
    ("conversation", "reason", "words"),
    [
        ([], "empty_conversation", "empty list"),
        ("말", "wrong_type", "conversations is a text"),
        (["말"], "wrong_type", "turn 1 is a text"),
        ([{"from": "human"}], "missing_field", "turn 1 has no key value or content"),
        ([{"value": "x"}], "missing_field", "turn 1 has no key from or role"),
        ([{"role": "user", "content": [{"type": "text"}]}], "wrong_type", "content of turn 1 has no text"),
        (turns("human: a", "narrator: b"), "unknown_role", 'turn 2 is by "narrator"'),
        (turns("human: a", "gpt: "), "no_answer", "the last answer, turn 2, is empty"),
        (turns("human: a", "human: b"), "no_answer", "no turn of an assistant among 2"),
    ],
)
def test_each_rule_rejects_its_conversation(
    read_files: Any, conversation: Any, reason: str, words: str
) -> None:
    good, bad = share(read_files, GOOD, conversation)
    assert reasons_of([good, bad]) == [None, reason]
    assert bad["detail"].startswith("item 2 of the array: ")
    assert words in bad["detail"]


def test_half_a_surrogate_pair_in_any_turn(read_files: Any) -> None:
    rows = share(read_files, turns("human: \ud83d", "gpt: b", "human: c", "gpt: d"), GOOD)
    assert reasons_of(rows) == ["bad_encoding", None]


def test_a_record_without_turns(read_files: Any) -> None:
    text = json.dumps([{"conversations": GOOD}, {"conversation_id": 1}, 3])
    rows = read_files({"c.json": text}, format="sharegpt")
    assert reasons_of(rows) == [None, "missing_field", "not_an_object"]
