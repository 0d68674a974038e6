"""Packs as numbers: read them from shards, join them into the one sequence a forward takes."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hunmin.schema import IGNORE_INDEX
from hunmin.shards import read_shards, shard_metadata
from trainer.batches.model_inputs import Inputs, to_device


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


class PackFolder:
    """The packs of a split, numbered through its shards in canonical order. Memory-mapped: opening costs
    the number of shards. `is_weighted`: some row has a weight other than 1.
    """

    def __init__(self, folder: Path):
        self._tables = read_shards(folder)
        self._starts = np.cumsum([0, *(table.num_rows for table in self._tables)])
        self.is_weighted = any("weights" in table.column_names for table in self._tables)
        metadata = [shard_metadata(table) for table in self._tables]
        self.tasks = sorted({task for entry in metadata for task in entry["tasks"]})  # of any shard
        self._task_ids = [
            np.array([self.tasks.index(task) for task in entry["tasks"]], np.int32) for entry in metadata
        ]
        sizes: dict[int, int] = {}
        for table, entry in zip(self._tables, metadata, strict=True):
            sizes[entry["epoch"]] = sizes.get(entry["epoch"], 0) + table.num_rows
        self.epoch_sizes = tuple(size for _, size in sorted(sizes.items()))  # packs in each epoch

    def __len__(self) -> int:
        return int(self._starts[-1])

    def seq_lengths(self, index: int) -> np.ndarray:
        """Tokens of each segment of a pack; its tokens are not read."""
        shard, row = self._place(index)
        return self._tables[shard].column("seq_lengths")[row].values.to_numpy()

    def __getitem__(self, index: int) -> Pack:
        shard, row = self._place(index)
        table = self._tables[shard]
        found = {
            name: table.column(name)[row].values.to_numpy()
            for name in Pack._fields
            if name in table.column_names
        }
        found.setdefault("weights", np.ones(len(found["rows"]), np.float32))
        return Pack(**found | {"tasks": self._task_ids[shard][found["tasks"]]})

    def _place(self, index: int) -> tuple[int, int]:
        """Shard, and row in it."""
        shard = int(np.searchsorted(self._starts, index, side="right")) - 1
        return shard, index - int(self._starts[shard])


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
