"""Parquet, Arrow, and packed files: the same rows as from plain text."""

import datetime
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_helpers import fields_of, reasons_of

from data_pipeline.config import SourceConfig
from data_pipeline.sources import describe, expand
from hunmin.errors import InputError

RECORDS: list[dict[str, Any]] = [
    {
        "Q": "하나?",
        "A": "1",
        "n": 1,
        "turns": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}],
    },
    {"Q": "둘?", "A": None, "n": 2, "turns": []},
    {"Q": "셋?", "A": "3", "n": None, "turns": None},
]
QA = {"format": "table", "columns": {"input": "Q", "answer": "A"}}


def parquet(records: list[dict], **settings: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), sink, **settings)
    return sink.getvalue()


def arrow(records: list[dict], *, stream: bool) -> bytes:
    table, sink = pa.Table.from_pylist(records), io.BytesIO()
    writer = (pa.ipc.new_stream if stream else pa.ipc.new_file)(sink, table.schema)
    with writer:
        writer.write_table(table, max_chunksize=2)
    return sink.getvalue()


COLUMNAR = {
    "t.parquet": parquet(RECORDS, row_group_size=2),
    "t.arrow": arrow(RECORDS, stream=True),
    "t.feather": arrow(RECORDS, stream=False),
}


@pytest.mark.parametrize("name", COLUMNAR)
def test_the_same_rows_as_from_json_lines(read_files: Any, name: str) -> None:
    lines = read_files({"t.jsonl": "\n".join(map(json.dumps, RECORDS))}, **QA)
    rows = read_files({name: COLUMNAR[name]}, **QA)
    assert (
        reasons_of(rows)
        == ["x" if reason == "x" else reason for reason in reasons_of(lines)]
        == [None, "no_answer", None]
    )
    assert [row.get("fields") for row in rows] == [row.get("fields") for row in lines]
    assert rows[1]["detail"] == "row 2: the answer is empty"


@pytest.mark.parametrize("name", COLUMNAR)
def test_conversations_of_nested_columns(read_files: Any, name: str) -> None:
    rows = read_files({name: parquet([{"conversations": r["turns"]} for r in RECORDS])}, format="sharegpt")
    assert reasons_of(rows) == [None, "empty_conversation", "missing_field"]
    assert [turn["content"] for turn in rows[0]["messages"]] == ["a", "b"]


def test_what_columnar_files_are_is_said_and_csv_settings_are_refused(
    read_files: Any, tmp_path: Path
) -> None:
    read_files(COLUMNAR, path="t.*", **QA)
    source = SourceConfig.model_validate({"name": "s", "path": "t.*", **QA})
    words = [describe(unit, source) for unit in expand(source, index=0, base=tmp_path)]
    assert [word[0] for word in words] == ["Arrow stream", "Arrow file", "Parquet"]
    assert words[0][1] == 'columns: ["Q", "A", "n", "turns"]'
    with pytest.raises(InputError, match="Parquet has no delimiter"):
        read_files({"t.parquet": COLUMNAR["t.parquet"]}, delimiter="tab", **QA)


@pytest.mark.parametrize("name", COLUMNAR)
def test_a_damaged_or_foreign_columnar_file_stops(read_files: Any, name: str) -> None:
    with pytest.raises(InputError, match="a damaged"):
        read_files({name: COLUMNAR[name][:200]}, **QA)
    with pytest.raises(InputError, match=r"none of the first 3 records has the key B \(answer\)"):
        read_files({name: COLUMNAR[name]}, format="table", columns={"input": "Q", "answer": "B"})


def test_dates_decimals_and_bytes(read_files: Any) -> None:
    records = [{"q": datetime.date(2024, 2, 29), "a": datetime.datetime(2024, 2, 29, 12, 30), "b": b"x"}]
    settings = {"format": "table", "columns": {"input": "q", "answer": "a"}}
    assert fields_of(read_files({"t.parquet": parquet(records)}, **settings), "input", "answer") == [
        ("2024-02-29", "2024-02-29T12:30:00")
    ]
    settings["columns"] = {"input": "q", "answer": "b"}
    rows = read_files({"t.parquet": parquet(records)}, **settings)
    assert (rows[0]["reason"], rows[0]["detail"].split(",")[0]) == ("wrong_type", "row 1: b is bytes")


def packed(kind: str, text: bytes) -> bytes:
    """Two members one after the other, as `cat` and log rotation make them."""
    half = len(text) // 2
    if kind == "gz":
        return gzip.compress(text[:half]) + gzip.compress(text[half:])
    return b"".join(pa.compress(part, codec="zstd", asbytes=True) for part in (text[:half], text[half:]))


TEXTS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "t.csv": ("\ufeffQ,A\r\n가,나\r\n다,라\r\n".encode(), QA),
    "t.tsv": ("Q\tA\n가\t나\n다\t라\n".encode(), QA),
    "t.json": (b'[{"Q": "x", "A": "y"}]', QA),
    "t.jsonl": (b'{"Q": "x", "A": "y"}\n{"Q": "z"}\n', QA),
    "t.po": ('msgid "a"\nmsgstr "가"\n'.encode(), {"format": "gettext"}),
    "n.json": (
        b'{"Definition": "D", "Instances": [{"input": "i", "output": "o"}]}',
        {"format": "natural_instructions"},
    ),
}


@pytest.mark.parametrize("kind", ["gz", "zst"])
@pytest.mark.parametrize("name", TEXTS)
def test_packed_files_give_the_same_rows_and_say_so(
    read_files: Any, tmp_path: Path, name: str, kind: str
) -> None:
    text, settings = TEXTS[name]
    plain = read_files({name: text}, **settings)
    rows = read_files({f"{name}.{kind}": packed(kind, text)}, **settings)
    assert [row | {"file": name} for row in rows] == plain
    assert "reason" not in plain[0]
    source = SourceConfig.model_validate({"name": "s", "path": f"{name}.{kind}", **settings})
    words = describe(expand(source, index=0, base=tmp_path)[0], source)
    assert words[0] == {"gz": "gzip", "zst": "zstd"}[kind]


def test_packed_parallel_text(read_files: Any) -> None:
    files = {"t.en.gz": gzip.compress(b"Hello.\n"), "t.ko.gz": gzip.compress("안녕.\n".encode())}
    rows = read_files(files, format="parallel", path="t.{language}.gz", languages=["en", "ko"])
    assert fields_of(rows, "input", "answer") == [("Hello.", "안녕.")]


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_cut_or_damaged_packed_file_stops(read_files: Any, kind: str) -> None:
    text = b"Q,A\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(40_000))
    whole = packed(kind, text)
    for broken in (whole[: len(whole) - 20], b"\x1f\x8b\x08\x00rest"):
        with pytest.raises(InputError, match=r"that cannot be unpacked, and not text"):
            read_files({f"t.csv.{kind}": broken}, **QA)


def test_a_twice_packed_file_is_named_so(read_files: Any) -> None:
    with pytest.raises(InputError, match="a twice packed gzip file, not text; unpack"):
        read_files({"t.csv.gz": gzip.compress(gzip.compress(b"Q,A\n"))}, **QA)


@pytest.mark.parametrize("stream", [True, False])
def test_a_flipped_offset_stops_with_the_file_named(read_files: Any, stream: bool) -> None:
    data = arrow([{"Q": "하나?", "A": "1"}], stream=stream)
    offsets = data.index(b"\x00\x00\x00\x00\x07\x00\x00\x00")  # where the text of Q begins and ends
    broken = data[:offsets] + b"\x00\x00\x00\x00\x07\x00\x00\x70" + data[offsets + 8 :]
    with pytest.raises(InputError, match=r"t\.arrow: a damaged Arrow (stream|file) file"):
        read_files({"t.arrow": broken}, **QA)


def test_two_columns_of_one_name_stop(read_files: Any) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table([["하나?"], ["1"], ["2"]], names=["Q", "A", "A"]), sink)
    with pytest.raises(InputError, match="2 columns are named A; rename all but one"):
        read_files({"t.parquet": sink.getvalue()}, **QA)


def test_a_value_that_python_does_not_have_rejects_its_row(read_files: Any) -> None:
    days = pa.array([0, 4_000_000], pa.int32()).cast(pa.date32())  # the second lies in the year 12,921
    sink = io.BytesIO()
    pq.write_table(pa.table({"Q": days, "A": ["하나", "둘"]}), sink)
    rows = read_files({"t.parquet": sink.getvalue()}, **QA)
    assert reasons_of(rows) == [None, "wrong_type"]
    assert rows[1]["detail"].startswith("row 2: a value that cannot be read")
