"""How long training stands still for a checkpoint: ours beside the training, ours at once, DeepSpeed's own.

.venv/bin/python benchmarks/checkpoint_stall.py [FOLDER]

Two gloo ranks, a Llama of 60M parameters in ZeRO-3, the same state for all three. Medians of three with
the range; `durable` is until the files are on the disk (fsync), which DeepSpeed does not ask for.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from trainer.objectives.sft import SFT

SIZES = {"hidden_size": 640, "num_layers": 12, "num_heads": 10, "vocab_size": 32_000}
ROUNDS = 3
WORLD_SIZE = 2


def rank(folder: Path) -> None:
    """One of the ranks: measure and, on the first, print."""
    from tools.gpu_check.check_job import make_job
    from trainer import loop
    from trainer.checkpoint.checkpoint import TrainState
    from trainer.checkpoint.saving import Saver
    from trainer.engine.ranks import join_ranks
    from trainer.engine.steps import packs_of_rank

    with join_ranks(timeout_s=600) as me:
        if me.is_first:
            make_job(folder, sizes=SIZES, seq_len=128, global_batch_size=2)
        me.barrier()
        job = make_job(folder, sizes=SIZES, seq_len=128, global_batch_size=2)
        engine, state = loop.set_up(job, me)
        packs = loop.PackFolder(job.data_dir / "train")

        def step() -> float:
            start = time.perf_counter()
            work = packs_of_rank(packs, 0, seed=job.seed, config=job.config, me=me)
            loop.update_weights(engine, work, 1e-4, objective=SFT, state=state, max_loss_rise=None, me=me)
            me.barrier()
            return time.perf_counter() - start

        def timed(act: Callable[[], object]) -> float:
            me.barrier()
            start = time.perf_counter()
            act()
            me.barrier()
            return time.perf_counter() - start

        plain = [step() for _ in range(ROUNDS + 1)][1:]
        rows: dict[str, list[float]] = {
            name: [] for name in ("beside", "slower", "durable", "at_once", "deepspeed")
        }
        savers = [
            Saver(folder / name, keep=1, overlap=overlap, me=me)
            for name, overlap in (("beside", True), ("at_once", False))
        ]
        for number in range(1, ROUNDS + 1):
            start, state_now = time.perf_counter(), TrainState(step=number)
            rows["beside"].append(timed(partial(savers[0].begin, state_now, engine.slices(), engine.shapes)))
            rows["slower"].append(step() - statistics.median(plain))
            savers[0].finish()
            rows["durable"].append(time.perf_counter() - start)
            rows["at_once"].append(timed(partial(savers[1].begin, state_now, engine.slices(), engine.shapes)))
            theirs = partial(engine._engine.save_checkpoint, str(folder / "deepspeed"), tag=f"step-{number}")
            rows["deepspeed"].append(timed(theirs))
            os.sync()
        num_bytes = sum(path.stat().st_size for path in (folder / "beside").rglob("*") if path.is_file())
    if me.is_first:
        print(f"{num_bytes / 2**20:,.0f} MiB a checkpoint; a step takes {statistics.median(plain):.2f} s")
        names = {
            "beside": "beside the training: training stands still",
            "slower": "beside the training: the next step is slower by",
            "durable": "beside the training: valid and on the disk after",
            "at_once": "at once: training stands still",
            "deepspeed": "engine.save_checkpoint: training stands still",
        }
        for name, words in names.items():
            values = rows[name]
            print(f"{words:<52} {statistics.median(values):6.2f} s  [{min(values):.2f}, {max(values):.2f}]")


def main() -> None:
    """Start the ranks in an empty folder."""
    parent = sys.argv[1] if len(sys.argv) > 1 else None
    folder = Path(tempfile.mkdtemp(prefix="checkpoint-stall-", dir=parent))
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        str(WORLD_SIZE),
    ]
    try:
        subprocess.run([*command, __file__, "--rank", str(folder)], check=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rank"]:
        rank(Path(sys.argv[2]))
    else:
        main()
