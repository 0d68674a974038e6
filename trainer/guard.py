"""What stops or spares a run: signals that all ranks agree on, updates that are not finite."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from data_pipeline.errors import GateError
from data_pipeline.progress import say
from trainer.checkpoint import TrainState

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


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
    """SIGTERM and SIGUSR1 set a flag instead of killing the process."""
    flag = StopFlag(file)
    with _handling(flag.ask):
        yield flag


@contextmanager
def forward_signals(file: Path) -> Iterator[StopFlag]:
    """SIGTERM and SIGUSR1 make `file`, by which ranks elsewhere learn of them; and set the flag given."""
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
    def handler(signum: int, frame: FrameType | None) -> None:
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


def count_update(state: TrainState, *, applied: bool, max_skipped: int) -> TrainState:
    """The state after a step. An update that was not finite was skipped on all ranks alike.

    Raises:
        GateError: more than `max_skipped` in a row.

    """
    step = state.step + 1
    if applied:
        return replace(state, step=step, num_updates=state.num_updates + 1, num_skipped_in_a_row=0)
    skipped = state.num_skipped_in_a_row + 1
    say(f"train: step {step}: the gradient is not finite, the update was skipped ({skipped} in a row)")
    if skipped > max_skipped:
        raise GateError(
            f"step {step}: {skipped} updates in a row were not finite (train.max_skipped_steps is "
            f"{max_skipped}); lower train.learning_rate"
        )
    return replace(state, step=step, num_skipped_in_a_row=skipped)
