"""Which rendered row goes into which pack and shard."""

import numpy as np
import pyarrow as pa

from data_pipeline.database.row_database import RowDatabase
from data_pipeline.packing.best_fit import PARTITION_ROWS, assign_packs, num_partitions
from data_pipeline.packing.gather import Shard
from hunmin.shards import shard_name, shard_packs


def place_rows(database: RowDatabase, *, seq_len: int, partition_rows: int = PARTITION_ROWS) -> list[Shard]:
    """Fill the table `placed` (ord, epoch, repeat, turn, pack, slot); the shards in order.

    Packs are planned apart for each split and epoch, within hash partitions of the rows: memory is that of
    one partition, and the packs depend on the rows alone.
    """
    database.con.execute(
        "CREATE TABLE placed "
        "(ord BIGINT, epoch INTEGER, repeat INTEGER, turn INTEGER, pack INTEGER, slot INTEGER)"
    )
    shards: list[Shard] = []
    groups = database.rows(
        "SELECT split, epoch, count(*) AS num_rows FROM renders WHERE reason IS NULL AND split <> 'heldout' "
        "GROUP BY ALL ORDER BY ALL"
    )
    for group in groups:
        count = num_partitions(group["num_rows"], partition_rows)
        num_packs = 0
        for partition in range(count):
            members = database.arrays(
                "SELECT ord, repeat, turn, num_tokens FROM renders WHERE reason IS NULL AND split = ? "
                "AND epoch = ? AND row_hash % ? = ? ORDER BY ord, repeat, turn",
                [group["split"], group["epoch"], count, partition],
            )
            packing = assign_packs(members["num_tokens"], seq_len=seq_len)
            placed = {
                "ord": members["ord"],
                "epoch": np.full(len(members["ord"]), group["epoch"], np.int32),
                "repeat": members["repeat"],
                "turn": members["turn"],
                "pack": packing.pack + num_packs,
                "slot": packing.slot,
            }
            database.insert("placed", pa.table(placed))
            num_packs += packing.num_packs
        shards += _shards(group["split"], group["epoch"], num_packs, seq_len, shards)
    return shards


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
