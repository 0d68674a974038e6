"""Rows as they were prepared, read back from the work in progress."""

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_pipeline.build.schemas import ASKED, PREPARED, RENDERED
from data_pipeline.build.work_folder import WorkFolder, part_of
from hunmin.readable import parts_of, shown, transcript
from hunmin.rows import Row

GROUP_ROWS = 1024  # rows that a worker holds at a time
_SAID = ["ord", "text", "fields", "messages"]
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


def texts_at(work: WorkFolder, ords: Iterable[int]) -> dict[int, str]:
    """What the records at these places say, kept or refused, as people read it: masked, not too long."""
    by_part: dict[int, list[int]] = {}
    for place in ords:
        by_part.setdefault(part_of(int(place)), []).append(int(place))
    return {
        row["ord"]: shown(transcript(parts_of(row))) if row["text"] is None else row["text"]
        for part, places in sorted(by_part.items())
        for row in _said(work, part, places)
    }


def _said(work: WorkFolder, part: int, places: list[int]) -> Iterator[Any]:
    """Lines of a part, of the columns _SAID; groups of rows that hold none are passed over."""
    between = (pc.field("ord") >= min(places)) & (pc.field("ord") <= max(places))
    wanted = pc.field("ord").isin(pa.array(places, pa.int64()))
    yield from pq.read_table(work.path("read", part), columns=_SAID, filters=between & wanted).to_pylist()
