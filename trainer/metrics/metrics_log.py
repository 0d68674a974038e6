"""metrics.jsonl and trackers: written by the first rank, followed by whoever shows progress."""

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hunmin.artifact import write_atomic
from hunmin.progress import Ticker, progress, say
from hunmin.schema import SampleMetrics, TrainMetrics, ValMetrics
from trainer.metrics.trackers import TensorBoard, Tracker

POLL_S = 0.5
NEEDED = {"train": "loss", "val": "loss", "samples": "samples"}  # by the kind of a line
SHOWN = 60  # characters of a prompt or an answer in a line of progress


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a metrics file; one that a kill cut off is no line, nor is a damaged one."""
    return _read_from(path, 0)[0]


class MetricsLog:
    """Appends lines; a run that resumes at step s first forgets what came after s."""

    def __init__(
        self,
        path: Path | None,
        *,
        tensorboard_dir: Path | None,
        resumed_step: int,
        trackers: Sequence[Tracker] = (),
    ):
        """Open. Without a path (all ranks but the first) nothing is written."""
        self._file = self._board = None
        self._trackers: list[Tracker] = []
        self._logged = {"train": 0, "val": 0}  # steps that a former start has told the trackers of
        if path is None:
            return
        before = read_lines(path)
        if num_damaged := len(_lines_from(path, 0)[0]) - len(before):
            say(f"train: {path}: {num_damaged} damaged line(s) left out")
        for line in before:
            self._logged[line["kind"]] = max(self._logged.get(line["kind"], 0), line["step"])
        kept = [line for line in before if line["step"] <= resumed_step]
        write_atomic(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept).encode())
        self._file = path.open("a", encoding="utf-8")
        self._trackers += trackers
        if tensorboard_dir is not None:
            self._board = TensorBoard(tensorboard_dir, purge_step=resumed_step + 1)

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, *exc: object) -> None:
        if self._file is not None:
            self._file.close()
        for tracker in (*self._trackers, self._board):
            if tracker is not None:
                tracker.close()

    def train(self, line: TrainMetrics) -> None:
        """After an optimizer step."""
        self._write(line)
        self._track(line, scalars(line))

    def val(self, line: ValMetrics) -> None:
        """After a validation."""
        self._write(line)
        by_task = {f"val_task/{task}": loss for task, loss in line["tasks"].items()}
        self._track(line, {"val/loss": line["loss"], **by_task})

    def samples(self, line: SampleMetrics) -> None:
        """Answers at a validation, if any row was asked."""
        if line["samples"]:
            self._write(line)

    def _track(self, line: TrainMetrics | ValMetrics, values: dict[str, float]) -> None:
        if self._board is not None:  # forgets by itself what came after the step it resumes at
            self._board.log(line["step"], values)
        if line["step"] > self._logged[line["kind"]]:
            for tracker in self._trackers:
                tracker.log(line["step"], values)

    def sync(self) -> None:
        """To the disk: before a checkpoint that relies on the lines so far."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def _write(self, line: TrainMetrics | ValMetrics | SampleMetrics) -> None:
        if self._file is not None:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()


def scalars(line: TrainMetrics) -> dict[str, float]:
    """The numbers of a line that make curves; a task's stand under its name."""
    found: dict[str, float] = {
        "train/loss": line["loss"],
        "train/learning_rate": line["learning_rate"],
        "train/grad_norm": line["grad_norm"],
        "train/tokens_per_s": line["tokens_per_s"],
        "train/trained_tokens_per_s": line["trained_tokens_per_s"],
        "train/peak_memory_gib": line["peak_memory_bytes"] / 2**30,
        "train/model_flops": line["model_flops"],
    }
    if line["mfu"] is not None:
        found["train/mfu"] = line["mfu"]
    if "router_loss" in line:
        found["train/router_loss"] = line["router_loss"]
    found |= {f"objective/{name}": value for name, value in line.get("objective", {}).items()}
    for task, share in line["tasks"].items():
        found[f"train_task/loss/{task}"] = share["loss"]
        found[f"train_task/num_valid_tokens/{task}"] = share["num_valid_tokens"]
        if share["gradient_share"] is not None:
            found[f"train_task/gradient_share/{task}"] = share["gradient_share"]
    return found


def said_beside(metrics_file: Path) -> Path:
    """The file of what the first rank says."""
    return metrics_file.with_name("said.log")


@contextmanager
def show_progress(path: Path, *, num_steps: int) -> Iterator[None]:
    """Show a run's progress by following its metrics file, in a thread of the process that started it."""
    done = threading.Event()
    with progress("train", total=num_steps) as ticker:
        thread = threading.Thread(target=_follow, args=(path, ticker, done), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def _follow(path: Path, ticker: Ticker, done: threading.Event) -> None:
    seen: set[tuple[str, int]] = set()  # a resumed run writes some steps again
    said, offset = said_beside(path), 0
    told = said.stat().st_size if said.exists() else 0
    last_round = False
    while not last_round:
        last_round = done.wait(POLL_S)
        texts, told = _lines_from(said, told)
        for text in texts:
            say(text.decode(errors="replace"))
        lines, offset = _read_from(path, offset)
        for line in lines:
            if (line["kind"], line["step"]) in seen:
                continue
            seen.add((line["kind"], line["step"]))
            if line["kind"] == "train":
                ticker.advance(note=_note(line), left_s=line["time_left_s"])
            elif line["kind"] == "val":
                say(f"train: step {line['step']}: validation loss {line['loss']:.4f}")
            else:
                for sample in line["samples"]:
                    say(f"train: step {line['step']}: {_said(sample)}")


def _read_from(path: Path, offset: int) -> tuple[list[dict[str, Any]], int]:
    """Complete lines from a byte offset on, and the next offset; from the start where the file shrank."""
    lines, offset = _lines_from(path, offset)
    return [record for line in lines if (record := _record(line)) is not None], offset


def _record(line: bytes) -> dict[str, Any] | None:
    """What a line says; None where it is damaged."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get("step"), int):
        return None
    return record if NEEDED.get(str(record.get("kind"))) in record else None


def _lines_from(path: Path, offset: int) -> tuple[list[bytes], int]:
    if not path.exists():
        return [], 0
    with path.open("rb") as file:
        start = 0 if path.stat().st_size < offset else offset
        file.seek(start)
        whole, newline, _ = file.read().rpartition(b"\n")
    return whole.splitlines(), start + len(whole) + len(newline)


def _note(line: dict[str, Any]) -> str:
    return (
        f"loss {line['loss']:.3f}  lr {line['learning_rate']:.1e}  |g| {line['grad_norm']:.2f}  "
        f"{line['tokens_per_s']:.0f} ({line['trained_tokens_per_s']:.0f} trained) tokens/s  "
        f"{line['peak_memory_bytes'] / 2**30:.1f} GiB"
    )


def _said(sample: dict[str, str]) -> str:
    """A sample answer in a line: the prompt's end, which holds the question, and what was answered."""
    prompt, said, right = (" ".join(sample[key].split()) for key in ("prompt", "answer", "reference"))
    prompt = prompt if len(prompt) <= SHOWN else "…" + prompt[-SHOWN:]
    return f"{sample['task']}: {prompt} -> {said[:SHOWN] or '(nothing)'} (wanted: {right[:SHOWN]})"
