"""Handing a run to a cluster: its folder is made ready here, the work is done there."""

import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hunmin.lock import run_lock
from hunmin.progress import say
from launcher.cluster import slurm
from launcher.cluster.snapshot import write_snapshot
from launcher.config import load, resolved
from launcher.preflight import check_before_ray
from launcher.run import Run, open_run


def to_slurm(
    config: Path,
    overrides: list[str],
    run_dir: Path,
    *,
    force: bool,
    asked: dict[str, Any],
    dry_run: bool,
    wait: bool,
) -> int:
    """Submit a run to SLURM, or only print its job script.

    Args:
        config, overrides, run_dir, force: as for `hunmin run`.
        asked: nodes, cpus_per_node, gpus_per_node, time, partition, account; None where not given.
        dry_run: print the script, write and submit nothing.
        wait: show the job's log until it ends.

    Returns:
        0, or the job's exit code where it was waited for.
    """
    loaded, base = load(config, overrides)
    resources = slurm.resources_for(loaded.cluster, **asked)
    script = slurm.render(resources, name=loaded.name, run_dir=run_dir, python=sys.executable)
    check_before_ray(Run(loaded, base, run_dir))
    if dry_run:
        print(script, end="")
        return 0
    slurm.require_sbatch()
    slurm.require_no_job(run_dir)  # says more than the lock, which a running job holds
    with run_lock(run_dir):
        slurm.require_no_job(run_dir)  # of another submit at the same moment
        slurm.sweep(run_dir)
        open_run(config, overrides, run_dir, force=force)
        job_id = slurm.submit(script, run_dir=run_dir)
    log = slurm.log_of(job_id, run_dir=run_dir)
    say(f"job {job_id} on {resources.nodes} node(s); run folder {run_dir}")
    say(f"  watch:   squeue --jobs={job_id}; tail -F {log}")
    say(f"  cancel:  scancel {job_id}   (saves; submitting again continues)")
    return _follow(job_id, partial(slurm.wait, job_id, run_dir=run_dir)) if wait else 0


def to_ray(
    config: Path, overrides: list[str], run_dir: Path, *, force: bool, address: str | None, wait: bool
) -> int:
    """Hand a run to a Ray cluster that is up: code and config travel, data stays where it is.

    Args:
        config, overrides, run_dir, force: as for `hunmin run`; every node must see run_dir and the sources.
        address: of the cluster's dashboard; default: $RAY_API_SERVER_ADDRESS, $RAY_ADDRESS.
        wait: show the job's log until it ends.

    Returns:
        0, or the job's exit code where it was waited for.
    """
    from launcher.cluster import ray_job

    loaded, base = load(config, overrides)
    check_before_ray(Run(loaded, base, run_dir))
    jobs = ray_job.Jobs(address)
    with tempfile.TemporaryDirectory(prefix="hunmin-job-") as folder:
        shipped = Path(folder) / "code"
        size = write_snapshot(shipped)
        (shipped / "job.yaml").write_text(resolved(loaded, base=base), encoding="utf-8")
        say(f"code and config: {size / 1e6:.1f} MB; data is not shipped")
        arguments = ["run", "job.yaml", "--run", str(run_dir), *(["--force"] if force else [])]
        job_id = jobs.submit(arguments, working_dir=shipped)
    say(f"job {job_id}; run folder {run_dir} on the cluster")
    say(f"  watch:   ray job logs --follow --address {jobs.address} {job_id}")
    say(f"  cancel:  ray job stop --address {jobs.address} {job_id}")
    return _follow(job_id, partial(jobs.wait, job_id)) if wait else 0


def _follow(job_id: str, wait: Callable[[], int]) -> int:
    try:
        return wait()
    except KeyboardInterrupt:
        say(f"job {job_id} goes on")
        return 128 + signal.SIGINT
