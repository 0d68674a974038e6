"""The tables that a suite's tasks read: where they lie in a folder, what is missing, and their rows.

FOLDER/OWNER--DATASET/SUBSET/SPLIT.parquet     as --fetch lays them; .jsonl, .json, .csv, .tsv do as well
FOLDER/OWNER--DATASET/fetched.json             the commit that --fetch brought
FOLDER/…                                       or as their publisher has them, where the suite says how
"""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from eval.bench.suites import LocalTable, Suite
from hunmin.errors import InputError, one_line
from hunmin.hashing import sha256_file

NO_SUBSET = "default"
RECORD = "fetched.json"


@dataclass(frozen=True, order=True)
class Wanted:
    """A split of a dataset, by its names on the hub."""

    dataset: str
    subset: str | None
    split: str

    @property
    def key(self) -> str:
        """DATASET/SUBSET, as a suite's `files` name it."""
        return f"{self.dataset}/{self.subset or NO_SUBSET}"

    @property
    def place(self) -> Path:
        """Where --fetch lays it below the data folder, without its suffix."""
        return Path(folder_name(self.dataset), self.subset or NO_SUBSET, self.split)


def folder_name(dataset: str) -> str:
    """The name of a dataset's folder."""
    return dataset.strip("/").replace("/", "--")


def _json_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]


def _json_array(path: Path) -> list[Any]:
    rows = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(rows, list):
        raise ValueError("not an array of rows")
    return rows


def _separated(path: Path, **dialect: Any) -> list[Any]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, **dialect))


READERS: Mapping[str, Callable[[Path], list[Any]]] = {
    ".parquet": lambda path: pq.read_table(path).to_pylist(),
    ".jsonl": _json_lines,
    ".json": _json_array,
    ".csv": _separated,
    # Tables of the field put no quotes around a cell, and have them inside.
    ".tsv": lambda path: _separated(path, delimiter="\t", quoting=csv.QUOTE_NONE),
}


@dataclass(frozen=True)
class Table:
    """A table that is there; `path` is absolute, `sha256` of its bytes."""

    path: str
    sha256: str
    columns: dict[str, str]
    values: dict[str, dict[str, Any]]

    def rows(self) -> list[dict[str, Any]]:
        """Its rows, with the fields that the task reads.

        Raises:
            InputError: it cannot be read, lacks a column, or holds a value that the suite does not know.
        """
        path = Path(self.path)
        try:
            found = READERS[path.suffix](path)
        except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
            raise InputError(f"{path}: cannot be read ({one_line(error)}); bring it again") from error
        rows = [self._row(row, number) for number, row in enumerate(found, start=1)]
        if not rows:
            raise InputError(f"{path}: no row in it; bring it again")
        return rows

    def _row(self, row: Any, number: int) -> dict[str, Any]:
        where = f"{self.path}, row {number}"
        if not isinstance(row, dict):
            raise InputError(f"{where}: {row!r:.40} is no row with named fields")
        if absent := [column for column in self.columns.values() if row.get(column) is None]:
            raise InputError(f"{where}: no column {absent[0]!r}; there are {', '.join(map(str, row))}")
        taken = {field: row[column] for field, column in self.columns.items()} if self.columns else dict(row)
        for field, meant in self.values.items():
            said = str(taken.get(field)).strip()
            if said not in meant:
                raise InputError(f"{where}: {field} is {said!r:.40}; the suite knows {', '.join(meant)}")
            taken[field] = meant[said]
        return taken


def find_tables(wanted: Iterable[Wanted], *, suite: Suite, folder: Path, cure: str) -> dict[Wanted, Table]:
    """Every table, with its hash.

    Raises:
        InputError: some are not there; `cure` is the command that brings them.
    """
    ordered = sorted(wanted, key=lambda one: (one.key, one.split))
    found = {one: _find(one, suite=suite, folder=folder) for one in ordered}
    missing = [one for one, table in found.items() if table is None]
    if missing:
        first = missing[0]
        local = suite.files.get(first.key, {}).get(first.split)
        raise InputError(
            f"suite {suite.name}: {len(missing)} of its {len(found)} tables are not in {folder}, first "
            f"{first.key}, split {first.split}; bring them where there is a network: {cure}; or lay it there "
            f"as {local.path if local else f'{first.place}.jsonl'}, or name their folder with --data"
        )
    return {one: table for one, table in found.items() if table is not None}


def _find(wanted: Wanted, *, suite: Suite, folder: Path) -> Table | None:
    local = suite.files.get(wanted.key, {}).get(wanted.split)
    if local is not None and (folder / local.path).is_file():
        return _table(folder / local.path, local)
    paths = (folder / wanted.place.with_name(f"{wanted.split}{suffix}") for suffix in READERS)
    path = next((path for path in paths if path.is_file()), None)
    return None if path is None else _table(path, None)


def _table(path: Path, local: LocalTable | None) -> Table:
    if path.suffix not in READERS:
        raise InputError(f"{path}: a table is one of {', '.join(READERS)}")
    columns, values = (local.columns, local.values) if local else ({}, {})
    return Table(str(path.resolve()), sha256_file(path), columns, values)


def revisions(datasets: Sequence[str], folder: Path) -> dict[str, str | None]:
    """The commit of each dataset that --fetch brought; None of one that was laid there."""
    found: dict[str, str | None] = {}
    for dataset in datasets:
        record = folder / folder_name(dataset) / RECORD
        found[dataset] = json.loads(record.read_text())["revision"] if record.is_file() else None
    return found
