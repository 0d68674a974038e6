"""`hunmin status RUN…`: how runs stand, read from their folders and asked of where they were handed over."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hunmin.lock import living_holder
from launcher.backends import backend_of, noted_job
from launcher.cluster.slurm_commands import has_job_ended
from launcher.commands.run_folder import find_run, named
from launcher.commands.summary import aligned

STAGES = ("data", "train", "eval", "report")
TAIL_BYTES = 262_144  # of metrics.jsonl, which grows by some hundred bytes a step


@dataclass(frozen=True)
class StageState:
    """A stage of a run: done, outdated (done before a stage that is made again), running, stopped (begun,
    and nobody works on it), or to come.
    """

    stage: str
    state: str
    seconds: float | None = None  # that it took, where it is done
    counts: dict[str, Any] = field(default_factory=dict)  # of its manifest


@dataclass(frozen=True)
class Training:
    """The last lines of a training's metrics, and its newest checkpoint. Losses in nats a token."""

    step: int
    loss: float
    tokens_per_s: float
    mfu: float | None
    time_left_s: float
    age_s: float  # since the last step
    slowest_rank: int | None  # where one waits for it: the rank that was busy for longest
    slowest_lag: float | None  # by how much longer than the mean
    val_step: int | None = None
    val_loss: float | None = None
    checkpoint_step: int | None = None
    checkpoint_age_s: float | None = None
    checkpoint_bytes: int | None = None


@dataclass(frozen=True)
class RunState:
    """All that is known of a run."""

    run: str
    job: str | None  # "slurm job 12: RUNNING"
    holder: str | None  # "process 7 on n1", who works on it
    attempts: list[dict[str, Any]]  # of its SLURM job, those that have ended
    stages: list[StageState]
    training: Training | None


def state_of(run: Path) -> RunState:
    """How a run stands.

    Raises:
        InputError: there is no such run.
    """
    folder = named(run).resolve()
    job = noted_job(folder)
    if job is None:
        folder = find_run(run)
    word = backend_of(job.backend).status(job, folder) or "not known any more" if job else None
    holder = living_holder(folder, has_job_ended=has_job_ended)
    attempts = folder / "submit" / "attempts.json"
    noted = json.loads(attempts.read_text()) if attempts.exists() else {}
    return RunState(
        run=str(folder),
        job=f"{job.backend} job {job.job_id}: {word}" if job else None,
        holder=f"process {holder['pid']} on {holder['host']}" if holder else None,
        attempts=noted.get(job.job_id, []) if job else [],
        stages=_stages(folder, is_held=holder is not None),
        training=_training(folder / "train"),
    )


def _stages(folder: Path, *, is_held: bool) -> list[StageState]:
    states = []
    for stage in STAGES:
        manifest = folder / stage / "manifest.json"
        is_next = all(one.state == "done" for one in states)
        if manifest.exists():
            found = json.loads(manifest.read_text())
            state = "done" if is_next else "outdated"
            states.append(StageState(stage, state, found.get("seconds"), found.get("counts", {})))
            continue
        begun = (folder / stage).is_dir()
        running = is_held and is_next
        states.append(StageState(stage, "running" if running else "stopped" if begun else "to come"))
    return states


def _training(folder: Path) -> Training | None:
    """None before the first step."""
    lines = _last_lines(folder / "metrics.jsonl")
    train = next((line for line in reversed(lines) if line["kind"] == "train"), None)
    if train is None:
        return None
    val = next((line for line in reversed(lines) if line["kind"] == "val"), {})
    newest = max((folder / "checkpoints").glob("step-*"), default=None, key=lambda path: path.name)
    busy = train["busy_s"]
    mean = sum(busy) / len(busy)
    waits = len(busy) > 1 and mean > 0
    return Training(
        step=train["step"],
        loss=train["loss"],
        tokens_per_s=train["tokens_per_s"],
        mfu=train["mfu"],
        time_left_s=train["time_left_s"],
        age_s=_age_s(folder / "metrics.jsonl"),
        slowest_rank=busy.index(max(busy)) if waits else None,
        slowest_lag=max(busy) / mean - 1 if waits else None,
        val_step=val.get("step"),
        val_loss=val.get("loss"),
        checkpoint_step=int(newest.name.removeprefix("step-")) if newest else None,
        checkpoint_age_s=_age_s(newest) if newest else None,
        checkpoint_bytes=sum(path.stat().st_size for path in newest.rglob("*") if path.is_file())
        if newest
        else None,
    )


def _last_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines at a file's end; the last may be in the writing."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        cut = file.tell() > 0
        lines = file.read().split(b"\n")[:-1]
    return [json.loads(line) for line in (lines[1:] if cut else lines)]


def _age_s(path: Path) -> float:
    return max(0.0, time.time() - path.stat().st_mtime)


def as_json(states: list[RunState]) -> str:
    """One run as an object, several as a list."""
    found = [asdict(state) for state in states]
    return json.dumps(found[0] if len(found) == 1 else found, ensure_ascii=False)


def as_text(states: list[RunState]) -> str:
    """One run on one screen; several with a line each."""
    if len(states) == 1:
        return "\n".join(_screen(states[0]))
    rows = [["run", "job", "stage", "state", "step", "loss", "left"]]
    return "\n".join(aligned([*rows, *map(_line, states)], left=(0, 1, 2, 3)))


def _screen(state: RunState) -> list[str]:
    lines = [state.run]
    if state.job:
        lines.append(f"  {state.job}")
    lines += [
        f"  attempt {one['number'] + 1}: ended {one['exit_code']}"
        + (f", stopped by {one['stopped_by']}" if one["stopped_by"] else "")
        + ("" if one["progressed"] else ", nothing finished")
        + (f", lost {', '.join(one['lost_hosts'])}" if one["lost_hosts"] else "")
        for one in state.attempts
    ]
    if state.holder:
        lines.append(f"  {state.holder} works on it")
    table = [[f"  {one.stage}", one.state, _told(one)] for one in state.stages]
    lines += aligned(table, left=(0, 1, 2))
    at = next((index for index, line in enumerate(lines) if line.startswith("  train")), len(lines) - 1)
    if state.training and state.stages[1].state != "done":
        lines[at + 1 : at + 1] = [f"          {line}" for line in _training_lines(state.training)]
    return lines


def _told(stage: StageState) -> str:
    if stage.seconds is None:
        return ""
    numbers = [
        f"{name} {count:,}" for name, count in stage.counts.items() if isinstance(count, int) and count
    ]
    return f"{duration(stage.seconds)}   " + ", ".join(numbers[:4])


def _training_lines(now: Training) -> list[str]:
    mfu = "" if now.mfu is None else f", MFU {now.mfu:.0%}"
    lines = [f"step {now.step}, loss {now.loss:.4f}, {now.tokens_per_s:,.0f} tokens/s{mfu}"]
    if now.val_loss is not None:
        lines[0] += f"; validation {now.val_loss:.4f} after step {now.val_step}"
    lines.append(f"last step {duration(now.age_s)} ago, about {duration(now.time_left_s)} left")
    if now.checkpoint_step is not None:
        assert now.checkpoint_age_s is not None
        assert now.checkpoint_bytes is not None
        size = now.checkpoint_bytes / 1e6
        lines.append(
            f"checkpoint of step {now.checkpoint_step}, {size:,.0f} MB, {duration(now.checkpoint_age_s)} old"
        )
    if now.slowest_rank is not None:
        lines.append(f"slowest rank {now.slowest_rank}, busy {now.slowest_lag:.0%} longer than the mean")
    return lines


def _line(state: RunState) -> list[str]:
    current = next((one for one in state.stages if one.state != "done"), state.stages[-1])
    now = state.training
    shows = now is not None and current.stage == "train"
    return [
        Path(state.run).name,
        state.job or "-",
        current.stage,
        current.state,
        f"{now.step}" if shows and now else "-",
        f"{now.loss:.4f}" if shows and now else "-",
        duration(now.time_left_s) if shows and now else "-",
    ]


def duration(seconds: float) -> str:
    """Seconds in the unit that a person would say."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
