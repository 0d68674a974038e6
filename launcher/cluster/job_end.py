"""How a SLURM job's attempt ended, and what follows: the one place that decides.

Pure functions of the attempts so far: `launcher.cluster.allocation` notes each attempt, asks `judge`, and
does what it says.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hunmin.errors import EnvironmentFailure, GateError, InputError, StopRequested

OF_A_HUMAN = "person"
OF_THE_LIMIT = "limit"
OF_PREEMPTION = "preemption"


@dataclass(frozen=True)
class Attempt:
    """One start of a job."""

    number: int  # SLURM_RESTART_COUNT
    exit_code: int
    stopped_by: str | None  # OF_A_HUMAN, OF_THE_LIMIT, OF_PREEMPTION; None: nobody asked it to
    progressed: bool  # something was finished that the attempts before had not
    lost_hosts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Verdict:
    """Whether the job is to start again, on which hosts not, and why, in words for its log."""

    requeue: bool
    why: str
    exclude: list[str] = field(default_factory=list)


def judge(attempts: Sequence[Attempt], *, max_requeues: int) -> Verdict:
    """What follows from the last of a job's attempts, which are in their order."""
    last = attempts[-1]
    if last.exit_code == 0:
        return Verdict(False, "done")
    if last.exit_code in (InputError.exit_code, GateError.exit_code):
        return Verdict(False, "starting again would end in the same way")
    if last.exit_code == StopRequested.exit_code and last.stopped_by == OF_A_HUMAN:
        return Verdict(False, "it was cancelled")
    if last.exit_code not in (StopRequested.exit_code, EnvironmentFailure.exit_code):
        return Verdict(False, "a fault of the program is not cured by another start")
    if last.number >= max_requeues:
        return Verdict(False, f"it was started {last.number + 1} times (cluster.slurm.max_requeues)")
    if len(attempts) > 1 and not any(one.progressed for one in attempts[-2:]):
        return Verdict(False, "two attempts in a row finished nothing")
    lost = Counter(host for one in attempts for host in one.lost_hosts)
    exclude = sorted(host for host, times in lost.items() if times > 1)
    why = {
        OF_THE_LIMIT: "its time is over",
        OF_PREEMPTION: "another job takes its place",
    }.get(last.stopped_by or "", "a machine or a file failed")
    return Verdict(True, why, exclude)


def progress_of(run_dir: Path) -> list[str]:
    """What a run has finished: stages, parts of stages, checkpoints. Equal lists mean no progress."""
    found = [f"{path.parent.name} done" for path in sorted(run_dir.glob("*/manifest.json"))]
    found += [path.name for path in sorted((run_dir / "train" / "checkpoints").glob("step-*"))]
    found += [
        f"{stage}: {sum(path.is_file() for path in folder.rglob('*.json'))} parts"
        for stage in ("data", "eval")
        if (folder := run_dir / stage).is_dir()
    ]
    return found
