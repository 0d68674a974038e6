"""`hunmin status`: a run on one screen, several with a line each, from what lies in their folders."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from command_line import hunmin

from hunmin.lock import run_lock
from launcher.commands import status
from launcher.commands.status import as_text, duration, state_of

STEP = {
    "kind": "train",
    "step": 12,
    "loss": 1.25,
    "tokens_per_s": 5321.4,
    "mfu": 0.381,
    "time_left_s": 754.0,
    "busy_s": [1.0, 1.0, 1.6, 0.8],
}
VAL = {"kind": "val", "step": 10, "loss": 1.5}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """In training."""
    folder = tmp_path / "실행"
    (folder / "data").mkdir(parents=True)
    (folder / "config.yaml").write_text("name: t\n")
    manifest = {"seconds": 16.2, "counts": {"records": 12000, "rejected": 0, "by_source": {"a": 1}}}
    (folder / "data" / "manifest.json").write_text(json.dumps(manifest))
    write_metrics(folder, [STEP | {"step": 11}, VAL, STEP])
    checkpoint = folder / "train" / "checkpoints" / "step-00000010"
    checkpoint.mkdir(parents=True)
    (checkpoint / "slices").write_bytes(bytes(3_000_000))
    return folder


def write_metrics(folder: Path, lines: list[dict[str, Any]], *, tail: str = "") -> None:
    path = folder / "train" / "metrics.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + tail)
    then = time.time() - 5
    os.utime(path, (then, then))


def test_a_run_in_training_is_one_screen(run: Path) -> None:
    with run_lock(run):
        text = as_text([state_of(run)])
    assert text.splitlines() == [
        str(run),
        f"  process {os.getpid()} on {os.uname().nodename} works on it",
        "  data    done     16 s   records 12,000",
        "  train   running",
        "          step 12, loss 1.2500, 5,321 tokens/s, MFU 38%; validation 1.5000 after step 10",
        "          last step 5 s ago, about 13 min left",
        "          checkpoint of step 10, 3 MB, 0 s old",
        "          slowest rank 2, busy 45% longer than the mean",
        "  eval    to come",
        "  report  to come",
    ]


def test_a_stage_that_nobody_works_on_is_stopped(run: Path) -> None:
    assert [one.state for one in state_of(run).stages] == ["done", "stopped", "to come", "to come"]


def test_what_was_made_from_an_earlier_stage_is_outdated(run: Path) -> None:
    (run / "eval").mkdir()
    (run / "eval" / "manifest.json").write_text("{}")
    assert [one.state for one in state_of(run).stages] == ["done", "stopped", "outdated", "to come"]


def test_a_line_in_the_writing_is_left_out(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_metrics(run, [STEP | {"step": step} for step in range(1, 40)], tail='{"kind": "tr')
    monkeypatch.setattr(status, "TAIL_BYTES", 500)  # begins within a line
    training = state_of(run).training
    assert training is not None
    assert (training.step, training.val_step) == (39, None)


def test_what_a_slurm_job_went_through_is_told(run: Path) -> None:
    (run / "submit").mkdir()
    (run / "submit" / "job.json").write_text(json.dumps({"job_id": "7", "backend": "here", "address": None}))
    ended = {"number": 0, "exit_code": 75, "stopped_by": "limit", "progressed": True, "lost_hosts": []}
    lost = {"number": 1, "exit_code": 4, "stopped_by": None, "progressed": False, "lost_hosts": ["n1", "n2"]}
    (run / "submit" / "attempts.json").write_text(json.dumps({"7": [ended, lost], "6": [ended]}))
    assert as_text([state_of(run)]).splitlines()[1:4] == [
        "  here job 7: killed",
        "  attempt 1: ended 75, stopped by limit",
        "  attempt 2: ended 4, nothing finished, lost n1, n2",
    ]


def test_several_runs_are_a_line_each(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.yaml").write_text("name: o\n")
    done = hunmin("status", run, other)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "run    job  stage  state    step    loss    left",
        "실행   -    train  stopped    12  1.2500  13 min",
        "other  -    data   to come     -       -       -",
    ]


def test_json_is_one_object_or_a_list(run: Path) -> None:
    one = json.loads(hunmin("status", run, "--json").stdout)
    assert (one["training"]["step"], one["stages"][0]["state"], one["holder"]) == (12, "done", None)
    assert [entry["run"] for entry in json.loads(hunmin("status", run, run, "--json").stdout)] == [
        str(run)
    ] * 2


def test_no_such_run_is_one_message(tmp_path: Path) -> None:
    done = hunmin("status", tmp_path / "none")
    assert (done.returncode, "no such run folder" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.4, "0 s"), (119, "119 s"), (754, "13 min"), (9000, "2 h"), (2e6, "23 d")]
)
def test_a_time_is_told_in_its_unit(seconds: float, told: str) -> None:
    assert duration(seconds) == told
