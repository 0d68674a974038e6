import json
import time
from pathlib import Path
from typing import Any

import pytest
from damage import damaged

from hunmin.progress import said_to, say
from trainer.metrics import metrics_log
from trainer.metrics.metrics_log import POLL_S, MetricsLog, said_beside, show_progress


def train_line(step: int) -> Any:
    return {
        "kind": "train",
        "step": step,
        "loss": 1.0 / step,
        "num_valid_tokens": 5,
        "num_tokens": 9,
        "learning_rate": 1e-3,
        "grad_norm": 1.0,
        "step_s": 0.1,
        "tokens_per_s": 90.0,
        "trained_tokens_per_s": 50.0,
        "idle_share": 0.0,
        "peak_memory_bytes": 1,
        "skipped": False,
        "busy_s": [0.1],
        "model_flops": 1e9,
        "mfu": None,
        "time_left_s": 1.0,
        "tasks": {"chat": {"loss": 1.0, "num_valid_tokens": 50, "gradient_share": 1.0}},
    }


def val_line(step: int) -> Any:
    return {"kind": "val", "step": step, "loss": 2.0, "num_valid_tokens": 5, "tasks": {"chat": 2.0}}


def test_resume_forgets_what_comes_again_and_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path, tensorboard_dir=None, resumed_step=0) as log:
        for step in (1, 2, 3):
            log.train(train_line(step))
        log.val(val_line(3))
    with path.open("a") as file:
        file.write('{"kind": "train", "step": 4, "lo')
    with MetricsLog(path, tensorboard_dir=None, resumed_step=2) as log:
        log.train(train_line(3))
    assert [(line["kind"], line["step"]) for line in metrics_log.read_lines(path)] == [
        ("train", 1),
        ("train", 2),
        ("train", 3),
    ]
    assert path.read_text().endswith("}\n")


def test_damaged_lines_are_left_out_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path, tensorboard_dir=None, resumed_step=0) as log:
        for step in (1, 2):
            log.train(train_line(step))
    first, second = path.read_bytes().splitlines(keepends=True)
    for data in [*damaged(second[:-1], every=1), b"[]", b"{}", b"\xff", b'{"kind": [], "step": 2}']:
        path.write_bytes(first + data + b"\n" + second)
        MetricsLog(path, tensorboard_dir=None, resumed_step=2).__exit__()
        told = capsys.readouterr().out
        kept = [line["step"] for line in metrics_log.read_lines(path)]
        assert kept == [1, 2] if "1 damaged line(s) left out" in told else len(kept) <= 3


def test_only_the_first_rank_writes(tmp_path: Path) -> None:
    with MetricsLog(None, tensorboard_dir=tmp_path / "board", resumed_step=0) as log:
        log.train(train_line(1))
        log.sync()
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_holds_the_values(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with MetricsLog(tmp_path / "m.jsonl", tensorboard_dir=tmp_path / "board", resumed_step=0) as log:
        log.train(train_line(1))
        log.val(val_line(1))
    events = EventAccumulator(str(tmp_path / "board")).Reload()
    assert events.Scalars("train/loss")[0].value == 1.0
    assert events.Scalars("val_task/chat")[0].value == 2.0


def test_progress_follows_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hunmin.progress.LINE_EVERY_S", 0.0)
    monkeypatch.setattr(metrics_log, "POLL_S", 0.01)
    path = tmp_path / "metrics.jsonl"
    with (
        metrics_log.show_progress(path, num_steps=3),
        MetricsLog(path, tensorboard_dir=None, resumed_step=0) as log,
    ):
        log.train(train_line(1))
        log.train(train_line(2))
        log.val(val_line(2))
    out = capsys.readouterr().out
    assert "train: 2/3 after" in out
    assert "about 1 s left" in out, "the run's own estimate, not one that counts the start of the ranks"
    assert "loss 0.500" in out
    assert "train: step 2: validation loss 2.0000" in out
    assert out.count("train: 1/3") == 1


def test_lines_are_json_for_programs(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    with MetricsLog(path, tensorboard_dir=None, resumed_step=0) as log:
        log.val(val_line(1))
    assert json.loads(path.read_text()) == val_line(1)


def test_what_a_rank_says_reaches_who_shows_progress(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "metrics.jsonl"
    said_beside(path).write_text("of a former start\n")
    with show_progress(path, num_steps=3):
        time.sleep(2 * POLL_S)
        with said_to(said_beside(path)):
            say("train: 단계 1: 한 줄")
        say("of this process")
    out = capsys.readouterr().out
    assert "train: 단계 1: 한 줄" in out
    assert "of this process" in out
    assert "of a former start" not in out
