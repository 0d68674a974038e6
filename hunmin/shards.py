"""Packed shards: write, read, and the invariants that both and the tests check."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from hunmin.artifact import Manifest, verify, written_whole
from hunmin.errors import ArtifactError
from hunmin.schema import IGNORE_INDEX, PACKS, WEIGHTED_PACKS, PackMetadata

METADATA_KEY = b"hunmin"
EPOCHS = "epochs"  # in the data stage's manifest, under `extra`: by shard, the epoch that it is of
SHARD_TOKENS = 1 << 22  # tokens a shard has room for: ids and labels of four bytes each make 32 MiB


def shard_name(index: int) -> str:
    """The file name of a split's shard; the order of names is the order of packs."""
    return f"shard-{index:05d}.arrow"


def shard_packs(seq_len: int) -> int:
    """Packs a full shard holds."""
    return max(1, SHARD_TOKENS // seq_len)


def write_shard(path: Path, table: pa.Table, metadata: PackMetadata) -> None:
    """Write a shard whole or not at all, after checking its invariants.

    Raises:
        ArtifactError: an invariant does not hold.
    """
    check_invariants(table, metadata, where=str(path))
    schema = WEIGHTED_PACKS if "weights" in table.column_names else PACKS
    schema = schema.with_metadata({METADATA_KEY: json.dumps(metadata, ensure_ascii=False).encode()})
    with (
        written_whole(path) as partial,
        pa.OSFile(str(partial), "wb") as sink,
        pa.ipc.new_stream(sink, schema) as writer,
    ):
        writer.write_table(table.cast(schema))


def read_shards(folder: Path) -> list[pa.Table]:
    """The shards of a split, memory-mapped, in canonical order. Costs the number of shards, not of rows.

    Raises:
        ArtifactError: a file is not a packed shard.
    """
    return [read_shard(path) for path in sorted(folder.glob("shard-*.arrow"))]


def read_shard(path: Path) -> pa.Table:
    """One shard, memory-mapped.

    Raises:
        ArtifactError: the file is not a packed shard.
    """
    try:
        table = pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise ArtifactError(f"{path}: not an Arrow stream ({error}); rebuild with: hunmin data") from error
    known = table.schema.remove_metadata() in (PACKS, WEIGHTED_PACKS)
    if not known or METADATA_KEY not in (table.schema.metadata or {}):
        raise ArtifactError(f"{path}: not a packed shard of this hunmin; rebuild with: hunmin data")
    return table


class ListedShard(NamedTuple):
    """What a manifest says of a shard; `path` is relative to the stage's folder."""

    path: str
    epoch: int
    num_packs: int


def listed_shards(folder: Path, manifest: Manifest, split: str, *, cure: str) -> list[ListedShard]:
    """The shards of a split in canonical order, as the manifest of `folder` lists them; none is opened.

    Those of an earlier version's stage, which lists no epochs, are verified and opened.

    Raises:
        ArtifactError: one of those is missing or differs; says to run `cure`.
    """
    entries = [entry for entry in manifest.files if entry.path.startswith(f"{split}/shard-")]
    if EPOCHS in manifest.extra:
        epochs = manifest.extra[EPOCHS]
        return [ListedShard(entry.path, epochs[entry.path], entry.rows or 0) for entry in entries]
    verify(folder, cure=cure, only=(f"{split}/shard-",))
    tables = {entry.path: read_shard(folder / entry.path) for entry in entries}
    return [
        ListedShard(path, shard_metadata(table)["epoch"], table.num_rows) for path, table in tables.items()
    ]


def shard_metadata(table: pa.Table) -> PackMetadata:
    """The metadata that `write_shard` put in."""
    return json.loads((table.schema.metadata or {})[METADATA_KEY])


def check_invariants(table: pa.Table, metadata: PackMetadata, *, where: str) -> None:
    """Raise where a pack is not what the trainer relies on.

    - labels are as long as input_ids and equal them wherever they are trained;
    - a pack holds 1 to seq_len tokens, and its segments' lengths are positive and sum to it;
    - rows and tasks have one entry a segment, and so have weights where there are some; tasks are known,
      weights are positive and finite;
    - the first token of a segment is never a target (nothing stands before it).

    Raises:
        ArtifactError: names the first pack and the rule.
    """

    def fail(rule: str, bad: np.ndarray) -> None:
        if bad.any():
            raise ArtifactError(f"{where}: pack {int(np.argmax(bad))}: {rule}")

    def lengths_of(name: str) -> np.ndarray:
        return np.diff(_offsets(table, name))

    tokens = lengths_of("input_ids")
    fail("labels and input_ids differ in length", lengths_of("labels") != tokens)
    fail(f"not between 1 and {metadata['seq_len']} tokens", (tokens < 1) | (tokens > metadata["seq_len"]))
    segments = lengths_of("seq_lengths")
    fail("rows or tasks do not match the segments", (lengths_of("rows") != segments))
    fail("rows or tasks do not match the segments", (lengths_of("tasks") != segments))
    fail("no segment", segments < 1)
    if "weights" in table.column_names:
        fail("weights do not match the segments", lengths_of("weights") != segments)
    seq_lengths = _values(table, "seq_lengths")
    seg_starts = _offsets(table, "seq_lengths")
    fail("segment lengths do not sum to the pack", np.add.reduceat(seq_lengths, seg_starts[:-1]) != tokens)
    fail("an empty segment", np.minimum.reduceat(seq_lengths, seg_starts[:-1]) < 1)
    tasks = _values(table, "tasks")
    unknown = (tasks < 0) | (tasks >= len(metadata["tasks"]))
    fail("an unknown task", np.maximum.reduceat(unknown, seg_starts[:-1]))
    if "weights" in table.column_names:
        weights = _values(table, "weights")
        odd = ~(np.isfinite(weights) & (weights > 0))
        fail("a weight that is not positive and finite", np.maximum.reduceat(odd, seg_starts[:-1]))
    ids, labels = _values(table, "input_ids"), _values(table, "labels")
    wrong = (labels != IGNORE_INDEX) & (labels != ids)
    fail("a label differs from its token", np.maximum.reduceat(wrong, _offsets(table, "input_ids")[:-1]))
    firsts = labels[np.concatenate([[0], np.cumsum(seq_lengths)[:-1]])] != IGNORE_INDEX
    fail("the first token of a segment is a target", np.maximum.reduceat(firsts, seg_starts[:-1]))


def _offsets(table: pa.Table, name: str) -> np.ndarray:
    lengths = np.concatenate(
        [np.diff(chunk.offsets.to_numpy()) for chunk in table.column(name).chunks] or [np.zeros(0, int)]
    )
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _values(table: pa.Table, name: str) -> np.ndarray:
    chunks = [chunk.flatten().to_numpy() for chunk in table.column(name).chunks]
    return np.concatenate(chunks or [np.zeros(0, int)])
