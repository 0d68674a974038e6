"""`hunmin show RUN --rejected`: what was not kept, why, and what it says."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from rich.console import Console

from data_pipeline.reasons import REASONS
from hunmin.artifact import MANIFEST
from hunmin.errors import InputError, did_you_mean
from launcher.commands.run_folder import find_run, stage_command
from launcher.config import load
from launcher.inspect.packed_data import Corpus, LedgerRow
from launcher.inspect.token_marks import visible

FEW = 20  # shown where no number is asked for
TABLE = "rejected.parquet"


@dataclass(frozen=True)
class ShownRejected:
    """Some rejected records in the order of their files."""

    counts: dict[str, int]  # of all that were asked about, by reason, the commonest first
    lines: list[LedgerRow]

    @property
    def total(self) -> int:
        """How many there are, shown or not."""
        return sum(self.counts.values())

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"total": self.total, "counts": self.counts, "rejected": self.lines}


def show_rejected(
    run: Path, *, reason: str = "", source: str | None = None, limit: int = FEW
) -> ShownRejected:
    """Rejected records of a run, also of one whose data stage stopped because nothing was left.

    Args:
        reason: the reason they were rejected for; empty: any.
        source: of this source alone.
        limit: at most so many.

    Raises:
        InputError: there is no such run, reason or source; says which there are.
        ArtifactError: rejected.parquet differs from its manifest.
    """
    table = ds.dataset(_table_of(run), format="parquet")
    _check_reason(table, reason)
    _check_source(run, source)
    condition = pc.scalar(True)
    for name, value in (("reason", reason), ("source", source)):
        condition = condition & (pc.field(name) == value) if value else condition
    counts: Counter[str] = Counter()
    for batch in _batches(table, condition, columns=["reason"]):
        counts.update(batch.column("reason").to_pylist())
    return ShownRejected(dict(counts.most_common()), table.head(limit, filter=condition).to_pylist())


def _table_of(run: Path) -> Path:
    folder = find_run(run)
    data, cure = folder / "data", stage_command(folder, "data")
    if (data / MANIFEST).exists():
        Corpus(data, cure=cure).verify([TABLE])
    elif not (data / TABLE).exists():
        raise InputError(f"{data}: the data stage is not finished; run: {cure}")
    return data / TABLE


def _check_reason(table: ds.Dataset, reason: str) -> None:
    """A reason that hit no record is an answer, one that does not exist is a mistake."""
    if reason and reason not in REASONS:
        here = sorted({one for batch in _batches(table, columns=["reason"]) for one in batch[0].to_pylist()})
        there = f"this run has {', '.join(here)}" if here else "this run rejected nothing"
        raise InputError(f"--rejected {reason}: no such reason; {did_you_mean(reason, REASONS, there)}")


def _check_source(run: Path, source: str | None) -> None:
    names = [one.name for one in load(find_run(run) / "config.yaml", [])[0].data.sources]
    if source is not None and source not in names:
        there = f"the run has {', '.join(names)}"
        raise InputError(f"--source {source}: no such source; {did_you_mean(source, names, there)}")


def _batches(
    table: ds.Dataset, condition: pc.Expression | None = None, *, columns: list[str]
) -> Iterator[pa.RecordBatch]:
    yield from table.to_batches(filter=condition, columns=columns)


def print_rejected(out: Console, shown: ShownRejected) -> None:
    """Counts, then a record at a time: reason, place, detail, and what it says."""
    listed = ", ".join(f"{reason} {count:,}" for reason, count in shown.counts.items())
    head = f"{shown.total:,} rejected" + (f": {listed}" if listed else "")
    _say(out, head, style="bold")
    for line in shown.lines:
        out.print()
        _say(out, f"{line['reason']} · {line['row_id']}", style="bold yellow")
        _say(out, visible(line["detail"] or ""), style="dim")
        _say(out, visible(line.get("text") or "").replace("↵\n", "\n"))
    if shown.total > len(shown.lines):
        out.print()
        _say(
            out,
            f"{len(shown.lines):,} of {shown.total:,} shown; --limit N shows more, {TABLE} has all",
        )


def _say(out: Console, text: str, *, style: str = "") -> None:
    out.print(text, style=style, soft_wrap=not out.is_terminal)
