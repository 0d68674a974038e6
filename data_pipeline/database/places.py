"""Which rendered row goes into which pack and shard."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from data_pipeline.build.work_folder import WorkFolder
from data_pipeline.database.row_database import RowDatabase
from data_pipeline.packing.best_fit import PARTITION_ROWS, assign_packs, num_partitions
from data_pipeline.packing.gather import Shard
from data_pipeline.workers.done import Done
from data_pipeline.workers.each_item import ALONE, Workers, do_each
from hunmin.shards import shard_name, shard_packs

MEMBERS = (
    "FROM renders WHERE reason IS NULL AND split = ? AND epoch = ? AND row_hash % ? = ? "
    "ORDER BY ord, repeat, turn"
)


class Partition(NamedTuple):
    """Rows that are packed together: those of a split and epoch whose hash leaves `number` over `count`."""

    split: str
    epoch: int
    count: int
    number: int


def place_rows(
    database: RowDatabase,
    *,
    seq_len: int,
    work: WorkFolder,
    workers: Workers = ALONE,
    partition_rows: int = PARTITION_ROWS,
) -> list[Shard]:
    """Fill the table `placed` (ord, epoch, repeat, turn, pack, slot); the shards in order.

    Packs are planned apart for each split and epoch, within hash partitions of the rows: memory is that of
    one partition a worker, and the packs depend on the rows alone.
    """
    database.con.execute(
        "CREATE TABLE placed "
        "(ord BIGINT, epoch INTEGER, repeat INTEGER, turn INTEGER, pack INTEGER, slot INTEGER)"
    )
    groups = database.rows(
        "SELECT split, epoch, count(*) AS num_rows FROM renders WHERE reason IS NULL AND split <> 'heldout' "
        "GROUP BY ALL ORDER BY ALL"
    )
    counts = [num_partitions(group["num_rows"], partition_rows) for group in groups]
    partitions = [
        Partition(group["split"], group["epoch"], count, number)
        for group, count in zip(groups, counts, strict=True)
        for number in range(count)
    ]
    _pack_each(database, partitions, seq_len, work, workers if max(counts, default=1) > 1 else ALONE)
    shards: list[Shard] = []
    num_packs = 0
    for index, partition in enumerate(partitions):
        members = database.arrays(f"SELECT ord, repeat, turn {MEMBERS}", list(partition))
        pack, slot = (np.load(work.path("packing", index, f"{name}.npy")) for name in ("pack", "slot"))
        placed = {
            "ord": members["ord"],
            "epoch": np.full(len(members["ord"]), partition.epoch, np.int32),
            "repeat": members["repeat"],
            "turn": members["turn"],
            "pack": pack + num_packs,
            "slot": slot,
        }
        database.insert("placed", pa.table(placed))
        num_packs += int(pack.max(initial=-1)) + 1
        if partition.number == partition.count - 1:
            shards += _shards(partition.split, partition.epoch, num_packs, seq_len, shards)
            num_packs = 0
    return shards


def _pack_each(
    database: RowDatabase, partitions: list[Partition], seq_len: int, work: WorkFolder, workers: Workers
) -> None:
    """Leave `pack` and `slot` of each partition's rows, in their order, in files of the work folder."""
    for index, partition in enumerate(partitions):
        members = database.arrays(f"SELECT num_tokens {MEMBERS}", list(partition))
        np.save(work.path("packing", index, "lengths.npy"), members["num_tokens"])

    def pack(index: int) -> Done:
        packing = assign_packs(np.load(work.path("packing", index, "lengths.npy")), seq_len=seq_len)
        files = {name: work.path("packing", index, f"{name}.npy") for name in ("pack", "slot")}
        for name, path in files.items():
            np.save(path, getattr(packing, name))
        return Done(list(files.values()), {})

    notes = {work.path("packing", index, "json"): index for index in range(len(partitions))}
    do_each("data: rows packed", notes, pack, workers=workers)


def _shards(split: str, epoch: int, num_packs: int, seq_len: int, before: list[Shard]) -> list[Shard]:
    numbered = sum(shard.split == split for shard in before)
    size = shard_packs(seq_len)
    return [
        Shard(
            path=f"{split}/{shard_name(numbered + number)}",
            split=split,
            epoch=epoch,
            first_pack=first,
            num_packs=min(size, num_packs - first),
        )
        for number, first in enumerate(range(0, num_packs, size))
    ]
