"""Two files whose records have an id in common are one source."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_helpers import fields_of, reasons_of, write_files

from data_pipeline.build.inputs import input_paths, inputs_sha256
from data_pipeline.config import DataConfig, SourceConfig
from data_pipeline.sources import describe, expand, read
from data_pipeline.sources import join as joining
from hunmin.errors import ConfigError, InputError
from hunmin.models.config import ModelConfig
from hunmin.section import content_of

COLUMNS = {"instruction": "q", "answer": "joined.a"}
JOIN = {"path": "answers.jsonl", "by": "id"}


def lines(*records: Any) -> str:
    return "\n".join(one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in records)


def joined(read_files: Any, asked: str, answers: str, **settings: Any) -> list[Any]:
    files = {settings.get("path", "asked.jsonl"): asked, "answers.jsonl": answers}
    return read_files(files, **{"format": "table", "columns": COLUMNS, "join": JOIN, **settings})


def test_each_record_gets_the_one_of_its_id_in_its_own_order(read_files: Any) -> None:
    asked = lines({"id": 2, "q": "둘은?"}, {"id": 1, "q": "하나는?"})
    rows = joined(read_files, asked, lines({"id": 1, "a": "1"}, {"id": 2, "a": "2"}, {"id": 3, "a": "3"}))
    assert fields_of(rows, "instruction", "answer") == [("둘은?", "2"), ("하나는?", "1")]
    assert [row["unread"] for row in rows] == [[], []]


@pytest.mark.parametrize(
    ("asked", "answer", "reason", "words"),
    [
        ({"id": 2, "q": "a"}, {"id": 1, "a": "b"}, "join_missing", "none of 2 records has id 2"),
        ({"q": "a"}, {"id": 1, "a": "b"}, "missing_field", "no key id"),
        ({"id": None, "q": "a"}, {"id": 1, "a": "b"}, "missing_field", "id is empty"),
        ({"id": "01", "q": "a"}, {"id": 1, "a": "b"}, "join_missing", "id 01"),
        ({"id": 1, "q": "a", "joined": 0}, {"id": 1, "a": "b"}, "contradiction", "set join.under"),
        ({"id": 1, "q": "a"}, {"id": 1, "a": "b", "weight": 0.5}, "unsupported_key", "joined.weight is 0.5"),
    ],
)
def test_what_cannot_be_joined_is_rejected_with_its_record(
    read_files: Any, asked: Any, answer: Any, reason: str, words: str
) -> None:
    good = {"id": 9, "q": "c", "a": "d"}
    _, row = joined(read_files, lines(good, asked), lines(answer, good))
    assert (row["reason"], row["record"]) == (reason, 1)
    assert row["detail"].startswith("line 2: ")
    assert words in row["detail"]
    assert row["text"].startswith(json.dumps(asked)[:-1])


def test_an_id_that_stands_twice_joins_nothing_and_tells_both_places(read_files: Any) -> None:
    answers = lines({"id": 1, "a": "x"}, {"id": 2, "a": "y"}, {"id": 1.0, "a": "z"})
    rows = joined(read_files, lines({"id": 1, "q": "a"}, {"id": 2, "q": "b"}), answers)
    assert reasons_of(rows) == ["join_ambiguous", None]
    assert "answers.jsonl, line 1" in rows[0]["detail"]
    assert "answers.jsonl, line 3" in rows[0]["detail"]


def test_one_id_may_be_asked_about_twice(read_files: Any) -> None:
    rows = joined(read_files, lines({"id": 1, "q": "a"}, {"id": 1, "q": "b"}), lines({"id": 1, "a": "x"}))
    assert fields_of(rows, "instruction", "answer") == [("a", "x"), ("b", "x")]


def test_a_broken_record_of_the_other_file_is_named_where_it_is_missed(read_files: Any) -> None:
    (row,) = joined(read_files, lines({"id": 1, "q": "a"}), lines('{"id": 1, "a":', {"id": 2, "a": "b"}))
    assert row["reason"] == "join_missing"
    assert "not read there: answers.jsonl, line 1: " in row["detail"]


def test_several_keys_are_one_id_and_other_keys_of_the_other_record_are_counted(read_files: Any) -> None:
    asked = lines({"doc": "a", "n": 1, "q": "x"}, {"doc": "b", "n": 1, "q": "y"})
    answers = lines({"doc": "b", "n": 1, "a": "B", "by": "z"}, {"doc": "a", "n": 1, "a": "A"})
    rows = joined(read_files, asked, answers, join={**JOIN, "by": ["doc", "n"]})
    assert fields_of(rows, "answer") == [("A",), ("B",)]
    assert [row["unread"] for row in rows] == [[], ["joined.by"]]


def test_equal_names_stand_apart_and_texts_have_columns_of_both(read_files: Any) -> None:
    columns = {"instruction": "{text}\n{more.text}", "answer": "more.a.0"}
    (row,) = joined(
        read_files,
        lines({"id": 1, "text": "본문"}),
        lines({"id": 1, "text": "질문", "a": ["답"]}),
        columns=columns,
        join={**JOIN, "under": "more"},
    )
    assert fields_of([row], "instruction", "answer") == [("본문\n질문", "답")]


def test_files_of_other_kinds_join(read_files: Any, tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1, 2], "a": ["x", "y"]}), tmp_path / "answers.parquet")
    join = {"path": "answers.parquet", "by": "id"}
    rows = read_files({"asked.csv": "id,q\n1,하나\n2,둘\n"}, format="table", columns=COLUMNS, join=join)
    assert fields_of(rows, "instruction", "answer") == [("하나", "x"), ("둘", "y")]


def test_labels_filters_each_and_conversations_reach_the_other_record(read_files: Any) -> None:
    asked = lines({"id": 1, "q": "a"}, {"id": 2, "q": "b"})
    rows = joined(
        read_files,
        asked,
        lines({"id": 1, "a": 0, "ok": "y"}, {"id": 2, "a": 1, "ok": "n"}),
        columns={"input": "q", "label": "joined.a"},
        labels={"0": "부정", "1": "긍정"},
        filters=[{"column": "joined.ok", "values": ["y"]}],
    )
    assert [row.get("reason") or row["fields"]["label"] for row in rows] == ["부정", "filtered"]
    rows = joined(
        read_files,
        asked,
        lines({"id": 1, "pairs": [{"a": "x"}, {"a": "y"}]}, {"id": 2, "pairs": []}),
        columns={"instruction": "q", "answer": "a"},
        each="joined.pairs",
    )
    assert [row.get("reason") or row["fields"]["answer"] for row in rows] == ["x", "y", "no_items"]
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    (row,) = joined(
        read_files,
        lines({"id": 1, "messages": turns}),
        lines({"id": 1, "s": "짧게"}),
        format="messages",
        columns={"system": "joined.s"},
    )
    assert [turn["content"] for turn in row["messages"]] == ["짧게", "a", "b"]


def test_a_column_that_neither_file_has_stops_with_the_file_that_lacks_it(read_files: Any) -> None:
    asked, answers = lines({"id": 1, "q": "a"}), lines({"id": 1, "text": "b"})
    with pytest.raises(InputError, match=r"answers.jsonl: none of the first 1 records has the key a "):
        joined(read_files, asked, answers)
    with pytest.raises(InputError, match=r"asked.jsonl: none of the first 1 records has the key no"):
        joined(read_files, asked, lines({"no": 1, "a": "b"}), join={**JOIN, "by": "no"})
    with pytest.raises(InputError, match=r"no file at .*missing\.jsonl"):
        joined(read_files, asked, answers, join={**JOIN, "path": "missing.jsonl"})
    with pytest.raises(ConfigError, match="join has no meaning for format parallel"):
        joined(read_files, asked, answers, format="parallel", columns={})


def test_too_large_a_file_is_refused_before_it_is_read(
    read_files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "MAX_JOINED_BYTES", 10)
    with pytest.raises(InputError, match=r"join reads \d+ bytes of answers.jsonl into memory, at most 10"):
        joined(read_files, lines({"id": 1, "q": "a"}), lines({"id": 1, "a": "b"}))


def test_the_other_file_is_an_input_of_the_stage(tmp_path: Path) -> None:
    asked, answers = lines({"id": 1, "q": "a"}), lines({"id": 1, "a": "b"})
    write_files(tmp_path, {"asked.jsonl": asked, "answers.jsonl": answers})
    source = {"name": "s", "format": "table", "path": "asked.jsonl", "columns": COLUMNS, "join": JOIN}
    config = DataConfig.model_validate({"sources": [source]})
    model = ModelConfig.model_validate({"from_scratch": {}})
    before = inputs_sha256(config, model, base=tmp_path)
    assert tmp_path / "answers.jsonl" in input_paths(config, model, base=tmp_path)
    write_files(tmp_path, {"answers.jsonl": answers.replace("b", "c")})
    assert inputs_sha256(config, model, base=tmp_path) != before
    (unit,) = expand(config.sources[0], index=0, base=tmp_path)
    (row,) = read(unit, config.sources[0])
    assert "fields" in row
    assert row["fields"]["answer"] == "c"  # what was read before is not kept
    assert describe(unit, config.sources[0])[-1] == "joined by id with 1 records of answers.jsonl"


def test_a_source_that_joins_nothing_is_the_config_that_it_was() -> None:
    source = SourceConfig.model_validate({"name": "s", "format": "alpaca", "path": "a.json"})
    assert "join" not in content_of(source)
