"""SLURM's own commands: the one file that calls them from outside a job."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping

ENDED_BADLY = {  # of SLURM's own doing, not hunmin's: the same command may succeed
    "TIMEOUT": "reached its time limit",
    "NODE_FAIL": "lost a node",
    "OUT_OF_MEMORY": "ran out of memory",
    "PREEMPTED": "was preempted",
    "BOOT_FAIL": "found a node that did not boot",
    "DEADLINE": "reached its deadline",
}
OF_THE_SITE = ("SLURM_CONF", "SLURM_JWT", "SLURM_CLUSTERS")  # where SLURM is, and who asks
ENDED = ("COMPLETED", "FAILED", "CANCELLED", *ENDED_BADLY)  # in every other state a job goes on


def slurm(program: str, *args: str) -> subprocess.CompletedProcess[str]:
    """A command, whatever it answers."""
    return subprocess.run(
        [program, *args], capture_output=True, text=True, check=False, env=outside_a_job(os.environ)
    )


def state_of(job_id: str) -> subprocess.CompletedProcess[str]:
    """Squeue's word for a job's state, and what it says where it knows none."""
    return slurm("squeue", "--noheader", "--states=all", f"--jobs={job_id}", "--format=%T")


def most_gpus_of_a_node(partition: str | None) -> int | None:
    """GPUs of the node that has most of them, in a partition or all; None where SLURM cannot be asked."""
    if shutil.which("sinfo") is None:
        return None
    asked = slurm("sinfo", "--noheader", "--format=%G", *([f"--partition={partition}"] if partition else []))
    counts = [int(count) for count in re.findall(r"\bgpu:(?:[^:(,\s]+:)?(\d+)", asked.stdout)]
    return max(counts, default=None)


def has_job_ended(job_id: str) -> bool:
    """Whether SLURM says that a job has ended; False where it cannot be asked, or has forgotten the job."""
    return shutil.which("squeue") is not None and state_of(job_id).stdout.strip() in ENDED


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
