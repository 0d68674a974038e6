"""The background of this machine: the run goes on when the terminal is closed.

A process of its own (`python -m launcher.backends.here`) runs `hunmin run`, passes SIGTERM on to it, and
notes how it ended.
"""

import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from hunmin.artifact import write_atomic
from hunmin.errors import EnvironmentFailure, InputError
from hunmin.progress import say
from launcher.backends import Backend, Job, Request, note_job, noted_job
from launcher.preflight import check_before_ray

POLL_S = 0.5


def prepare(request: Request) -> str:
    """The command that runs in the background.

    Raises:
        InputError: config or inputs are not as they must be, or a job of the run has not ended.
    """
    check_before_ray(request.config, request.overrides, request.run_dir)
    last = noted_job(request.run_dir)
    if last and last.backend == "here" and _keeper(last, request.run_dir):
        raise InputError(f"{request.run_dir}: its job {last.job_id} has not ended; hunmin cancel ends it")
    command = [sys.executable, "-m", "launcher", "run", str(request.config), *request.overrides]
    command += ["--run", str(request.run_dir), *(["--force"] if request.force else [])]
    return shlex.join(command) + "\n"


def submit(request: Request, command: str) -> Job:
    """Start the run, in a session of its own."""
    run_dir = request.run_dir
    (run_dir / "submit").mkdir(parents=True, exist_ok=True)
    (run_dir / "logs").mkdir(exist_ok=True)
    keeper = [sys.executable, "-m", "launcher.backends.here", str(run_dir), *shlex.split(command)]
    process = subprocess.Popen(
        keeper,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # who waits for this process's output must not wait for the run
        stderr=subprocess.DEVNULL,
    )
    job = Job(str(process.pid), "here")
    _end(job, run_dir).unlink(missing_ok=True)  # of an older job with the same number
    note_job(job, run_dir)
    say(f"job {job.job_id} on this machine; run folder {run_dir}")
    say(f"  watch:   tail -F {_log(job, run_dir)}")
    say("  cancel:  hunmin cancel RUN   (saves; submitting again continues)")
    return job


def wait(job: Job, run_dir: Path) -> int:
    """Show the job's log until it ends; its exit code.

    Raises:
        EnvironmentFailure: it was killed with all its processes.
    """
    shown = 0
    while True:
        ended = not _keeper(job, run_dir)  # before the log is read, so that its last lines are shown
        if _log(job, run_dir).exists():
            text = _log(job, run_dir).read_text(errors="replace")
            sys.stdout.write(text[shown:])
            sys.stdout.flush()
            shown = len(text)
        if ended:
            break
        time.sleep(POLL_S)
    if not _end(job, run_dir).exists():
        raise EnvironmentFailure(f"job {job.job_id} was killed; submit the same command again to continue")
    return int(_end(job, run_dir).read_text())


def status(job: Job, run_dir: Path) -> str:
    """`running`, `ended CODE`, or `killed`."""
    if _keeper(job, run_dir):
        return "running"
    return f"ended {_end(job, run_dir).read_text()}" if _end(job, run_dir).exists() else "killed"


def _cancel(job: Job, run_dir: Path) -> None:
    if (keeper := _keeper(job, run_dir)) is not None:
        keeper.terminate()


def _keeper(job: Job, run_dir: Path) -> psutil.Process | None:
    """The process that keeps the run; None when that has ended, or its number is another's by now."""
    if _end(job, run_dir).exists():
        return None
    with suppress(psutil.Error):
        process = psutil.Process(int(job.job_id))
        if process.status() != psutil.STATUS_ZOMBIE and "launcher.backends.here" in process.cmdline():
            return process
    return None


def _log(job: Job, run_dir: Path) -> Path:
    return run_dir / "logs" / f"here-{job.job_id}.log"


def _end(job: Job, run_dir: Path) -> Path:
    return run_dir / "submit" / f"here-{job.job_id}.exit"


def _keep(run_dir: Path, command: list[str]) -> None:
    """Run the command to its end, with its output in the log and its exit code noted."""
    job = Job(str(psutil.Process().pid), "here")
    with _log(job, run_dir).open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        signal.signal(signal.SIGTERM, lambda number, frame: process.terminate())
        write_atomic(_end(job, run_dir), str(process.wait()).encode())


BACKEND = Backend(prepare=prepare, submit=submit, wait=wait, status=status, cancel=_cancel)

if __name__ == "__main__":
    _keep(Path(sys.argv[1]), sys.argv[2:])
