"""`hunmin wait|cancel RUN`: the last job of a run, wherever it was handed over."""

from pathlib import Path

from hunmin.errors import InputError
from hunmin.progress import say
from launcher.backends import Job, backend_of, noted_job, wait_for
from launcher.commands.run_folder import find_run, named


def _job(run: Path) -> tuple[Job, Path]:
    """The last job of a run, and the run's folder, which the job itself may not have begun yet.

    Raises:
        InputError: there is no such run, or it was never handed over.
    """
    folder = named(run).resolve()
    if (job := noted_job(folder)) is None:
        folder = find_run(run)
        raise InputError(f"{folder}: no job; hand the run over with: hunmin submit CONFIG --to BACKEND")
    return job, folder


def wait(run: Path) -> int:
    """Show the job's log until it ends; its exit code."""
    return wait_for(*_job(run))


def cancel(run: Path) -> None:
    """Ask the job to save and end."""
    job, run_dir = _job(run)
    backend_of(job.backend).cancel(job, run_dir)
    say(f"job {job.job_id} was asked to end: it saves first, and submitting again continues")
