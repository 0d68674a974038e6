"""The seam of backends: where a run can be handed over. A module here is a backend and holds a `BACKEND`.

`hunmin submit CONFIG --to NAME` prepares and submits; what was handed over is noted in RUN/submit/job.json,
and `hunmin status`, `hunmin wait` and `hunmin cancel` ask the backend that is named there.
"""

import json
import signal
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hunmin.artifact import write_json
from hunmin.errors import InputError
from hunmin.progress import say
from hunmin.registry import member
from hunmin.url_secrets import masked
from launcher.config import RunConfig


@dataclass(frozen=True)
class Request:
    """A run that is to be handed over: the arguments of `hunmin run`, and options of its backend."""

    config: Path
    overrides: list[str]
    run_dir: Path
    force: bool
    options: dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A run that was handed over. `address` is of the cluster, where a backend needs one to find it again."""

    job_id: str
    backend: str = "slurm"  # noted without its backend by hunmin 0.1.0
    address: str | None = None


@dataclass(frozen=True)
class Backend:
    """All that hunmin knows of a place where runs are done."""

    # What is wrong is found before a queue takes its hours, and nothing is written; what would be submitted.
    prepare: Callable[[Request], str]
    submit: Callable[[Request, str], Job]  # hands the prepared run over, and says how to watch it
    # Shows the job's log until it ends; its exit code. Raises EnvironmentFailure where the backend ended the
    # job itself, or can no longer be asked.
    wait: Callable[[Job, Path], int]
    status: Callable[[Job, Path], str]  # one word of its own; empty where it knows nothing of the job
    cancel: Callable[[Job, Path], None]  # asks for the end; a run saves first
    options: frozenset[str] = frozenset()  # of `hunmin submit` that it reads; others are refused


def backend_of(name: str) -> Backend:
    """The backend of that name."""
    return member(__name__, name, "BACKEND")


def hand_over(name: str, request: Request, *, dry_run: bool, wait: bool) -> int:
    """Submit a run, or only print what would be; 0, or the exit code of a job that was waited for."""
    backend = backend_of(name)
    prepared = backend.prepare(request)
    if dry_run:
        print(prepared, end="")
        return 0
    job = backend.submit(request, prepared)
    return wait_for(job, request.run_dir) if wait else 0


def wait_for(job: Job, run_dir: Path) -> int:
    """The exit code of a job, when it has ended. Ctrl-C leaves it going."""
    try:
        return backend_of(job.backend).wait(job, run_dir)
    except KeyboardInterrupt:
        say(f"job {job.job_id} goes on")
        return 128 + signal.SIGINT


def require_kept_secrets(config: RunConfig) -> None:
    """Refuse a config that would travel without a secret that it spells: run folders keep none.

    Raises:
        InputError: names the source, and what to write.
    """
    for index, source in enumerate(config.data.sources):
        for path in source.places:
            if masked(path) != path:
                raise InputError(
                    f"data.sources[{index}] ({source.name}): {masked(path)}: a secret that a config spells "
                    "is not handed over; write ${NAME} for it, and export NAME=… where the job runs"
                )


def note_job(job: Job, run_dir: Path) -> None:
    """Remember what was handed over last, so that any process can ask for it."""
    path = _note(run_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, asdict(job))


def noted_job(run_dir: Path) -> Job | None:
    """The last job of a run folder."""
    path = _note(run_dir)
    return Job(**json.loads(path.read_text())) if path.exists() else None


def _note(run_dir: Path) -> Path:
    return run_dir / "submit" / "job.json"
