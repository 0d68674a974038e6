"""Where a row went: packs, held-out rows, or rejected and why."""

import re
from dataclasses import dataclass
from typing import Any

from hunmin.errors import InputError
from launcher.inspect.packed_data import Corpus, LedgerRow
from launcher.inspect.shown import no_such_row


@dataclass(frozen=True)
class RowTrace:
    """Where a row went. `lines` are those of rows.parquet, each with its `shard`."""

    row_id: str
    lines: list[LedgerRow]
    heldout: list[LedgerRow]
    rejected: list[LedgerRow]
    winner: "RowTrace | None"  # of a duplicate: the row that was kept in its place

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return vars(self) | {"winner": self.winner and self.winner.as_json()}


def trace_row(corpus: Corpus, row_id: str) -> RowTrace:
    """Where a row went.

    Raises:
        InputError: no record gave a row of that id; names the nearest.
    """
    found = _row_trace(corpus, row_id)
    if not (found.lines or found.heldout or found.rejected):
        raise InputError(no_such_row(corpus, row_id))
    return found


def _row_trace(corpus: Corpus, row_id: str) -> RowTrace:
    lines = [line | {"shard": corpus.shard_of(line)} for line in corpus.lines_of(row_id)]
    rejected = corpus.rejections_of(row_id)
    winners = [_winner(line) for line in rejected if "duplicate" in line["reason"]]
    winner = next((one for one in winners if one and one != row_id), None)
    kept = _row_trace(corpus, winner) if winner else None
    return RowTrace(row_id, lines, corpus.heldout_of(row_id), rejected, kept)


def _winner(line: LedgerRow) -> str | None:
    """The row id in the detail of a duplicate: `of ID`, of a near one `of ID (similarity 0.93)`."""
    found = re.fullmatch(r"of (.+?)(?: \(similarity [0-9.]+\))?", line["detail"] or "")
    return found[1] if found else None
