"""Rows as they were prepared, read back from the work in progress."""

from collections.abc import Iterable, Iterator

import pyarrow.parquet as pq

from data_pipeline.build.schemas import ASKED, PREPARED, RENDERED
from data_pipeline.build.work_folder import WorkFolder, part_of
from hunmin.rows import Row

GROUP_ROWS = 1024  # rows that a worker holds at a time
_KEYS = [name for name in PREPARED.names if name in RENDERED.names or name in ASKED.names]


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
