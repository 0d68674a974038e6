"""Parquet and Arrow files: their rows as records, a batch at a time."""

import json
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_pipeline.sources.files.json_records import checked_head
from data_pipeline.sources.files.records import Record
from hunmin.errors import InputError

BATCH_ROWS = 1024
_ARROW_SUFFIXES = (".arrow", ".feather", ".ipc")
_STREAM = b"\xff\xff\xff\xff"  # the continuation mark before the first message


def columnar_kind(path: str) -> str | None:
    """Parquet, Arrow file or Arrow stream, by the first bytes; None for any other file."""
    with open(path, "rb") as handle:
        head = handle.read(8)
    if head.startswith(b"PAR1"):
        return "Parquet"
    if head.startswith(b"ARROW1"):
        return "Arrow file"
    return "Arrow stream" if head.startswith(_STREAM) and path.endswith(_ARROW_SUFFIXES) else None


def columnar_records(
    path: str, *, needed: Mapping[str, tuple[str, ...]], named: Set[str] = frozenset()
) -> Iterator[Record]:
    """The rows of a Parquet or Arrow file.

    Args:
        needed: what a record must hold -> the columns that may hold it.
        named: columns whose numbers are read as the label names that the file gives them.

    Raises:
        InputError: the file is damaged, has two columns of one name, or not those that are needed.
    """
    return checked_head(path, _rows(path, named), needed)


def column_names(path: str) -> list[str]:
    """The names of a Parquet or Arrow file's columns."""
    return list(_schema(path).names)


def class_names(path: str, column: str) -> list[str]:
    """The names that a file itself gives to the numbers 0, 1, .. of a column; none where it gives none."""
    return _names_of(_features(path).get(column))


def _features(path: str) -> dict[str, Any]:
    """Column -> what `datasets` wrote of it into the file, for labels {_type: ClassLabel, names: [..]}.

    Source: https://huggingface.co/docs/datasets/about_dataset_features
    """
    try:
        written = json.loads((_schema(path).metadata or {}).get(b"huggingface", b"{}"))
        features = written["info"]["features"]
    except (ValueError, KeyError, TypeError):  # of another program: it says nothing of labels
        return {}
    return features if isinstance(features, dict) else {}


def _names_of(feature: Any) -> list[str]:
    is_class = isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
    names = feature.get("names") if is_class else None
    return [str(name) for name in names] if isinstance(names, list) else []


def _with_names(value: Any, feature: Any) -> Any:
    """A value with names for its labels' numbers, null for a number without one (-1 means no label)."""
    if isinstance(value, list):
        item = feature[0] if isinstance(feature, list) and feature else feature
        item = item.get("feature", item) if isinstance(item, dict) else item
        return [_with_names(one, item) for one in value]
    if isinstance(value, dict) and isinstance(feature, dict):
        return {key: _with_names(one, feature.get(key)) for key, one in value.items()}
    names = _names_of(feature)
    if not names or not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else None


def _schema(path: str) -> pa.Schema:
    with _readable(path):
        return _batches(path)[0]


def _rows(path: str, named: Set[str]) -> Iterator[Record]:
    number = 0
    features = {column: one for column, one in _features(path).items() if column in named}
    with _readable(path):
        schema, batches = _batches(path)
        _check_names(path, schema)
        as_text, as_double = _float32_as(schema, pa.string()), _float32_as(schema, pa.float64())
        for batch in batches:
            if as_text != schema:
                # 3.1 in 32 bits is 3.0999999046325684 in 64: through its shortest text it stays 3.1.
                batch = pa.table(batch).cast(as_text).cast(as_double)
            for row in batch.to_pylist():
                number += 1
                for column, feature in features.items():
                    row[column] = _with_names(row.get(column), feature)
                yield Record(f"row {number}", row)


def _check_names(path: str, schema: pa.Schema) -> None:
    """Refuse two columns, or two fields of a column, of one name: a row could hold one of them only."""
    waiting: list[tuple[str, list[pa.Field]]] = [("", list(schema))]
    while waiting:
        inside, fields = waiting.pop()
        names = [field.name for field in fields]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(
                f"{path}: {names.count(twice)} columns are named {inside}{twice}; rename all but one, "
                "or write the file without them"
            )
        for field in fields:
            kind = field.type
            while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
                kind = kind.value_type
            if pa.types.is_struct(kind):
                waiting.append((f"{inside}{field.name}.", list(kind)))


def _float32_as(schema: pa.Schema, wanted: pa.DataType) -> pa.Schema:
    """The schema with another type for numbers of 32 bits, in nested values too."""

    def changed(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_float32(kind):
            return wanted
        if pa.types.is_list(kind):
            return pa.list_(changed(kind.value_type))
        if pa.types.is_large_list(kind):
            return pa.large_list(changed(kind.value_type))
        if pa.types.is_fixed_size_list(kind):
            return pa.list_(changed(kind.value_type), kind.list_size)
        if pa.types.is_struct(kind):
            return pa.struct([pa.field(field.name, changed(field.type)) for field in kind])
        return kind

    fields = [pa.field(field.name, changed(field.type)) for field in schema]
    return pa.schema(fields) if [one.type for one in fields] != schema.types else schema


def _batches(path: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    kind = columnar_kind(path)
    if kind == "Parquet":
        file = pq.ParquetFile(path)
        return file.schema_arrow, file.iter_batches(batch_size=BATCH_ROWS)
    if kind == "Arrow stream":
        stream = pa.ipc.open_stream(pa.memory_map(path))
        return stream.schema, _sliced(iter(stream))
    reader = pa.ipc.open_file(pa.memory_map(path))
    return reader.schema, _sliced(reader.get_batch(i) for i in range(reader.num_record_batches))


def _sliced(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of few rows: as Python values a large one takes many times its size."""
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            yield batch.slice(start, BATCH_ROWS)


@contextmanager
def _readable(path: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if getattr(error, "errno", None) is not None:  # of the disk
            raise
        raise InputError(f"{path}: a damaged {columnar_kind(path)} file ({error}); make it again") from error
