"""Parquet and Arrow files: their rows as records, a batch at a time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pyarrow as pa

from data_pipeline import reasons
from data_pipeline.sources.files.json_records import checked_head
from data_pipeline.sources.files.records import Record, Reject
from hunmin.arrow_files import checked_batches, checked_names, columnar_kind, damaged
from hunmin.errors import InputError, one_line

__all__ = ["column_names", "columnar_kind", "columnar_records"]


def columnar_records(path: str, *, needed: Mapping[str, tuple[str, ...]]) -> Iterator[Record]:
    """The rows of a Parquet or Arrow file.

    Raises:
        InputError: the file is damaged, or has not the columns that are needed.
    """
    return checked_head(path, _rows(path), needed)


def column_names(path: str) -> list[str]:
    """The names of a Parquet or Arrow file's columns."""
    with _readable(path):
        return checked_names(path)


def _rows(path: str) -> Iterator[Record]:
    number = 0
    with _readable(path):
        _require_distinct(path, checked_names(path))
        for batch in checked_batches(path):
            for value in _values(batch):
                number += 1
                yield Record(f"row {number}", value)


def _require_distinct(path: str, names: list[str]) -> None:
    """As a mapping a row would keep the last of two columns of one name, without a word."""
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{path}: two columns are named {twice[0]}; rename one of them")


def _values(batch: pa.RecordBatch) -> list[object]:
    """The rows as Python values; a Reject for what Python has none for, such as a date in the year 10,000."""
    try:
        return batch.to_pylist()
    except (ValueError, OverflowError) as error:
        if batch.num_rows == 1:
            return [Reject(reasons.WRONG_TYPE, f"a value that cannot be read: {one_line(error)}")]
        return [value for i in range(batch.num_rows) for value in _values(batch.slice(i, 1))]


@contextmanager
def _readable(path: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if getattr(error, "errno", None) is not None:  # of the disk
            raise
        raise damaged(path, error) from error
