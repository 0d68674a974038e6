"""What is known of a split's packs without their ids: files, epochs, tasks, tokens, what attention costs.

Packs are dealt by it, so that a rank reads those alone that it computes. One rank scans the files and tells
the others: opening a split costs its files once, not once a rank.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from hunmin.progress import Heartbeat, no_heartbeat
from hunmin.shards import read_shard, shard_metadata


@dataclass(frozen=True)
class PackIndex:
    """Twelve bytes a pack. Packs are numbered through the files in canonical order.

    names, tasks: of the files, and of any pack (sorted). num_packs, epochs: int64 (files,). num_tokens: int32
    (packs,). attention_costs: int64 (packs,), sums of squared segment lengths. `is_weighted`: some row has a
    weight other than 1. seq_len: tokens of a pack, at most.
    """

    names: tuple[str, ...]
    tasks: tuple[str, ...]
    num_packs: np.ndarray
    epochs: np.ndarray
    num_tokens: np.ndarray
    attention_costs: np.ndarray
    is_weighted: bool
    seq_len: int

    def to_bytes(self) -> bytes:
        """For another process; `from_bytes` takes it."""
        out = io.BytesIO()
        words = json.dumps([self.names, self.tasks, self.is_weighted, self.seq_len]).encode()
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        np.savez(out, allow_pickle=False, words=np.frombuffer(words, np.uint8), **arrays)
        return out.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "PackIndex":
        """What `to_bytes` gave."""
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            names, tasks, is_weighted, seq_len = json.loads(stored["words"].tobytes())
            arrays = {name: stored[name] for name in _ARRAYS}
        return cls(names=tuple(names), tasks=tuple(tasks), is_weighted=is_weighted, seq_len=seq_len, **arrays)


_ARRAYS = ("num_packs", "epochs", "num_tokens", "attention_costs")


def scan(folder: Path, *, alive: Heartbeat = no_heartbeat) -> PackIndex:
    """Open every file of a split and read its segments' lengths; no ids, no labels.

    Raises:
        ArtifactError: a file is not a packed shard.
    """
    paths = sorted(folder.glob("shard-*.arrow"))
    tasks: set[str] = set()
    num_packs, epochs = np.zeros((2, len(paths)), np.int64)
    num_tokens, costs = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
    is_weighted, seq_len = False, 0
    for number, path in enumerate(paths):
        table = read_shard(path)
        metadata = shard_metadata(table)
        tasks.update(metadata["tasks"])
        num_packs[number], epochs[number] = table.num_rows, metadata["epoch"]
        seq_len = max(seq_len, metadata["seq_len"])
        is_weighted |= "weights" in table.column_names
        for lengths, starts in values_by_pack(table, "seq_lengths"):
            num_tokens.append(np.add.reduceat(lengths, starts).astype(np.int32))
            costs.append(np.add.reduceat(lengths.astype(np.int64) ** 2, starts))
        alive()
    return PackIndex(
        names=tuple(path.name for path in paths),
        tasks=tuple(sorted(tasks)),
        num_packs=num_packs,
        epochs=epochs,
        num_tokens=np.concatenate(num_tokens),
        attention_costs=np.concatenate(costs),
        is_weighted=is_weighted,
        seq_len=seq_len,
    )


def values_by_pack(table: pa.Table, name: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each batch of a column: its segments' values, and where each pack's begin."""
    for chunk in table.column(name).chunks:
        if len(chunk):
            starts = chunk.offsets.to_numpy()[:-1]
            yield chunk.flatten().to_numpy(), starts - starts[0]
