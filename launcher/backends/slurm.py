"""SLURM: sbatch with the code beside the run, squeue and scontrol until its end, scancel."""

import re
import shutil
import sys
import time
from pathlib import Path

from hunmin.errors import EnvironmentFailure, InputError, StopRequested
from hunmin.lock import run_lock
from hunmin.progress import say
from launcher.backends import Backend, Job, Request, note_job, noted_job, require_kept_secrets
from launcher.cluster.slurm_commands import (
    ENDED,
    ENDED_BADLY,
    has_job_ended,
    most_gpus_of_a_node,
    slurm,
    state_of,
)
from launcher.cluster.slurm_script import render_script, resources_for
from launcher.cluster.snapshot import write_snapshot
from launcher.config import load
from launcher.preflight import check_before_ray
from launcher.run import open_run

POLL_S = 2.0
UNREACHABLE_LIMIT_S = 300.0  # squeue may fail for a while: a controller that restarts
LOG_LIMIT_S = 10.0  # a shared disk may show a node's new file late
# By the beginning of squeue's reason (https://slurm.schedmd.com/job_reason_codes.html).
REASONS = {
    "None": "it was submitted just now",
    "Priority": "others are before it",
    "Resources": "no hosts are free for it",
    "Dependency": "the job before it has not ended",
    "BeginTime": "its time to begin has not come",
    "PartitionConfig": "no host of its partition can ever give what it asks for; cancel it and ask for less",
    "PartitionTimeLimit": "it asks for more time than its partition allows; cancel it and ask for less",
    "PartitionNodeLimit": "it asks for more hosts than its partition allows; cancel it and ask for less",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition starts no jobs",
    "ReqNodeNotAvail": "hosts that it names are down, drained or reserved",
    "NodeDown": "a host that it names is down",
    "Reservation": "its reservation has not begun",
    "QOS": "a limit of its quality of service is reached",
    "Assoc": "a limit of its account is reached",
    "JobHeld": "it is held; scontrol release lets it go",
    "JobArrayTaskLimit": "as many of its array run as may",
    "Licenses": "it waits for licences",
}
RESOURCES = ("nodes", "cpus_per_node", "gpus_per_node", "time", "partition", "account")


def prepare(request: Request) -> str:
    """The job script.

    Raises:
        InputError, GateError: config, inputs or resources are not as they must be.
    """
    config, _ = load(request.config, request.overrides)
    require_kept_secrets(config)
    asked = {name: value for name, value in request.options.items() if name in RESOURCES}
    partition = asked.get("partition") or config.cluster.slurm.partition
    resources = resources_for(config.cluster, asked, node_gpus=most_gpus_of_a_node(partition))
    script = render_script(resources, name=config.name, run_dir=request.run_dir, python=sys.executable)
    check_before_ray(request.config, request.overrides, request.run_dir)
    return script


def submit(request: Request, script: str) -> Job:
    """Write config, script and code into the run folder and hand the job over.

    Raises:
        InputError: a job of the run has not ended, or SLURM refuses this one.
        EnvironmentFailure: there is no sbatch, or the controller does not answer.
    """
    run_dir = request.run_dir
    require_sbatch()
    require_no_job(run_dir)  # says more than the lock, which a running job holds
    with run_lock(run_dir, has_job_ended=has_job_ended):
        require_no_job(run_dir)  # of another submit at the same moment
        sweep(run_dir)
        open_run(request.config, request.overrides, run_dir, force=request.force)
        job_id = _sbatch(script, run_dir=run_dir)
        job = Job(job_id)
        note_job(job, run_dir)
    say(f"job {job_id}; run folder {run_dir}")
    say(f"  watch:   squeue --jobs={job_id}; tail -F {log_of(job_id, run_dir=run_dir)}")
    say(f"  cancel:  scancel {job_id}   (saves; submitting again continues)")
    return job


def require_sbatch() -> None:
    """Before anything is written.

    Raises:
        EnvironmentFailure: there is no sbatch here.
    """
    if shutil.which("sbatch") is None:
        raise EnvironmentFailure(
            "sbatch is not on PATH: submit from a login node of the SLURM cluster (or load its module); "
            "--dry-run shows the job script without SLURM, hunmin run works on this machine"
        )


def require_no_job(run_dir: Path) -> None:
    """The code and the config of a job that waits or runs stay as they are.

    Raises:
        InputError: SLURM says that the run's last job has not ended.
    """
    last = noted_job(run_dir)
    job_id = last.job_id if last and last.backend == "slurm" else ""
    state = state_of(job_id).stdout.strip() if job_id else ""
    if state and state not in ENDED:
        raise InputError(
            f"{run_dir}: its job {job_id} has not ended ({state}); watch it: squeue --jobs={job_id}, "
            f"tail -F {log_of(job_id, run_dir=run_dir)}; or scancel {job_id} and submit again when it has "
            "ended; or name another folder with --run"
        )


def sweep(run_dir: Path) -> None:
    """Remove what an ended job could not: killed at once, it left its token behind."""
    stale = [path for path in (run_dir / "submit").glob("job-*") if path.is_dir()]
    last = noted_job(run_dir)
    if not stale or last is None or last.backend != "slurm":
        return
    asked = state_of(last.job_id)
    if asked.stdout.strip() in ENDED or "Invalid job id" in asked.stderr:  # ended long ago, and forgotten
        for path in stale:
            shutil.rmtree(path, ignore_errors=True)


def _sbatch(script: str, *, run_dir: Path) -> str:
    """Write script and code into the run folder and hand the job over. Returns its id.

    Raises:
        InputError: SLURM refuses the job as it is.
        EnvironmentFailure: the controller does not answer.
    """
    size = write_snapshot(run_dir / "code")
    say(f"code: {run_dir / 'code'}, {size / 1e6:.1f} MB")
    path = run_dir / "submit" / "job.sbatch"
    for folder in (path.parent, run_dir / "logs"):
        folder.mkdir(exist_ok=True)
    path.write_text(script, encoding="utf-8")
    done = slurm("sbatch", "--parsable", str(path))
    if done.returncode:
        said = done.stderr.strip()
        if re.search(r"contact slurm controller|timed out|Connection refused|communication", said, re.I):
            raise EnvironmentFailure(f"sbatch: {said}; try again")
        raise InputError(f"sbatch refused {path}: {said}")
    return done.stdout.strip().split(";")[0]  # with several clusters: ID;CLUSTER


def log_of(job_id: str, *, run_dir: Path) -> Path:
    """Where the job's output goes."""
    return run_dir / "logs" / f"slurm-{job_id}.log"


def wait(job_id: str, *, run_dir: Path) -> int:
    """Show the job's log until it ends; its exit code.

    Raises:
        EnvironmentFailure: SLURM ended the job, or can no longer be asked.
    """
    log, shown = log_of(job_id, run_dir=run_dir), 0
    answered, before = time.monotonic(), ""
    while True:
        done = state_of(job_id)
        state = done.stdout.strip()
        if state:
            answered = time.monotonic()
        elif time.monotonic() - answered > UNREACHABLE_LIMIT_S:
            raise EnvironmentFailure(f"squeue does not know job {job_id}: {done.stderr.strip()}; see {log}")
        if state and state != before:
            say(f"job {job_id}: {state}")
            before = state
        shown = _show(log, shown)
        if state in ENDED:
            if state in ("COMPLETED", "FAILED") and not log.exists():
                _await_file(log)
                _show(log, shown)
            return _exit_code(job_id, state, log=log)
        time.sleep(POLL_S)


def _await_file(path: Path) -> None:
    deadline = time.monotonic() + LOG_LIMIT_S
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.5)


def _show(log: Path, start: int) -> int:
    """Print what is new in the log, whole lines only; the place up to which it was shown."""
    if not log.exists():
        return start
    with log.open("rb") as handle:
        handle.seek(start)
        new = handle.read()
    whole = new[: new.rfind(b"\n") + 1]
    sys.stdout.write(whole.decode(errors="replace"))
    sys.stdout.flush()
    return start + len(whole)


def _exit_code(job_id: str, state: str, *, log: Path) -> int:
    if state in ENDED_BADLY:
        raise EnvironmentFailure(
            f"job {job_id} {ENDED_BADLY[state]} ({state}); submit the same command again to continue"
        )
    if state == "CANCELLED":  # perhaps before it began, and so without a log
        say(f"job {job_id} was cancelled; submit the same command again to continue")
        return StopRequested.exit_code
    if state == "FAILED" and not log.exists():
        raise InputError(
            f"job {job_id} ended as {state} and wrote no log: its first node does not see {log.parent}; "
            "name a run folder on a disk that all nodes share, with --run or HUNMIN_RUNS"
        )
    shown = slurm("scontrol", "show", "job", "--oneliner", job_id).stdout
    found = re.search(r"\bExitCode=(\d+):(\d+)", shown)
    if found is None:
        raise EnvironmentFailure(f"job {job_id} ended as {state}, and scontrol has forgotten its exit code")
    code, number = int(found[1]), int(found[2])
    return code or (128 + number if number else 0)


def _status(job: Job, run_dir: Path) -> str:
    """SLURM's word for the state, and why a job waits."""
    said = slurm("squeue", "--noheader", "--states=all", f"--jobs={job.job_id}", "--format=%T %r").stdout
    state, _, reason = said.strip().partition(" ")
    return f"{state}: {in_words(reason)}" if state == "PENDING" and reason else state


def in_words(reason: str) -> str:
    """Why a job waits, as a person would say it; SLURM's own word where none of ours is known."""
    told = next((words for start, words in REASONS.items() if reason.startswith(start)), None)
    return f"{told} ({reason})" if told else reason


def _cancel(job: Job, run_dir: Path) -> None:
    done = slurm("scancel", job.job_id)
    if done.returncode:
        raise EnvironmentFailure(f"scancel {job.job_id}: {done.stderr.strip()}")


BACKEND = Backend(
    prepare=prepare,
    submit=submit,
    wait=lambda job, run_dir: wait(job.job_id, run_dir=run_dir),
    status=_status,
    cancel=_cancel,
    options=frozenset({*RESOURCES, "dry_run"}),
)
