"""Rows as they were prepared: as a table of the work in progress, and read back from it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from data_pipeline.build.schemas import ASKED, ATTESTS, COMPARED, PREPARED, RENDERED
from data_pipeline.build.work_folder import WorkFolder, part_of
from data_pipeline.dedup.leak_keys import gate_columns
from data_pipeline.dedup.signatures import near_columns
from hunmin.readable import parts_of, shown, transcript
from hunmin.rows import Row

GROUP_ROWS = 1024  # rows that a worker holds at a time
GROUP_CHARS = 1 << 20  # after which it takes no more of them
_TOLD = pa.schema([field for field in PREPARED if field.name not in COMPARED.names])
_SAID = ["ord", "text", "fields", "messages"]
_KEYS = [name for name in PREPARED.names if name in {*RENDERED.names, *ASKED.names, ATTESTS.name}]


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
    yield from _lines(work, ords, _KEYS)


def rows_of(work: WorkFolder, part: int) -> Iterator[Row]:
    """The lines of a part, of the columns that rendering reads."""
    for batch in pq.ParquetFile(work.path("read", part)).iter_batches(GROUP_ROWS, columns=_KEYS):
        yield from batch.to_pylist()


def texts_at(work: WorkFolder, ords: Iterable[int]) -> dict[int, str]:
    """What the records at these places say, kept or refused, as people read it: masked, not too long."""
    return {
        row["ord"]: shown(transcript(parts_of(row))) if row["text"] is None else row["text"]
        for row in _lines(work, ords, _SAID)
    }


def _lines(work: WorkFolder, ords: Iterable[int], columns: list[str]) -> Iterator[Any]:
    """Some columns of the lines at these places, in canonical order; other lines are not unpacked."""
    by_part: dict[int, list[int]] = {}
    for place in map(int, ords):
        by_part.setdefault(part_of(place), []).append(place)
    for part, places in sorted(by_part.items()):
        ord_ = pc.field("ord")  # the bounds pass over row groups, which a list of values does not
        wanted = (ord_ >= min(places)) & (ord_ <= max(places)) & ord_.isin(pa.array(places, pa.int64()))
        table = ds.dataset(work.path("read", part), format="parquet")
        for batch in table.to_batches(
            columns=columns, filter=wanted, batch_size=GROUP_ROWS, batch_readahead=1, fragment_readahead=1
        ):
            yield from batch.to_pylist()
