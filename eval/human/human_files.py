"""The files of RUN/human that hold people's work, each read only as it was written.

A key is named by its hash and ratings carry their own seal, so neither needs the manifest, which an import
that was stopped leaves behind.
"""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from eval.human.returned import Rating, Study
from eval.human.study.blinding import items_of, study_name
from eval.human.study.criteria import MODES
from hunmin import artifact, schema
from hunmin.artifact import Manifest
from hunmin.errors import ArtifactError
from hunmin.hashing import sha256_json, table_sha256
from hunmin.schema import HumanStudy

STAGE = "human"
STAGE_VERSION = 1
KEY, RATINGS, SCORES, PREFERENCES = "key.parquet", "ratings.parquet", "scores.json", "preferences.parquet"


def read_keys(folder: Path) -> Iterator[tuple[Study, HumanStudy]]:
    """What was handed out, and what is told of it.

    Raises:
        ArtifactError: a key is not as it was written.
    """
    for mode in MODES:
        path = folder / mode / KEY
        if path.exists():
            key = _read_table(path, schema.HUMAN_KEY)
            told: HumanStudy = json.loads((key.schema.metadata or {})[b"hunmin"])
            if told["study"] != study_name(key, mode=mode, raters=told["raters"]):
                raise ArtifactError(f"{path}: not the key of the forms {told['study']} any more; restore it")
            items = {item.item_id: item for item in items_of(key)}
            yield Study(told["study"], mode, told["raters"], items), told


def _read_table(path: Path, columns: pa.Schema) -> pa.Table:
    """A table with its metadata, and the columns' own names inside of lists, which Parquet changes."""
    table = pq.read_table(path)
    return table.cast(columns.with_metadata(table.schema.metadata))


def write_ratings(folder: Path, ratings: Sequence[Rating]) -> None:
    """All ratings, whole or not at all, under a seal of their own."""
    table = pa.Table.from_pylist([one._asdict() for one in ratings], schema=schema.HUMAN_RATINGS)
    artifact.write_parquet(
        folder / RATINGS, table.replace_schema_metadata({artifact.SEAL: table_sha256(table)})
    )


def read_ratings(folder: Path) -> pa.Table:
    """What was taken in so far (schema.HUMAN_RATINGS).

    Raises:
        ArtifactError: it is not as it was written.
    """
    path = folder / RATINGS
    if not path.exists():
        return schema.HUMAN_RATINGS.empty_table()
    table = _read_table(path, schema.HUMAN_RATINGS)
    if (table.schema.metadata or {}).get(artifact.SEAL.encode()) != table_sha256(table).encode():
        raise ArtifactError(
            f"{path}: not as it was written; restore it, or delete it and import all forms again"
        )
    return table


def seal(folder: Path, *, start: float) -> Manifest:
    """Write the manifest over all that lies in the folder but the forms."""
    studies = [told for _, told in read_keys(folder)]
    tables = {f"{told['mode']}/{KEY}": schema.HUMAN_KEY for told in studies}
    tables |= {RATINGS: schema.HUMAN_RATINGS, PREFERENCES: schema.PREFERENCES}
    found = {
        name: _read_table(folder / name, columns)
        for name, columns in tables.items()
        if (folder / name).exists()
    }
    rows = {name: table.num_rows for name, table in found.items()}
    scores = [folder / SCORES] if (folder / SCORES).exists() else []
    return artifact.commit(
        folder,
        stage=STAGE,
        stage_version=STAGE_VERSION,
        parents={"eval": studies[0]["eval_sha256"]},
        config_sha256=sha256_json(studies),
        content_sha256=sha256_json(
            {
                "studies": studies,
                "tables": {name: table_sha256(table) for name, table in found.items()},
                "scores": [json.loads(path.read_text(encoding="utf-8")) for path in scores],
            }
        ),
        counts=rows,
        files=[*(folder / name for name in found), *scores],
        rows=rows,
        seconds=time.monotonic() - start,
    )
