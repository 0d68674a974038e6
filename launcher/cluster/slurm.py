"""Submitting a run to SLURM: the job script, the code beside the run, sbatch, and waiting for the end."""

import json
import math
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hunmin import artifact
from hunmin.errors import EnvironmentFailure, GateError, InputError, StopRequested
from hunmin.progress import say
from launcher.cluster.snapshot import ROOT, write_snapshot
from launcher.config import ClusterConfig

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
ENDED = ("COMPLETED", "FAILED", "CANCELLED", *ENDED_BADLY)  # in every other state a job goes on


@dataclass(frozen=True)
class Resources:
    """What a job asks of SLURM; None leaves it to the cluster's default."""

    nodes: int
    cpus_per_node: int
    gpus_per_node: int
    time: str | None = None
    partition: str | None = None
    account: str | None = None


def resources_for(
    cluster: ClusterConfig,
    *,
    nodes: int,
    cpus_per_node: int | None,
    gpus_per_node: int | None,
    time: str | None = None,
    partition: str | None = None,
    account: str | None = None,
) -> Resources:
    """The job's resources; what is not given follows from the `cluster` section.

    Raises:
        InputError: a value could not stand in a job script.
        GateError: the ranks would not find their GPUs.
    """
    for name, value in {"--time": time, "--partition": partition, "--account": account}.items():
        if value is not None and not re.fullmatch(r"[\w.:,@+-]+", value):
            raise InputError(f"{name} {value!r}: letters, digits and . : , @ + - _ only")
    gpus = gpus_per_node
    if gpus is None:
        gpus = cluster.gpus_per_worker * math.ceil(cluster.num_workers / nodes)
    needed = cluster.num_workers * cluster.gpus_per_worker
    if needed > nodes * gpus:
        raise GateError(
            f"cluster: {cluster.num_workers} ranks need {needed} GPUs, {nodes} node(s) with {gpus} have "
            f"{nodes * gpus}; raise --nodes or --gpus-per-node, or lower cluster.num_workers"
        )
    return Resources(nodes, cpus_per_node or cluster.num_cpus, gpus, time, partition, account)


def render(resources: Resources, *, name: str, run_dir: Path, python: str) -> str:
    """The job script.

    Raises:
        InputError: the run folder's name has characters that sbatch would read as its own.
    """
    if re.search(r'["%\\\n]', str(run_dir)):
        raise InputError(f'{run_dir}: a run folder for SLURM has none of " % \\ in its name; use --run')
    templates = Environment(
        loader=FileSystemLoader(ROOT / "slurm"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # a shell script, no page; what goes in is quoted or checked
    )
    templates.filters["quote"] = lambda value: shlex.quote(str(value))
    template = templates.get_template("job.sbatch.j2")
    values = vars(resources) | {"name": name, "run_dir": run_dir, "code": run_dir / "code", "python": python}
    return template.render(values)


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
    job_id = _last_job(run_dir)
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
    job_id = _last_job(run_dir)
    if not stale or not job_id:
        return
    asked = _state(job_id)
    if asked.stdout.strip() in ENDED or "Invalid job id" in asked.stderr:  # ended long ago, and forgotten
        for path in stale:
            shutil.rmtree(path, ignore_errors=True)


def _last_job(run_dir: Path) -> str:
    path = run_dir / "submit" / "job.json"
    return json.loads(path.read_text())["job_id"] if path.exists() else ""


def _state(job_id: str) -> subprocess.CompletedProcess[str]:
    return _slurm("squeue", "--noheader", "--states=all", f"--jobs={job_id}", "--format=%T")


def submit(script: str, *, run_dir: Path) -> str:
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
    job_id = done.stdout.strip().split(";")[0]  # with several clusters: ID;CLUSTER
    artifact.write_json(path.with_name("job.json"), {"job_id": job_id})
    return job_id


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
    return subprocess.run([program, *args], capture_output=True, text=True, check=False)
