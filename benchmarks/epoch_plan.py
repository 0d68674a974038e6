"""What planning an epoch costs: which rows share a pack, the order of packs, and a step dealt to many ranks.

    python benchmarks/epoch_plan.py --rows 1000000 10000000 [--order-only 100000000]

Rows are random: 8 tokens and an exponential draw of mean 200, at most 2,048. `--order-only` leaves out the
packing, whose time is that of its partitions of a million rows, one after another. Each size runs in a
process of its own, for its peak of resident memory; a step is one of 4,096 packs over 512 ranks.
"""

import argparse
import multiprocessing as mp
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SEQ_LEN, MEAN_TOKENS = 2048, 200
RANKS, GLOBAL_BATCH_SIZE, STEPS = 512, 4096, 20


def plan_packs(num_rows: int) -> dict[str, Any]:
    """Seconds of `place_rows` on a table of renders of one epoch."""
    from data_pipeline.database.places import place_rows
    from data_pipeline.database.row_database import RowDatabase

    with tempfile.TemporaryDirectory() as folder:
        database = RowDatabase(Path(folder))
        database.con.execute("SELECT setseed(0.5)")
        database.con.execute(
            "CREATE TABLE renders AS SELECT range AS ord, 0 AS epoch, 0 AS repeat, 0 AS turn, "
            "'train' AS split, CAST(NULL AS VARCHAR) AS reason, hash(range) AS row_hash, "
            "CAST(least(?, 8 - ? * ln(1 - random())) AS INTEGER) AS num_tokens FROM range(?)",
            [SEQ_LEN, MEAN_TOKENS, num_rows],
        )
        start, start_cpu = time.perf_counter(), time.process_time()
        shards = place_rows(database, seq_len=SEQ_LEN)
        seconds, cpu_s = time.perf_counter() - start, time.process_time() - start_cpu
        packs = sum(shard.num_packs for shard in shards)
        database.close()
    return {
        "packs": packs,
        "files": len(shards),
        "packing_s": round(seconds, 1),
        "packing_cpu_s": round(cpu_s, 1),
    }


def deal_steps(num_packs: int) -> dict[str, Any]:
    """Seconds of the first step (the epoch's order) and of a later one, and bytes that a rank holds."""
    from trainer.batches.dealing import deal, packs_of_step
    from trainer.batches.pack_index import PackIndex

    rng = np.random.default_rng(0)
    files = -(-num_packs // 2048)
    index = PackIndex(
        names=tuple(f"shard-{number:05d}.arrow" for number in range(files)),
        tasks=("a",),
        num_packs=np.full(files, 2048),
        epochs=np.zeros(files, np.int64),
        num_tokens=rng.integers(1, SEQ_LEN, num_packs, dtype=np.int32),
        attention_costs=rng.integers(1, SEQ_LEN**2, num_packs),
        is_weighted=False,
        seq_len=SEQ_LEN,
    )
    start = time.perf_counter()
    index = PackIndex.from_bytes(index.to_bytes())
    told_s = time.perf_counter() - start
    seconds = []
    for step in range(min(STEPS, num_packs // GLOBAL_BATCH_SIZE)):
        start = time.perf_counter()
        packs = packs_of_step(step, seed=0, epoch_sizes=(num_packs,), global_batch_size=GLOBAL_BATCH_SIZE)
        deal(index.attention_costs[packs].tolist(), world_size=RANKS)
        seconds.append(time.perf_counter() - start)
    return {
        "index_bytes_a_pack": round((index.num_tokens.nbytes + index.attention_costs.nbytes) / num_packs, 1),
        "told_s": round(told_s, 2),
        "first_step_s": round(seconds[0], 2),
        "later_step_ms": round(1000 * statistics.median(seconds[1:]), 1),
    }


def measure(num_rows: int, order_only: bool) -> dict[str, Any]:
    """Both, in this process."""
    found = {"packs": num_rows * (MEAN_TOKENS + 8) // SEQ_LEN} if order_only else plan_packs(num_rows)
    peak_of_packing = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found |= deal_steps(found["packs"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found | {"packing_peak_mib": peak_of_packing >> 10, "peak_mib": peak >> 10}


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000])
    parser.add_argument("--order-only", type=int, nargs="*", default=[])
    args = parser.parse_args()
    for num_rows, order_only in [(n, False) for n in args.rows] + [(n, True) for n in args.order_only]:
        with mp.get_context("spawn").Pool(1) as pool:
            print(f"{num_rows:,} rows:", pool.apply(measure, (num_rows, order_only)), flush=True)


if __name__ == "__main__":
    main()
