"""Progress of long work: a bar on a terminal, timed lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hunmin.url_secrets import masked

LINE_EVERY_S = 10.0

_said_file: ContextVar[Path | None] = ContextVar("said_file", default=None)


def say(text: str) -> None:
    """Print one line for the user, at once; inside `said_to`, to its file. Secrets of URLs are masked."""
    text, path = masked(text), _said_file.get()
    if path is None:
        print(text, flush=True)
        return
    with path.open("a", encoding="utf-8") as file:
        file.write(text + "\n")


@contextmanager
def said_to(path: Path) -> Iterator[None]:
    """In this thread, `say` appends to a file: for a process whose output nobody sees."""
    token = _said_file.set(path)
    try:
        yield
    finally:
        _said_file.reset(token)


class Ticker:
    """Counts done units; shows them as a bar or as a line every LINE_EVERY_S seconds."""

    def __init__(self, label: str, total: int | None, progress: Progress | None):
        self._label, self._total, self._progress = label, total, progress
        self._task = progress.add_task(label, total=total) if progress else None
        self._done = 0
        self._start = self._last = time.monotonic()

    def advance(self, count: int = 1, note: str = "", left_s: float | None = None) -> None:
        """`count` more units are done; the note goes behind the numbers.

        `left_s` is the time left where the caller knows better than by the mean since the start, which counts
        what came before the first unit too; 0: nobody knows yet.
        """
        self._done += count
        if self._progress is not None and self._task is not None:
            label = f"{self._label} {note}".rstrip()
            self._progress.update(self._task, completed=self._done, description=label)
            return
        now = time.monotonic()
        if now - self._last >= LINE_EVERY_S:
            self._last = now
            spent = now - self._start
            of, left = "", ""
            if self._total:
                of = f"/{self._total}"
                if left_s is None:
                    left_s = spent * (self._total - self._done) / max(self._done, 1)
                left = f", about {left_s:.0f} s left" if left_s or self._done == self._total else ""
            say(f"{self._label}: {self._done}{of} after {spent:.0f} s{left} {note}".rstrip())


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Ticker]:
    """Show the progress of the work inside the block; `total` units if known."""
    if not sys.stdout.isatty():
        yield Ticker(label, total, None)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console()) as bar:
        yield Ticker(label, total, bar)


Heartbeat = Callable[[], None]  # called between pieces of long work


def no_heartbeat() -> None:
    """Nobody watches."""
