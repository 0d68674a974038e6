"""Rows as they were prepared: as a table of the work in progress, and read back from it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_pipeline.build.schemas import ASKED, COMPARED, PREPARED, RENDERED
from data_pipeline.build.work_folder import WorkFolder, part_of
from data_pipeline.dedup.leak_keys import gate_columns
from data_pipeline.dedup.signatures import near_columns
from hunmin.rows import Row

GROUP_ROWS = 1024  # rows that a worker holds at a time
GROUP_CHARS = 1 << 20  # after which it takes no more of them
_TOLD = pa.schema([field for field in PREPARED if field.name not in COMPARED.names])
_KEYS = [name for name in PREPARED.names if name in RENDERED.names or name in ASKED.names]


def table_of(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """A table of PREPARED from `Kept` and `Rejected` rows, with what the kept are compared by."""
    told = pa.Table.from_pylist(rows, schema=_TOLD)
    kept: list[Any] = [row for row in rows if "reason" not in row]
    numbers = iter(range(len(kept)))
    places = pa.array([None if "reason" in row else next(numbers) for row in rows], pa.int64())
    compared = near_columns(kept) | gate_columns(kept)
    columns = {
        name: told[name] if name in told.column_names else compared[name].take(places)
        for name in PREPARED.names
    }
    return pa.table(columns, schema=PREPARED)


def rows_at(work: WorkFolder, ords: Iterable[int]) -> Iterator[Row]:
    """The lines of PREPARED at these places, in their order."""
    wanted = set(map(int, ords))
    for part in sorted({part_of(place) for place in wanted}):
        for row in rows_of(work, part):
            if row["ord"] in wanted:
                yield row


def rows_of(work: WorkFolder, part: int) -> Iterator[Row]:
    """The lines of a part, of the columns that rendering reads."""
    for batch in pq.ParquetFile(work.path("read", part)).iter_batches(GROUP_ROWS, columns=_KEYS):
        yield from batch.to_pylist()
