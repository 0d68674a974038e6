"""SLURM: sbatch with the code beside the run, squeue and scontrol until its end, scancel."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from hunmin.errors import EnvironmentFailure, InputError, StopRequested
from hunmin.lock import run_lock
from hunmin.progress import say
from launcher.backends import Backend, Job, Request, note_job, noted_job, require_kept_secrets
from launcher.cluster.slurm_script import render_script, resources_for
from launcher.cluster.snapshot import write_snapshot
from launcher.config import load
from launcher.preflight import check_before_ray
from launcher.run import open_run

POLL_S = 2.0
UNREACHABLE_LIMIT_S = 300.0  # squeue may fail for a while: a controller that restarts
LOG_LIMIT_S = 10.0  # a shared disk may show a node's new file late
ENDED_BADLY = {  # of SLURM's own doing, not hunmin's: the same command may succeed
    "TIMEOUT": "reached its time limit",
    "NODE_FAIL": "lost a node",
    "OUT_OF_MEMORY": "ran out of memory",
    "PREEMPTED": "was preempted",
    "BOOT_FAIL": "found a node that did not boot",
    "DEADLINE": "reached its deadline",
}
RESOURCES = ("nodes", "cpus_per_node", "gpus_per_node", "time", "partition", "account")
OF_THE_SITE = ("SLURM_CONF", "SLURM_JWT", "SLURM_CLUSTERS")  # where SLURM is, and who asks
ENDED = ("COMPLETED", "FAILED", "CANCELLED", *ENDED_BADLY)  # in every other state a job goes on


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
    state = _state(job_id).stdout.strip() if job_id else ""
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
    asked = _state(last.job_id)
    if asked.stdout.strip() in ENDED or "Invalid job id" in asked.stderr:  # ended long ago, and forgotten
        for path in stale:
            shutil.rmtree(path, ignore_errors=True)


def most_gpus_of_a_node(partition: str | None) -> int | None:
    """GPUs of the node that has most of them, in a partition or all; None where SLURM cannot be asked."""
    if shutil.which("sinfo") is None:
        return None
    asked = _slurm("sinfo", "--noheader", "--format=%G", *([f"--partition={partition}"] if partition else []))
    counts = [int(count) for count in re.findall(r"\bgpu:(?:[^:(,\s]+:)?(\d+)", asked.stdout)]
    return max(counts, default=None)


def has_job_ended(job_id: str) -> bool:
    """Whether SLURM says that a job has ended; False where it cannot be asked, or has forgotten the job."""
    return shutil.which("squeue") is not None and _state(job_id).stdout.strip() in ENDED


def outside_a_job(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a submission. Within a job, what SLURM says of that job would be asked of the next:
    its memory a core beside ours a host, which no node can give.
    """
    if "SLURM_JOB_ID" not in environment:
        return dict(environment)
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(("SLURM_", "SBATCH_", "SRUN_")) or name in OF_THE_SITE
    }


def _state(job_id: str) -> subprocess.CompletedProcess[str]:
    return _slurm("squeue", "--noheader", "--states=all", f"--jobs={job_id}", "--format=%T")


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
    done = _slurm("sbatch", "--parsable", str(path))
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
        done = _state(job_id)
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
    shown = _slurm("scontrol", "show", "job", "--oneliner", job_id).stdout
    found = re.search(r"\bExitCode=(\d+):(\d+)", shown)
    if found is None:
        raise EnvironmentFailure(f"job {job_id} ended as {state}, and scontrol has forgotten its exit code")
    code, number = int(found[1]), int(found[2])
    return code or (128 + number if number else 0)


def _slurm(program: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *args], capture_output=True, text=True, check=False, env=outside_a_job(os.environ)
    )


def _cancel(job: Job, run_dir: Path) -> None:
    done = _slurm("scancel", job.job_id)
    if done.returncode:
        raise EnvironmentFailure(f"scancel {job.job_id}: {done.stderr.strip()}")


BACKEND = Backend(
    prepare=prepare,
    submit=submit,
    wait=lambda job, run_dir: wait(job.job_id, run_dir=run_dir),
    status=lambda job, run_dir: _state(job.job_id).stdout.strip(),
    cancel=_cancel,
    options=frozenset({*RESOURCES, "dry_run"}),
)
