"""Rows and renderings written by hand, as the parts of a build would hold them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data_pipeline.build.schemas import PREPARED, RENDERED
from data_pipeline.database.row_database import RowDatabase


def origin(number: int, **changes: object) -> dict:
    row = {
        "ord": number,
        "row_id": f"s:f:{number}.0",
        "source": "s",
        "file": "f",
        "record": number,
        "sub_record": 0,
        "family_id": str(number),
        "task": "t",
        "language": "ko",
        "weight": 1.0,
        "split": "train",
        "text_key": str(number),
        "prompt_key": str(number),
        "answer_key": str(number),
        "num_variants": 1,
        "row_hash": number,
        "num_answer_chars": 2,
        "short_answer": "긍정" if number % 3 else "부정",
        "transforms": ["nfc"],
        "flags": [],
    }
    return row | changes


def render(number: int, **changes: object) -> dict:
    row = {
        "ord": number,
        "epoch": 0,
        "repeat": 0,
        "turn": 0,
        "split": "train",
        "task": "t",
        "language": "ko",
        "source": "s",
        "row_hash": number,
        "transforms": [],
        "constraints": [],
        "weight": 1.0,
        "num_tokens": 16,
        "num_trained_tokens": 4,
        "num_chars": 32,
        "part": 0,
        "idx": number,
    }
    return row | changes


def accounts_of(folder: Path, rows: list[dict], renders: list[dict] | None = None) -> RowDatabase:
    """A database with these rows, written in two parts, and renderings."""
    database = RowDatabase(folder)
    paths = [folder / "rows-0.parquet", folder / "rows-1.parquet"]
    for path, part in zip(paths, (rows[: len(rows) // 2], rows[len(rows) // 2 :]), strict=True):
        pq.write_table(pa.Table.from_pylist(part, schema=PREPARED), path)
    database.load_rows(paths)
    if renders is not None:
        path = folder / "renders.parquet"
        pq.write_table(pa.Table.from_pylist(renders, schema=RENDERED), path)
        database.load_renders([path])
    return database


def refused(database: RowDatabase) -> dict[int, tuple[str, str]]:
    """ord -> (reason, detail)."""
    return {line["ord"]: (line["reason"], line["detail"]) for line in database.rows("SELECT * FROM refused")}
