"""Parquet and Arrow files: their rows as records, a batch at a time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

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


def columnar_records(path: str, *, needed: Mapping[str, tuple[str, ...]]) -> Iterator[Record]:
    """The rows of a Parquet or Arrow file.

    Raises:
        InputError: the file is damaged, or has not the columns that are needed.
    """
    return checked_head(path, _rows(path), needed)


def column_names(path: str) -> list[str]:
    """The names of a Parquet or Arrow file's columns."""
    with _readable(path):
        schema, _ = _batches(path)
    return list(schema.names)


def _rows(path: str) -> Iterator[Record]:
    number = 0
    with _readable(path):
        for batch in _batches(path)[1]:
            for row in batch.to_pylist():
                number += 1
                yield Record(f"row {number}", row)


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
