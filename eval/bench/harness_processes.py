"""Processes of the harness, as many at a time as the machine has room for: one a GPU (or group), one on CPUs.

They never reach a network: what they need lies on the disk. Their placement on GPUs has not run on one yet.
"""

import dataclasses
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from eval.bench.bench_job import Job
from eval.engines._server_process import ServerProcess
from hunmin.errors import EnvironmentFailure, GateError, HunminError, InputError
from hunmin.progress import progress

ROOT = Path(__file__).resolve().parents[2]
LOOK_EVERY_S = 0.2
OFFLINE = dict.fromkeys(
    ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE", "TRANSFORMERS_OFFLINE"), "1"
)
_ERRORS: dict[int, type[HunminError]] = {one.exit_code: one for one in (InputError, GateError)}


def gpu_groups(num_gpus: int, each: int, visible: str | None) -> list[str]:
    """CUDA_VISIBLE_DEVICES of each place for a model that takes so many GPUs; one place, "", on CPUs.

    Args:
        visible: CUDA_VISIBLE_DEVICES of this process, None where it is not set.
    """
    if not num_gpus:
        return [""]
    names = visible.split(",") if visible else [str(index) for index in range(num_gpus)]
    return [",".join(names[at : at + each]) for at in range(0, num_gpus - each + 1, each)]


def shared_out(job: Job, num_places: int) -> list[Job]:
    """A job cut into so many, task by task; never more than it has tasks."""
    shares = [job.tasks[place::num_places] for place in range(num_places)]
    return [dataclasses.replace(job, tasks=share) for share in shares if share]


def run_jobs(jobs: Sequence[Job], places: Sequence[str]) -> None:
    """Run every job, each at one of the places; returns when all parts are written.

    Raises:
        HunminError: a process failed, with its last words; parts that were committed stay.
    """
    waiting = list(jobs)
    running: dict[str, tuple[Job, ServerProcess]] = {}
    parts = {Path(part) for job in jobs for part in job.parts.values()}
    with tempfile.TemporaryDirectory() as folder, progress("bench: tasks", len(parts)) as ticker:
        num_done = 0
        try:
            while waiting or running:
                for place in [one for one in places if one not in running][: len(waiting)]:
                    job = waiting.pop(0)
                    running[place] = job, _start(job, place, Path(folder, f"{len(waiting)}.json"))
                time.sleep(LOOK_EVERY_S)
                now = sum(part.exists() for part in parts)
                ticker.advance(now - num_done)
                num_done = now
                for place in [
                    one for one, (_, process) in running.items() if process.exit_code() is not None
                ]:
                    job, process = running.pop(place)
                    _close(job, process)
        finally:
            for _, process in running.values():
                process.close()


def _start(job: Job, place: str, path: Path) -> ServerProcess:
    path.write_text(json.dumps(dataclasses.asdict(job)))
    environment = os.environ | OFFLINE
    # Alone, so that no folder of the user's named as one of our packages stands before it.
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(job.num_threads)}
    environment |= {"CUDA_VISIBLE_DEVICES": place, "TOKENIZERS_PARALLELISM": "false"}
    return ServerProcess(
        [sys.executable, "-P", "-m", "eval.bench.harness", str(path)], environment=environment
    )


def _close(job: Job, process: ServerProcess) -> None:
    code, said = process.exit_code(), process.last_lines().splitlines()
    process.close()
    if not code:
        return
    left = [task.name for task in job.tasks if not Path(job.parts[task.name]).exists()]
    last = said[-1].strip() if said else "it said nothing"
    if code in _ERRORS:
        raise _ERRORS[code](f"bench: {last}")
    why = f"{signal.Signals(-code).name}, perhaps for memory" if code < 0 else last
    raise EnvironmentFailure(
        f"bench: the harness ended in task {left[0] if left else '?'} of {job.model}: {why}; what it had "
        "finished is kept, the same command goes on (where memory was short: with a lower --batch-size)"
    )
