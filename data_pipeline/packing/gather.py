"""A shard's packs from encoded rows that lie in many parts; each part is memory-mapped, never read whole."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_pipeline.build.schemas import IDS
from data_pipeline.build.work_folder import WorkFolder
from hunmin.schema import PACKS, WEIGHTED_PACKS

BATCH_ROWS = 1024  # of an encoded part: row i lies in batch i // BATCH_ROWS


@dataclass(frozen=True)
class Shard:
    """A file of packs of one (split, epoch). `first_pack` counts over that (split, epoch)."""

    path: str
    split: str
    epoch: int
    first_pack: int
    num_packs: int


def gather_packs(work: WorkFolder, shard: Shard, *, tasks: list[str]) -> pa.Table:
    """The packs of a shard."""
    end = shard.first_pack + shard.num_packs
    inside = [("split", "=", shard.split), ("epoch", "=", shard.epoch)]
    found = pq.read_table(
        work.places, filters=[*inside, ("pack", ">=", shard.first_pack), ("pack", "<", end)], memory_map=True
    )
    index = {name: number for number, name in enumerate(tasks)}
    return pack_table(
        _take(work, found["part"].to_numpy(), found["idx"].to_numpy()),
        pack=found["pack"].to_numpy(),
        rows=found["row"].to_numpy(),
        tasks=np.array([index[name] for name in found["task"].to_pylist()], np.int32),
        weights=found["weight"].to_numpy(),
    )


def _take(work: WorkFolder, part: np.ndarray, idx: np.ndarray) -> pa.Table:
    """The encoded rows (part[i], idx[i]) in this order."""
    order = np.lexsort((idx, part))
    pieces = []
    for number in np.unique(part):
        members = idx[order][part[order] == number]
        with pa.memory_map(str(work.path("ids", int(number), "arrow"))) as mapped:
            reader = pa.ipc.open_file(mapped)
            for batch in np.unique(members // BATCH_ROWS):
                local = members[members // BATCH_ROWS == batch] % BATCH_ROWS
                pieces.append(reader.get_batch(int(batch)).take(pa.array(local)))
    sorted_rows = pa.Table.from_batches(pieces, schema=IDS).combine_chunks()
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return sorted_rows.take(pa.array(back))


def pack_table(
    ids: pa.Table, *, pack: np.ndarray, rows: np.ndarray, tasks: np.ndarray, weights: np.ndarray
) -> pa.Table:
    """Lay rows end to end into their packs; without a weight other than 1 there is no column of weights.

    Args:
        ids: columns of IDS, a line a row, in the order of packs and of segments inside them.
        pack: per row, not descending.
        rows: per row: its index in rows.parquet.
        tasks: per row: the index of its task's name.
        weights: per row, float32: of its trained tokens.
    """
    lengths = np.diff(_one_chunk(ids, "input_ids").offsets.to_numpy())
    firsts = np.concatenate([[0], np.flatnonzero(np.diff(pack)) + 1, [len(pack)]])
    token_offsets = np.concatenate([[0], np.cumsum(lengths)])[firsts]

    def nested(offsets: np.ndarray, values: pa.Array) -> pa.Array:
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)

    columns = {
        "input_ids": nested(token_offsets, _one_chunk(ids, "input_ids").flatten()),
        "labels": nested(token_offsets, _one_chunk(ids, "labels").flatten()),
        "seq_lengths": nested(firsts, pa.array(lengths, pa.int32())),
        "rows": nested(firsts, pa.array(rows, pa.int64())),
        "tasks": nested(firsts, pa.array(tasks, pa.int32())),
    }
    if np.all(weights == 1):
        return pa.table(columns, schema=PACKS)
    columns["weights"] = nested(firsts, pa.array(weights, pa.float32()))
    return pa.table(columns, schema=WEIGHTED_PACKS)


def _one_chunk(table: pa.Table, name: str) -> pa.ListArray:
    column = table.column(name).combine_chunks()
    return column if isinstance(column, pa.Array) else column.chunk(0)  # type: ignore[return-value]
