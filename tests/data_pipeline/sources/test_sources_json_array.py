"""JSON arrays in a window of the file, and a file that is one object."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from source_helpers import fields_of, reasons_of

from data_pipeline.sources.files import json_array
from data_pipeline.sources.files.json_array import array_items
from hunmin.errors import InputError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    items=st.lists(values, max_size=8),
    indent=st.sampled_from([None, 0, 3]),
    window=st.integers(1, 40),
    escaped=st.booleans(),
)
def test_any_array_through_any_window(
    tmp_path: Path, items: list[Any], indent: int | None, window: int, escaped: bool
) -> None:
    path = tmp_path / "a.json"
    text = json.dumps(items, indent=indent, ensure_ascii=escaped)
    path.write_text(f" \n{text}\n ", encoding="utf-8", errors="surrogatepass")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "WINDOW_CHARS", window)
        assert list(array_items(str(path), encoding="utf-8")) == items


@pytest.mark.parametrize("window", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    "text",
    [
        '[{"a": 1},\n {"a": 2}\n {"a": 3}]',
        '[{"a": 1},\n {"a": tru}]',
        '[{"a": 1},\n {"a": "x',
        '[{"a": 1},\n',
        '[{"a": 1}',
        '[{"a": 1}] x',
        '[{"a": 1},\n {"b": "raw\nline"}]',
        '[{"a": 1},\n {a: 2}]',
        "[1 2]",
        "[1,,2]",
        "[",
    ],
)
def test_a_broken_array_stops_where_json_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, window: int
) -> None:
    monkeypatch.setattr(json_array, "WINDOW_CHARS", window)
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(json.JSONDecodeError) as wanted:
        json.loads(text)
    with pytest.raises(InputError) as error:
        list(array_items(str(path), encoding="utf-8"))
    assert f"broken JSON at line {wanted.value.lineno}, column {wanted.value.colno} (" in str(error.value)


@pytest.mark.parametrize("window", [1, 7, 1 << 20])
def test_a_comma_behind_the_last_item_ends_the_array(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    monkeypatch.setattr(json_array, "WINDOW_CHARS", window)
    path = tmp_path / "a.json"
    path.write_text('[{"a": 1},\n {"a": 2},\n]\n')
    assert list(array_items(str(path), encoding="utf-8")) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("item", ["{'a': 1}", '{"a": None}', '{"a": [1, True]}'])
def test_a_list_as_python_prints_it_is_named(tmp_path: Path, item: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(f"[{item}]")
    with pytest.raises(InputError, match=r"no JSON at line 1, column .*Python prints .*json\.dumps"):
        list(array_items(str(path), encoding="utf-8"))


def test_the_message_shows_the_place(read_files: Any) -> None:
    with pytest.raises(InputError) as error:
        read_files({"a.json": '[{"instruction": "a",\n "output": tru}]'}, format="alpaca")
    assert 'line 2, column 12 (Expecting value), before "tru}]"; repair it there' in str(error.value)
    with pytest.raises(InputError, match="before the end of the file, which seems cut off"):
        read_files({"a.json": '[{"instruction": "a", "output": "b"}'}, format="alpaca")


def test_memory_does_not_grow_with_the_array(tmp_path: Path) -> None:
    peaks = []
    for count in (60_000, 180_000):
        path = tmp_path / "a.json"
        path.write_text(json.dumps([{"instruction": "x" * 50, "output": str(i)} for i in range(count)]))
        tracemalloc.start()
        assert sum(1 for _ in array_items(str(path), encoding="utf-8")) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_numbers_are_spelled_alike_in_arrays_and_lines(read_files: Any) -> None:
    numbers = ["7", "4.0", "-0", "1e2", "12345678901234567890", "0.10", "1E+3", "1e999"]
    records = [f'{{"q": "?", "n": {number}}}' for number in numbers]
    settings_ = {"format": "table", "columns": {"input": "q", "answer": "n"}}
    array = read_files({"a.json": f"[{','.join(records)}]"}, **settings_)
    lines = read_files({"a.json": "\n".join(records)}, **settings_)
    assert array == lines
    assert [answer for (answer,) in fields_of(lines, "answer")] == numbers


def test_a_file_that_is_one_object_over_several_lines_is_one_record(read_files: Any) -> None:
    record = {"instruction": "a", "output": "b"}
    (row,) = read_files({"a.json": json.dumps(record, indent=2)}, format="alpaca")
    assert (row["record"], row["fields"]["answer"]) == (0, "b")
    rows = read_files({"a.json": '{"instruction": \n' + json.dumps(record)}, format="alpaca")
    assert reasons_of(rows) == ["broken_json", None]
