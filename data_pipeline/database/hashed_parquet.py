"""A Parquet file written in batches, with the hash of its logical content: memory is that of a batch."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hunmin.artifact import written_whole
from hunmin.hashing import table_sha256

GROUP_ROWS = 65_536  # rows of a row group, and of what is hashed at a time


class TableWriter:
    """Takes tables of any size, writes groups of exactly GROUP_ROWS."""

    def __init__(self, sink: pq.ParquetWriter, schema: pa.Schema):
        self._sink, self._schema = sink, schema
        self._pending: list[pa.Table] = []
        self._digest = hashlib.sha256()
        self.num_rows = 0

    @property
    def sha256(self) -> str:
        """Of the logical rows in order, whatever the sizes they came in."""
        return self._digest.hexdigest()

    def write(self, table: pa.Table) -> None:
        """Append rows; columns are put in the schema's order."""
        self._pending.append(table.select(self._schema.names).cast(self._schema))
        self.num_rows += table.num_rows
        if sum(one.num_rows for one in self._pending) >= GROUP_ROWS:
            self._flush(last=False)

    def _flush(self, *, last: bool) -> None:
        waiting = pa.concat_tables(self._pending or [self._schema.empty_table()])
        while waiting.num_rows >= GROUP_ROWS or (last and (waiting.num_rows or not self.num_rows)):
            group, waiting = waiting.slice(0, GROUP_ROWS), waiting.slice(GROUP_ROWS)
            self._digest.update(table_sha256(group).encode())
            self._sink.write_table(group, row_group_size=GROUP_ROWS)
            if not group.num_rows:
                break
        self._pending = [waiting] if waiting.num_rows else []


@contextmanager
def table_writer(path: Path, schema: pa.Schema) -> Iterator[TableWriter]:
    """Write a Parquet file whole or not at all; `sha256` and `num_rows` are final when the block ended."""
    with written_whole(path) as partial, pq.ParquetWriter(partial, schema, compression="zstd") as sink:
        writer = TableWriter(sink, schema)
        yield writer
        writer._flush(last=True)
