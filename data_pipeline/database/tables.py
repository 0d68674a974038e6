"""The tables beside the packs, streamed in canonical order: rows, rejected and heldout.parquet."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_pipeline.build.prepared_rows import texts_at
from data_pipeline.build.work_folder import WorkFolder
from data_pipeline.database.hashed_parquet import table_writer
from data_pipeline.database.row_database import PLAIN, RowDatabase
from hunmin.schema import HELDOUT, LEDGER, REJECTED, TaskInfo
from hunmin.shards import METADATA_KEY

TEXT_ROWS = 8_192  # rejected records whose texts stand in memory at a time

# Where a row of a pack lies among the encoded parts; sorted by split, epoch, pack, slot.
PLACES = pa.schema(
    [
        ("row", pa.int64()),
        ("split", pa.string()),
        ("epoch", pa.int32()),
        ("pack", pa.int64()),
        ("slot", pa.int32()),
        ("part", pa.int64()),
        ("idx", pa.int64()),
        ("task", pa.string()),
        ("weight", pa.float32()),
    ]
)


@dataclass(frozen=True)
class Written:
    """A table that was written: its rows, and the hash of its logical content."""

    num_rows: int
    sha256: str


def write_ledger(database: RowDatabase, path: Path, *, work: WorkFolder) -> Written:
    """rows.parquet, a line per rendered row of train and val; and where each of them lies."""
    query = """
        SELECT r.* EXCLUDE (transforms, split, task, language, weight),
               e.* EXCLUDE (ord, transforms, source, row_hash),
               list_concat(r.transforms, e.transforms) AS transforms,
               p.pack::BIGINT AS pack, p.slot AS slot
        FROM (SELECT * FROM placed WHERE epoch = ? AND {run}) p
        JOIN (SELECT * FROM renders WHERE epoch = ? AND split = ? AND {run}) e
            USING (ord, epoch, repeat, turn)
        JOIN (SELECT * FROM rows WHERE {run}) r USING (ord)
        ORDER BY ord, e.repeat, e.turn
    """
    unsorted = work.folder / "unsorted.parquet"
    done = 0
    with table_writer(path, LEDGER) as ledger, table_writer(unsorted, PLACES) as lies:
        for split, epoch, run in _runs_of_epochs(database):
            for batch in database.batches(query.format(run=run), [epoch, epoch, split]):
                table = pa.Table.from_batches([batch])
                table = table.append_column("row", pa.array(np.arange(done, done + len(table))))
                done += len(table)
                ledger.write(table)
                lies.write(table)
    database.copy(
        f"SELECT * FROM read_parquet(?, {PLAIN}) ORDER BY split, epoch, pack, slot",
        work.places,
        [str(unsorted)],
    )
    unsorted.unlink()
    return Written(ledger.num_rows, ledger.sha256)


def _runs_of_epochs(database: RowDatabase) -> Iterator[tuple[str, int, str]]:
    """Split, epoch and a condition on `ord`, in the order of the ledger."""
    runs = database.ranges()
    for line in database.rows(
        "SELECT DISTINCT split, epoch FROM renders SEMI JOIN placed USING (ord, epoch, repeat, turn) "
        "ORDER BY ALL"
    ):
        for run in runs:
            yield line["split"], line["epoch"], run


def write_rejected(database: RowDatabase, path: Path, *, work: WorkFolder) -> Written:
    """rejected.parquet: a line per record that was read and not kept, with what it says."""
    query = (
        "SELECT * FROM (SELECT * FROM refused WHERE {run}) JOIN (SELECT * FROM rows WHERE {run}) USING (ord) "
        "ORDER BY ord"
    )
    with table_writer(path, REJECTED) as rejected:
        for run in database.ranges():
            for batch in database.batches(query.format(run=run), size=TEXT_ROWS):
                texts = texts_at(work, batch.column("ord").to_numpy())
                said = pa.array([texts[place] for place in batch.column("ord").to_pylist()], pa.string())
                rejected.write(pa.Table.from_batches([batch]).append_column("text", said))
    return Written(rejected.num_rows, rejected.sha256)


def _trained(database: RowDatabase, kind: str) -> dict[str, int]:
    """Rows of train that are rendered at all, by their task, domain or language."""
    return database.counts(
        f"SELECT coalesce({kind}, ''), count(*) FROM rows SEMI JOIN "
        "(SELECT ord FROM renders WHERE split = 'train' AND reason IS NULL) USING (ord) GROUP BY 1"
    )


def write_heldout(
    database: RowDatabase, path: Path, *, work: WorkFolder, tasks: dict[str, TaskInfo]
) -> Written:
    """heldout.parquet: rows as prepared, messages as rendered; more lines in held-out wordings."""
    asked = database.counts(
        "SELECT task, count(*) FROM renders WHERE split = 'heldout' AND reason IS NULL GROUP BY 1"
    )
    trained = database.counts(
        "SELECT task, count(*) FROM placed JOIN renders USING (ord, epoch, repeat, turn) GROUP BY 1"
    )
    metadata = json.dumps(
        {
            "tasks": {name: tasks[name] for name in sorted(asked)},
            "trained": {kind: _trained(database, kind) for kind in ("task", "domain", "language")},
        },
        ensure_ascii=False,
    )
    schema = HELDOUT.with_metadata({METADATA_KEY: metadata.encode()})
    with table_writer(path, schema) as heldout:
        for part in work.parts("heldout"):
            for batch in pq.ParquetFile(work.path("heldout", part)).iter_batches():
                table = pa.Table.from_batches([batch])
                seen = pa.array([task in trained for task in table.column("task").to_pylist()], pa.bool_())
                heldout.write(table.append_column("seen_task", seen).select(schema.names))
    return Written(heldout.num_rows, heldout.sha256)
