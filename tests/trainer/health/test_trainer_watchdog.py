"""A rank that hangs ends, with all ranks' stacks; a straggler is named."""

import multiprocessing as mp
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from plain_loop import job_in, work_of, write_data
from rank_helpers import run_ranks

from hunmin.errors import EnvironmentFailure
from hunmin.models.config import ModelConfig
from trainer.batches.packs import PackFolder
from trainer.health.stragglers import STEPS, Stragglers, busy_seconds
from trainer.health.watchdog import hang_report, watched
from trainer.objectives.sft import SFT

MODEL = ModelConfig.model_validate(
    {"from_scratch": {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "vocab_size": 512}}
)
HANGS = """
import sys
from pathlib import Path
import test_trainer_watchdog as here

here.work(int(sys.argv[1]), Path(sys.argv[2]))
"""


def sleeps_for_ever() -> None:
    time.sleep(600)


def work(rank: int, folder: Path) -> None:
    """Two ranks, of which the second never comes to the second collective."""
    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    with watched(folder / "stacks", index=rank, timeout_s=3.0) as watchdog:
        for step in range(3):
            watchdog.beat(f"step {step}: reading packs")
            if rank == 1 and step == 1:
                sleeps_for_ever()
            watchdog.beat(f"step {step}: forward")
            dist.barrier()
    raise AssertionError("it must not come so far")


def test_all_ranks_of_a_hang_leave_their_stacks_and_end(tmp_path: Path) -> None:
    here = Path(__file__).parent
    env = {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{here.parent}"}  # this module, and its helpers
    start = time.monotonic()
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", HANGS, str(rank), str(tmp_path)],
            env=env,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [rank.communicate(timeout=110)[1] for rank in ranks]
    assert time.monotonic() - start < 100
    assert [rank.returncode for rank in ranks] == [EnvironmentFailure.exit_code] * 2, errors
    assert "rank 1 hangs: nothing for 3 s after: step 1: reading packs" in errors[1]
    stacks = [(tmp_path / f"stacks/stacks-{rank:05d}.txt").read_text() for rank in range(2)]
    assert "sleeps_for_ever" in stacks[1]
    assert "barrier" in stacks[0]
    report = hang_report(tmp_path / "stacks")
    assert report is not None
    assert "rank 1 after: step 1: reading packs; rank 0 after: step 1: forward" in report
    assert report.endswith("look at rank 1 first")


def test_who_beats_is_left_alone(tmp_path: Path) -> None:
    with watched(tmp_path, index=0, timeout_s=1.0) as watchdog:
        for _ in range(8):
            time.sleep(0.2)
            watchdog.beat("working")
    assert not list(tmp_path.iterdir())
    assert hang_report(tmp_path) is None


def signs_of_life(root: Path) -> dict[str, int]:
    from trainer import loop
    from trainer.engine.ranks import join_ranks

    job = job_in(root, model=MODEL, global_batch_size=6)
    with join_ranks(timeout_s=60) as me:
        signs: list[str] = []
        engine, state = loop.set_up(job, me, alive=lambda: signs.append("read"))
        work = work_of(job, me)
        update, validate = (lambda: signs.append("update")), (lambda: signs.append("validate"))
        loop.update_weights(
            engine, work, 0.0, objective=SFT, state=state, max_loss_rise=None, me=me, alive=update
        )
        packs = PackFolder(job.data_dir / "train")
        asked = np.arange(len(packs))
        loop.validate(engine, packs, asked, step=1, config=job.config, me=me, alive=validate)
        counts = {sign: signs.count(sign) for sign in ("read", "update", "validate")}
        return counts | {"parameters": len(engine.parameters), "packs": len(packs)}


def test_long_phases_give_signs_of_life(tmp_path: Path) -> None:
    """A load, a step or a validation may take longer than the timeout; a micro-batch may not."""
    write_data(tmp_path)
    (found,) = run_ranks(signs_of_life, 1, tmp_path)
    assert found["parameters"] > 10
    assert found["read"] == 2 + found["parameters"], "the base was sought, made, and read"
    assert found["update"] == 6
    assert found["validate"] == found["packs"]


def test_a_straggler_is_named_once_until_it_recovers() -> None:
    stragglers = Stragglers(["a", "b", "c"])
    slow, even = np.array([1.0, 2.0, 1.0]), np.array([1.0, 1.1, 1.0])
    said = [stragglers.see(slow) for _ in range(3 * STEPS)]
    assert [line for line in said if line] == ["rank 1 on b works 2.0 times as long as the others"]
    assert said[STEPS - 1]
    stragglers.see(even)
    assert any(stragglers.see(slow) for _ in range(STEPS))
    assert not any(Stragglers(["a"]).see(np.array([5.0])) for _ in range(3 * STEPS)), "alone, nobody waits"


def _work_and_wait(seconds: float, out: Any) -> None:
    before = busy_seconds()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
    worked = busy_seconds() - before
    before = busy_seconds()
    time.sleep(seconds)
    out.put((worked, busy_seconds() - before))


def test_work_counts_though_the_core_is_shared_and_waiting_does_not() -> None:
    context = mp.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=_work_and_wait, args=(0.5, queue)) for _ in range(4)]
    for process in processes:
        process.start()
    for worked, waited in [queue.get(timeout=60) for _ in processes]:
        assert worked > 0.4, "wall time in which it ran or wanted to"
        assert waited < 0.1
    for process in processes:
        process.join()
