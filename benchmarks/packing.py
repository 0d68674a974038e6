"""Packs needed: hunmin's best-fit-decreasing, TRL's pack_dataset, and the lower bound; rows placed a second.

    python benchmarks/packing.py runs/NAME --seq-len 1024 2048 4096

The lengths are those of a run's train rows in epoch 0 (rows.parquet); rows longer than seq_len are left out.
TRL is measured where it can be imported (pip install --no-deps trl), on the same lengths, as its default does
it (batches of 1,000 rows) and over all rows at once. The lower bound is the larger of the volume bound and L2
of Martello and Toth (1990).
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_pipeline.packing.best_fit import assign_packs


def lower_bound(lengths: np.ndarray, seq_len: int) -> int:
    """No packing needs fewer packs.

    For each K up to half a pack: rows longer than seq_len - K have nothing of K or more beside them; those
    longer than half a pack need one each; what they leave over takes some of the rows from K to a half.
    """
    counts = np.bincount(lengths, minlength=seq_len + 1)
    sizes = np.arange(seq_len + 1)
    rows_above = np.cumsum(counts[::-1])[::-1]  # rows of length >= i
    volume_above = np.cumsum((counts * sizes)[::-1])[::-1]
    best = -(-int(lengths.sum()) // seq_len)
    half = seq_len // 2
    more_than_half = int(rows_above[half + 1])
    for k in range(1, half + 1):
        alone = int(rows_above[seq_len - k + 1])
        beside = more_than_half - alone
        room = beside * seq_len - int(volume_above[half + 1] - volume_above[seq_len - k + 1])
        small = int(volume_above[k] - volume_above[half + 1])
        best = max(best, alone + beside + max(0, -(-(small - room) // seq_len)))
    return best


def trl_packers() -> dict[str, Callable[[np.ndarray, int], int]]:
    """Name -> packs needed by TRL, where it is there."""
    try:
        from trl.data_utils import pack_dataset  # type: ignore[import-not-found]
    except ImportError as error:
        print(f"TRL is not measured: {error}")
        return {}
    from datasets import Dataset

    def pack(lengths: np.ndarray, seq_len: int, batch: int) -> int:
        dataset = Dataset.from_dict({"input_ids": [[0] * n for n in lengths.tolist()]})
        return len(pack_dataset(dataset, seq_len, "bfd", {"batch_size": batch}))

    return {
        "TRL bfd, batches of 1,000": lambda lengths, seq_len: pack(lengths, seq_len, 1000),
        "TRL bfd, all rows": lambda lengths, seq_len: pack(lengths, seq_len, len(lengths)),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--seq-len", nargs="+", type=int, default=[1024, 2048, 4096])
    asked = parser.parse_args()
    table = pq.read_table(asked.run / "data" / "rows.parquet", columns=["num_tokens", "split", "epoch"])
    inside = pc.and_(pc.equal(table["split"], "train"), pc.equal(table["epoch"], 0))  # type: ignore[attr-defined]
    found = table.filter(inside)["num_tokens"].to_numpy()
    packers = {"hunmin": lambda lengths, seq_len: assign_packs(lengths, seq_len=seq_len).num_packs}
    packers |= trl_packers()
    for seq_len in asked.seq_len:
        lengths = found[found <= seq_len]
        bound = lower_bound(lengths, seq_len)
        print(f"seq_len {seq_len}: {len(lengths)} rows, {lengths.sum()} tokens, lower bound {bound} packs")
        for name, packer in packers.items():
            start = time.perf_counter()
            packs = packer(lengths, seq_len)
            took = time.perf_counter() - start
            above = 100 * (packs / bound - 1)
            print(
                f"  {name}: {packs} packs, {above:.3f} % above the bound, {len(lengths) / took:,.0f} rows/s"
            )


if __name__ == "__main__":
    main()
