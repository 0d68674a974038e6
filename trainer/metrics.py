"""metrics.jsonl and TensorBoard: written by the first rank, followed by whoever shows progress."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data_pipeline.artifact import write_atomic
from data_pipeline.progress import Ticker, progress, say
from data_pipeline.schema import TrainMetrics, ValMetrics

POLL_S = 0.5


def read(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a metrics file; a last line cut off by a kill is no line."""
    return _read_from(path, 0)[0]


class MetricsLog:
    """Appends lines; a run that resumes at step s first forgets what came after s."""

    def __init__(self, path: Path | None, *, tensorboard_dir: Path | None, resumed_step: int):
        """Open. Without a path (all ranks but the first) nothing is written."""
        self._file = self._board = None
        if path is None:
            return
        kept = [line for line in read(path) if line["step"] <= resumed_step]
        write_atomic(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
        self._file = path.open("a")
        if tensorboard_dir is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(tensorboard_dir), purge_step=resumed_step + 1)

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, *exc: object) -> None:
        for sink in (self._file, self._board):
            if sink is not None:
                sink.close()

    def train(self, line: TrainMetrics) -> None:
        """After an optimizer step."""
        self._write(line)
        if self._board is not None:
            for name, value in scalars(line).items():
                self._board.add_scalar(f"train/{name}", value, line["step"])

    def val(self, line: ValMetrics) -> None:
        """After a validation."""
        self._write(line)
        if self._board is not None:
            self._board.add_scalar("val/loss", line["loss"], line["step"])
            for task, loss in line["tasks"].items():
                self._board.add_scalar(f"val_task/{task}", loss, line["step"])

    def sync(self) -> None:
        """To the disk: before a checkpoint that relies on the lines so far."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def _write(self, line: TrainMetrics | ValMetrics) -> None:
        if self._file is not None:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()


def scalars(line: TrainMetrics) -> dict[str, float]:
    """The numbers of a line that make curves; a task's under its name."""
    found: dict[str, float] = {
        name: line[name]
        for name in (
            "loss",
            "learning_rate",
            "grad_norm",
            "tokens_per_s",
            "trained_tokens_per_s",
            "model_flops",
        )
    }
    if line["mfu"] is not None:
        found["mfu"] = line["mfu"]
    found["peak_memory_gib"] = line["peak_memory_bytes"] / 2**30
    for task, share in line["tasks"].items():
        found[f"loss/{task}"] = share["loss"]
        found[f"num_valid_tokens/{task}"] = share["num_valid_tokens"]
        if share["gradient_share"] is not None:
            found[f"gradient_share/{task}"] = share["gradient_share"]
    return found


@contextmanager
def shown(path: Path, *, num_steps: int) -> Iterator[None]:
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
    offset = 0
    last_round = False
    while not last_round:
        last_round = done.wait(POLL_S)
        lines, offset = _read_from(path, offset)
        for line in lines:
            if (line["kind"], line["step"]) in seen:
                continue
            seen.add((line["kind"], line["step"]))
            if line["kind"] == "train":
                ticker.advance(note=_note(line))
            else:
                say(f"train: step {line['step']}: validation loss {line['loss']:.4f}")


def _read_from(path: Path, offset: int) -> tuple[list[dict[str, Any]], int]:
    """Complete lines from a byte offset on, and the next offset; from the start where the file shrank."""
    if not path.exists():
        return [], 0
    with path.open("rb") as file:
        start = 0 if path.stat().st_size < offset else offset
        file.seek(start)
        whole, newline, _ = file.read().rpartition(b"\n")
    return [json.loads(line) for line in whole.splitlines()], start + len(whole) + len(newline)


def _note(line: dict[str, Any]) -> str:
    return (
        f"loss {line['loss']:.3f}  lr {line['learning_rate']:.1e}  |g| {line['grad_norm']:.2f}  "
        f"{line['tokens_per_s']:.0f} ({line['trained_tokens_per_s']:.0f} trained) tokens/s  "
        f"{line['peak_memory_bytes'] / 2**30:.1f} GiB"
    )
