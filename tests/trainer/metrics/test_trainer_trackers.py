"""Trackers with their real packages where those are installed; none may ask, wait, or double a step."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hunmin.errors import ConfigError
from trainer.metrics.metrics_log import MetricsLog
from trainer.metrics.trackers import PACKAGES, check_trackers, open_trackers

INSTALLED = {name: importlib.util.find_spec(name) is not None for name in PACKAGES}


class Memory:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, dict[str, float]]] = []

    def log(self, step: int, values: Any) -> None:
        self.told.append((step, dict(values)))

    def close(self) -> None:
        self.told.append((-1, {}))


def train_line(step: int, loss: float) -> Any:
    return {
        "kind": "train",
        "step": step,
        "loss": loss,
        "learning_rate": 1e-3,
        "grad_norm": 1.0,
        "tokens_per_s": 10.0,
        "trained_tokens_per_s": 5.0,
        "model_flops": 1e9,
        "mfu": None,
        "peak_memory_bytes": 2**30,
        "tasks": {"번역": {"loss": loss, "num_valid_tokens": 5, "gradient_share": 1.0}},
    }


def test_a_resumed_run_tells_each_step_once(tmp_path: Path) -> None:
    tracker = Memory()
    for resumed_step, steps in ((0, range(1, 6)), (3, range(4, 8))):
        log = MetricsLog(
            tmp_path / "metrics.jsonl", tensorboard_dir=None, resumed_step=resumed_step, trackers=[tracker]
        )
        with log:
            for step in steps:
                log.train(train_line(step, 1 / step))
            log.val(
                {"kind": "val", "step": steps[-1], "loss": 0.5, "num_valid_tokens": 1, "tasks": {"번역": 0.5}}
            )
    assert [step for step, values in tracker.told if "train/loss" in values] == list(range(1, 8))
    assert [step for step, values in tracker.told if "val/loss" in values] == [5, 7]
    assert tracker.told[0][1]["train_task/gradient_share/번역"] == 1.0
    assert "train/mfu" not in tracker.told[0][1]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "train"] == list(range(1, 8))


def test_an_absent_package_is_one_line() -> None:
    absent = [name for name in PACKAGES if not INSTALLED[name]]
    if not absent:
        pytest.skip("all of them are installed")
    with pytest.raises(ConfigError, match=f"run: pip install {PACKAGES[absent[0]]}"):
        check_trackers(absent)


USE = """
import sys
from pathlib import Path
from trainer.metrics.trackers import open_trackers
for steps in (range(3), range(3, 6)):
    where = {"folder": Path(sys.argv[2]), "run_name": "r", "run_id": "abc"}
    [tracker] = open_trackers([sys.argv[1]], **where, config={"a": 1})
    for step in steps:
        tracker.log(step, {"train/loss": 1 / (step + 1), "train_task/loss/번역": 2.0})
    tracker.close()
"""


@pytest.mark.parametrize("name", PACKAGES)
def test_two_starts_without_a_login(name: str, tmp_path: Path) -> None:
    if not INSTALLED[name]:
        pytest.skip(f"{PACKAGES[name]} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", USE, name, str(tmp_path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert any(path.is_file() and path.stat().st_size for path in tmp_path.rglob("*"))
    if name == "mlflow":
        (found,) = tmp_path.rglob("metrics/train/loss")
        assert [line.split()[2] for line in found.read_text().splitlines()] == list("012345")


def test_no_tracker_is_the_default(tmp_path: Path) -> None:
    assert open_trackers([], folder=tmp_path / "trackers", run_name="r", run_id="i", config={}) == []
