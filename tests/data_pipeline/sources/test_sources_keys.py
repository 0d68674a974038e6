"""Nothing of a record is read past: each key is read, counted, declared as ignored, or rejects the row."""

import json
from pathlib import Path
from typing import Any

import pytest

from data_pipeline.config import SourceConfig
from data_pipeline.sources.settings import check_settings
from hunmin.errors import ConfigError

TALK = [{"role": "user", "content": "콩은?"}, {"role": "assistant", "content": "초록색입니다."}]
FIELDS = {"instruction": "콩의 색은?", "input": "", "output": "초록색입니다."}
TABLE: dict[str, Any] = {"format": "table", "columns": {"instruction": "instruction", "answer": "output"}}


def only(read_files: Any, record: Any, **settings: Any) -> Any:
    (row,) = read_files({"r.jsonl": json.dumps(record)}, **settings)
    return row


@pytest.mark.parametrize(
    ("record", "settings"),
    [
        ({"messages": TALK}, {"format": "messages"}),
        ({"conversations": TALK}, {"format": "sharegpt"}),
        (FIELDS, {"format": "alpaca"}),
        (FIELDS, TABLE),
        ({"prompt": "콩의 색은?", "completion": "초록색입니다."}, {"format": "prompt_completion"}),
        ({"prompt": TALK[:1], "completion": TALK[1:]}, {"format": "prompt_completion"}),
    ],
)
class TestEachFormat:
    def test_other_keys_are_counted_if_they_say_something(
        self, read_files: Any, record: Any, settings: Any
    ) -> None:
        more = {
            "source": "s",
            "id": 7,
            "note": None,
            "score": float("nan"),
            "tags": [],
            "meta": {},
            "url": "",
        }
        assert only(read_files, {**record, **more}, **settings)["unread"] == ["id", "source"]

    def test_keys_that_a_setting_reads_or_ignores_are_not(
        self, read_files: Any, record: Any, settings: Any
    ) -> None:
        more = {"group": "g", "lang": "ko", "weight": 3, "id": 1}
        filters = [{"column": "lang", "values": ["ko"]}]
        row = only(
            read_files, {**record, **more}, **settings, family="group", filters=filters, ignore=["weight"]
        )
        assert row["unread"] == ["id"]

    @pytest.mark.parametrize("key", ["weight", "loss", "Train", "images", "audio", "function_call"])
    def test_keys_that_change_the_meaning_reject_the_row(
        self, read_files: Any, record: Any, settings: Any, key: str
    ) -> None:
        row = only(read_files, {**record, key: [0.5]}, **settings)
        assert row["reason"] == "unsupported_key"
        assert f"{key} is [0.5]" in row["detail"]
        assert f"ignore: [{key}]" in row["detail"]

    def test_the_weight_that_all_have_changes_nothing(
        self, read_files: Any, record: Any, settings: Any
    ) -> None:
        for value in (1, 1.0, True, "1", None):
            row = only(read_files, {**record, "weight": value}, **settings)
            assert row["unread"] == ([] if value is None else ["weight"])

    def test_a_weight_and_tools_can_be_mapped(self, read_files: Any, record: Any, settings: Any) -> None:
        columns = {**settings.get("columns", {}), "weight": "w", "tools": "api"}
        more = {"w": "0.25", "api": [{"name": "f"}]}
        row = only(read_files, {**record, **more}, **{**settings, "columns": columns})
        assert (row["weight"], row["unread"]) == (0.25, [])
        assert json.loads(row["tools"]) == [{"type": "function", "function": {"name": "f"}}]


def test_keys_of_turns(read_files: Any) -> None:
    turns = [{**TALK[0], "name": "하나", "id": 1}, {**TALK[1], "id": 2, "stop": None}]
    row = only(read_files, {"messages": turns}, format="messages")
    assert row["unread"] == ["messages.*.id", "messages.*.name"]
    assert row["messages"] == TALK


def test_null_counts_as_absent_before_a_choice_between_keys(read_files: Any) -> None:
    turns = [
        {"from": None, "value": float("nan"), **TALK[0]},
        {"from": "gpt", "value": "초록색입니다.", "role": None, "content": None},
    ]
    record = {"conversations": None, "messages": turns}
    assert only(read_files, record, format="sharegpt")["messages"] == TALK
    record = {"prompt": None, "question": "말은?", "completion": float("nan"), "response": "히힝"}
    fields = only(read_files, record, format="prompt_completion")["fields"]
    assert (fields["instruction"], fields["answer"]) == ("말은?", "히힝")


def test_an_empty_text_gives_way_to_another(read_files: Any) -> None:
    turns = [{**TALK[0], "from": "", "value": ""}, TALK[1]]
    record = {"messages": turns, "system": "", "system_prompt": "짧게"}
    system = {"role": "system", "content": "짧게"}
    assert only(read_files, record, format="messages")["messages"] == [system, *TALK]


def test_two_keys_that_differ_contradict(read_files: Any) -> None:
    for turn in ({**TALK[0], "value": "팥은?"}, {**TALK[0], "from": "gpt"}):
        row = only(read_files, {"messages": [turn, TALK[1]]}, format="messages")
        assert row["reason"] == "contradiction"
    same = {**TALK[0], "value": TALK[0]["content"], "from": "user"}
    assert only(read_files, {"messages": [same, TALK[1]]}, format="messages")["messages"] == TALK


def test_a_system_text_beside_another_one(read_files: Any) -> None:
    turns = [{"role": "system", "content": "짧게"}, *TALK]
    assert only(read_files, {"messages": turns, "system": "짧게 "}, format="messages")["messages"] == turns
    row = only(read_files, {"messages": turns, "system": "길게"}, format="messages")
    assert (row["reason"], '"길게"' in row["detail"]) == ("contradiction", True)


def test_items_of_each_and_trees(read_files: Any) -> None:
    record = {"id": 1, "items": [{"q": "a", "a": "b", "level": 2}]}
    columns = {"instruction": "q", "answer": "a"}
    row = only(read_files, record, format="table", columns=columns, each="items")
    assert row["unread"] == ["id", "level"]
    reply = {"role": "assistant", "text": "b", "replies": [], "labels": {"spam": 0}}
    tree = {
        "message_tree_id": "1",
        "state": "x",
        "prompt": {"role": "prompter", "text": "a", "replies": [reply]},
    }
    assert only(read_files, tree, format="oasst")["unread"] == ["state", "prompt.labels"]


def test_keys_are_of_an_instance_too(read_files: Any) -> None:
    task = {"Definition": "반대말", "Instances": [{"id": "t1", "input": "높다", "output": ["낮다"]}]}
    (row,) = read_files({"t.json": json.dumps(task)}, format="natural_instructions")
    assert row["unread"] == ["id"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"format": "messages", "turn_keys": {"contents": "c"}},
            "turn_keys.contents is unknown; did you mean",
        ),
        ({"format": "messages", "columns": {"answer": "c"}}, "columns.answer is unknown"),
        ({"format": "alpaca", "join_turns": True}, "join_turns has no meaning for format alpaca"),
        ({"format": "gettext", "languages": ["en", "ko"], "ignore": ["x"]}, "ignore has no meaning"),
    ],
)
def test_settings_that_cannot_be_meant(settings: Any, words: str) -> None:
    source = SourceConfig.model_validate({"name": "s", "path": "x", **settings})
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")):
        check_settings(source, index=0)


def test_a_role_of_the_config_is_one_of_four(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="roles"):
        SourceConfig.model_validate(
            {"name": "s", "format": "messages", "path": str(tmp_path), "roles": {"고객": "customer"}}
        )
