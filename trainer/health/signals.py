"""What stops a run: signals that all ranks agree on."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from hunmin.progress import say

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class StopFlag:
    """Whether somebody asked this process to stop: a signal, or a file that whoever started it made."""

    def __init__(self, file: Path):
        self._file = file
        self._asked = False

    def ask(self) -> None:
        """Stop at the end of the step."""
        self._asked = True

    def is_set(self) -> bool:
        """Only this process's view; ranks must agree before acting on it."""
        return self._asked or self._file.exists()


@contextmanager
def stop_on_signal(file: Path) -> Iterator[StopFlag]:
    """SIGTERM, SIGUSR1 and SIGINT set a flag instead of killing the process; a second SIGINT interrupts."""
    flag = StopFlag(file)
    with _handling(flag.ask):
        yield flag


@contextmanager
def forward_signals(file: Path) -> Iterator[StopFlag]:
    """The same signals make `file`, by which ranks elsewhere learn of them; and set the flag given."""
    file.unlink(missing_ok=True)
    flag = StopFlag(file)

    def act() -> None:
        flag.ask()
        file.touch()

    try:
        with _handling(act):
            yield flag
    finally:
        file.unlink(missing_ok=True)


@contextmanager
def _handling(act) -> Iterator[None]:
    interrupted = False

    def handler(signum: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        if signum == signal.SIGINT:
            if interrupted:
                raise KeyboardInterrupt
            interrupted = True
            say("train: stopping at the end of the step; once more to stop at once")
        act()

    if threading.current_thread() is not threading.main_thread():
        yield  # a Ray Train worker, where Python allows no handler: its starter forwards by file
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
