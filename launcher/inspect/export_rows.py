"""`hunmin rows RUN FILE`: the rendered rows as messages, for other programs.

The messages are made again from the sources as the data stage made them, and each row is held against its
pack: what leaves is what is trained, to the token.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hunmin.artifact import written_whole
from hunmin.errors import InputError
from hunmin.models.message_form import MessageForm
from hunmin.progress import progress
from hunmin.rows import Message
from hunmin.schema import LEDGER, MESSAGE
from launcher.inspect.packed_data import Corpus
from launcher.inspect.packed_ids import PackedIds
from launcher.inspect.rebuild import build_of, rebuild_in_order
from launcher.inspect.show import open_corpus
from launcher.inspect.trace_token import require_same_ids

FACTS = (
    *("row_id", "source", "task", "domain", "language", "licence", "synthetic", "weight", "split", "epoch"),
    *("repeat", "wording_id", "wrapper", "transforms"),
)
ROWS = pa.schema(
    [*(LEDGER.field(name) for name in FACTS), ("messages", pa.list_(MESSAGE)), ("tools", pa.string())]
)
GROUP_ROWS = 1_024  # that stand in memory at a time

RowSink = Callable[[list[dict[str, Any]]], None]  # where exported rows go, a group at a time


def export_rows(run: Path, out: Path, *, split: str, epoch: int) -> int:
    """Write the rendered rows of a split and epoch in the order of the tables; how many.

    Raises:
        InputError: there is no such run, split or epoch; the file's name says no format, or its folder is not
            there; or a source does not give the packed rows any more.
        ArtifactError: a file of the data stage is missing or differs from its manifest.
    """
    if out.suffix not in SINKS:
        raise InputError(f"{out}: rows are written as {' or '.join(SINKS)}; name a file that ends so")
    if not out.parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.parent}; make it, or name another")
    corpus = open_corpus(run)
    if split == "heldout":
        rows, total = _heldout(corpus, epoch), corpus.num_heldout()
    else:
        packed = PackedIds(corpus.shards(split, epoch=epoch))
        rows, total = _checked(run, corpus, packed, split, epoch), corpus.num_lines(split, epoch=epoch)
    count = 0
    with progress(f"rows of {split}, epoch {epoch}", total=total) as ticker, SINKS[out.suffix](out) as write:
        while group := list(islice(rows, GROUP_ROWS)):
            write(group)
            count += len(group)
            ticker.advance(len(group))
    return count


def _checked(
    run: Path, corpus: Corpus, packed: PackedIds, split: str, epoch: int
) -> Iterator[dict[str, Any]]:
    """Rows of packs in columns, each after it gave the ids and mask of its pack."""
    for rebuilt in rebuild_in_order(build_of(run, corpus), corpus.lines_in_order(split, epoch=epoch)):
        require_same_ids(rebuilt, *packed.of(rebuilt.line["row"]))
        yield _facts(rebuilt.line) | {"messages": rebuilt.messages, "tools": rebuilt.row.get("tools")}


def _heldout(corpus: Corpus, epoch: int) -> Iterator[dict[str, Any]]:
    """Rows of heldout.parquet, which has their messages as eval asks them."""
    if epoch:
        raise InputError(f"--epoch {epoch}: held-out rows are asked as they are, in no epoch; leave it out")
    for line in corpus.heldout_lines():
        yield _facts(line) | {"split": "heldout", "messages": line["messages"], "tools": line["tools"]}


def _facts(line: dict[str, Any]) -> dict[str, Any]:
    return {name: line.get(name) for name in FACTS}


@contextmanager
def _json_lines(path: Path) -> Iterator[RowSink]:
    with written_whole(path) as partial, partial.open("w", encoding="utf-8") as handle:

        def write(rows: list[dict[str, Any]]) -> None:
            for row in rows:
                handle.write(json.dumps(_as_object(row), ensure_ascii=False) + "\n")

        yield write


@contextmanager
def _parquet(path: Path) -> Iterator[RowSink]:
    with written_whole(path) as partial, pq.ParquetWriter(partial, ROWS, compression="zstd") as sink:

        def write(rows: list[dict[str, Any]]) -> None:
            sink.write_table(pa.Table.from_pylist(rows, schema=ROWS))

        yield write


SINKS = {".jsonl": _json_lines, ".parquet": _parquet}


def _as_object(row: dict[str, Any]) -> dict[str, Any]:
    """A row as one JSON object: what is not there is left out, messages are in the form of chat APIs."""
    told = {name: value for name, value in row.items() if value is not None}
    told["messages"] = [openai_message(message) for message in row["messages"]]
    return told | ({"tools": json.loads(row["tools"])} if row["tools"] else {})


def openai_message(message: Message) -> dict[str, Any]:
    """A message as chat APIs and templates take it; `train` and `weight` where they are not the usual."""
    told = MessageForm(arguments_as_text=True).of(message)
    told.pop("reasoning", None)  # the same as reasoning_content, for templates that know it by this name
    if (weight := message.get("weight")) is not None:
        told["weight"] = weight
    if message["role"] == "assistant" and message.get("train") is False:
        told["train"] = False
    return told
