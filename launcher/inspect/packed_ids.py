"""The ids of any rendered row of a split and epoch, by its line of rows.parquet."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa


class PackedIds:
    """Memory-mapped shards, indexed by row. Costs 20 bytes a row; the ids stay on the disk."""

    def __init__(self, shards: Iterable[pa.Table]):
        chunks = [batch for shard in shards for batch in shard.to_batches() if batch.num_rows]
        self._ids = [batch.column("input_ids").flatten().to_numpy() for batch in chunks]
        self._labels = [batch.column("labels").flatten().to_numpy() for batch in chunks]
        lengths = [batch.column("seq_lengths").flatten().to_numpy() for batch in chunks]
        rows = [batch.column("rows").flatten().to_numpy() for batch in chunks]
        starts = [np.cumsum(one, dtype=np.int64) - one for one in lengths]  # segments fill their packs
        row_S = np.concatenate([*rows, np.zeros(0, np.int64)])
        order = np.argsort(row_S)
        self._row_S = row_S[order]
        self._chunk_S = np.repeat(np.arange(len(chunks), dtype=np.int32), [len(one) for one in rows])[order]
        self._start_S = np.concatenate([*starts, np.zeros(0, np.int64)])[order]
        self._length_S = np.concatenate([*lengths, np.zeros(0, np.int32)])[order]

    def of(self, row: int) -> tuple[list[int], list[int]]:
        """Ids and labels of a row.

        Raises:
            KeyError: no pack holds it.
        """
        at = int(np.searchsorted(self._row_S, row))
        if at == len(self._row_S) or self._row_S[at] != row:
            raise KeyError(row)
        chunk, start = self._chunk_S[at], self._start_S[at]
        own = slice(start, start + self._length_S[at])
        return self._ids[chunk][own].tolist(), self._labels[chunk][own].tolist()
