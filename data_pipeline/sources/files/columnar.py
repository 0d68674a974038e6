"""Parquet and Arrow files: their rows as records, a batch at a time."""

import json
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from data_pipeline import reasons
from data_pipeline.sources.files.json_records import checked_head
from data_pipeline.sources.files.records import Record, Reject
from hunmin.arrow_files import checked_batches, checked_schema, columnar_kind, damaged
from hunmin.errors import InputError, one_line

__all__ = ["class_names", "column_names", "columnar_kind", "columnar_records"]

__all__ = ["column_names", "columnar_kind", "columnar_records"]


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
        return checked_schema(path)


def _rows(path: str, named: Set[str]) -> Iterator[Record]:
    number = 0
    features = {column: one for column, one in _features(path).items() if column in named}
    with _readable(path):
        schema = checked_schema(path)
        _check_names(path, schema)
        as_text, as_double = _float32_as(schema, pa.string()), _float32_as(schema, pa.float64())
        for batch in map(pa.table, checked_batches(path)):
            if as_text != schema:
                # 3.1 in 32 bits is 3.0999999046325684 in 64: through its shortest text it stays 3.1.
                batch = batch.cast(as_text).cast(as_double)
            for row in _values(batch):
                number += 1
                if isinstance(row, dict):
                    row |= {column: _with_names(row.get(column), one) for column, one in features.items()}
                yield Record(f"row {number}", row)


def _values(rows: pa.Table) -> list[Any]:
    """The rows as Python values; a Reject for what Python has none for, such as a date in the year 10,000."""
    try:
        return rows.to_pylist()
    except (ValueError, OverflowError) as error:
        if rows.num_rows == 1:
            return [Reject(reasons.WRONG_TYPE, f"a value that cannot be read: {one_line(error)}")]
        return [value for i in range(rows.num_rows) for value in _values(rows.slice(i, 1))]


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


@contextmanager
def _readable(path: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if getattr(error, "errno", None) is not None:  # of the disk
            raise
        raise damaged(path, error) from error
