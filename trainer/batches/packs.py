"""Packs as numbers: read them from shards, join them into the one sequence a forward takes."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from hunmin.schema import IGNORE_INDEX
from hunmin.shards import read_shard, shard_metadata
from trainer.batches.model_inputs import Inputs, to_device
from trainer.batches.pack_index import PackIndex, scan, values_by_pack


class Pack(NamedTuple):
    """One pack. Per segment: `tasks`, index into PackFolder.tasks; `rows`, line of rows.parquet; `weights` of
    its trained tokens, 1 where the shard has none.
    """

    input_ids: np.ndarray
    labels: np.ndarray
    seq_lengths: np.ndarray
    tasks: np.ndarray
    rows: np.ndarray
    weights: np.ndarray


NO_ROW = -1  # of a segment that is no row
# Computes, trains nothing: for a rank that has no pack where others have one.
ZERO_WEIGHT_PACK = Pack(
    input_ids=np.zeros(2, np.int32),
    labels=np.full(2, IGNORE_INDEX, np.int32),
    seq_lengths=np.array([2], np.int32),
    tasks=np.zeros(1, np.int32),
    rows=np.full(1, NO_ROW),
    weights=np.ones(1, np.float32),
)


MAX_OPEN_SHARDS = 128  # mapped at a time: each takes a file descriptor, of which a process has 1,024


class Segments(NamedTuple):
    """Of every segment of a split its pack (int64), its task (int32, index into PackFolder.tasks) and its
    tokens (int32); a pack's stand together, packs in order.
    """

    packs: np.ndarray
    tasks: np.ndarray
    tokens: np.ndarray


class PackFolder:
    """The packs of a split, numbered through its shards in canonical order. A shard is opened, and a pack's
    pages are read, when a pack of it is asked for. `is_weighted`: some row has a weight other than 1.
    """

    def __init__(self, folder: Path, index: PackIndex | None = None):
        """Open a split. Without `index`, what another process has scanned, every file is scanned."""
        self.index = scan(folder) if index is None else index
        self.is_weighted = self.index.is_weighted
        self.seq_len = self.index.seq_len  # tokens of a pack, at most
        self.tasks = list(self.index.tasks)  # of any shard
        self.epoch_sizes = tuple(  # packs in each epoch
            int(self.index.num_packs[self.index.epochs == epoch].sum())
            for epoch in np.unique(self.index.epochs)
        )
        self._folder = folder
        self._starts = np.concatenate([[0], np.cumsum(self.index.num_packs)])
        self._shard = lru_cache(maxsize=MAX_OPEN_SHARDS)(self._open)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> Pack:
        shard = int(np.searchsorted(self._starts, index, side="right")) - 1
        (table, task_ids), row = self._shard(shard), index - int(self._starts[shard])
        found = {
            name: table.column(name)[row].values.to_numpy()
            for name in Pack._fields
            if name in table.column_names
        }
        found.setdefault("weights", np.ones(len(found["rows"]), np.float32))
        return Pack(**found | {"tasks": task_ids[found["tasks"]]})

    def segments(self) -> Segments:
        """Every segment, from two short columns of every file: for a split that is small beside the training
        data, and for one rank.
        """
        parts, first = [(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32))], 0
        for shard in range(len(self.index.names)):
            table, task_ids = self._shard(shard)
            columns = (values_by_pack(table, name) for name in ("tasks", "seq_lengths"))
            for (tasks, starts), (tokens, _) in zip(*columns, strict=True):
                packs = first + np.repeat(np.arange(len(starts)), np.diff(starts, append=len(tasks)))
                parts.append((packs, task_ids[tasks], tokens))
                first += len(starts)
        return Segments(*map(np.concatenate, zip(*parts, strict=True)))

    def _open(self, shard: int) -> tuple[pa.Table, np.ndarray]:
        """A shard, and what its tasks' numbers are among those of all shards."""
        table = read_shard(self._folder / self.index.names[shard])
        own = [self.tasks.index(task) for task in shard_metadata(table)["tasks"]]
        return table, np.array(own, np.int32)


class Batch(NamedTuple):
    """A micro-batch as one sequence of T tokens in S segments; no padding.

    input_ids, position_ids (restarting in each segment), labels: int64 (T,); cu_seqlens: int32 (S + 1,);
    tasks, rows: int64 (S,); weights: float64 (S,).
    """

    input_ids: Tensor
    position_ids: Tensor
    labels: Tensor
    cu_seqlens: Tensor
    tasks: Tensor
    rows: Tensor
    weights: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same on a device, all of it."""
        return Batch(*to_device(self, device))


def join(packs: Sequence[Pack]) -> Batch:
    """Lay packs end to end; none gives the zero-weight pack."""
    packs = packs or [ZERO_WEIGHT_PACK]
    lengths = np.concatenate([pack.seq_lengths for pack in packs])
    ends = np.cumsum(lengths)
    positions = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)

    def joined(name: str, dtype: type = np.int64) -> Tensor:
        return torch.from_numpy(np.concatenate([getattr(pack, name) for pack in packs]).astype(dtype))

    return Batch(
        input_ids=joined("input_ids"),
        position_ids=torch.from_numpy(positions),
        labels=joined("labels"),
        cu_seqlens=torch.from_numpy(np.append(0, ends).astype(np.int32)),
        tasks=joined("tasks"),
        rows=joined("rows"),
        weights=joined("weights", np.float64),
    )


def inputs_of(batch: Batch, positions_N: Tensor, targets_N: Tensor) -> Inputs:
    """What a forward takes of a batch on the host, and the targets it is told."""
    seq_lengths = tuple(batch.cu_seqlens.diff().tolist())
    return Inputs(batch.input_ids, batch.position_ids, batch.cu_seqlens, positions_N, targets_N, seq_lengths)


def targets_of_segments(pack: Pack) -> np.ndarray:
    """Tokens of each segment that are predicted and trained (segments,); nothing predicts a first one."""
    trained = pack.labels != IGNORE_INDEX
    starts = np.cumsum(pack.seq_lengths) - pack.seq_lengths
    return np.add.reduceat(trained, starts, dtype=np.int64) - trained[starts]
