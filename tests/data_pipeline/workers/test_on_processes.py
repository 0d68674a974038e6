"""Items done by forked processes of this machine: all of them once, and no process left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from data_pipeline.workers.done import Done, note_done
from data_pipeline.workers.each_item import Workers, do_each
from data_pipeline.workers.on_processes import do_on_processes
from hunmin.errors import EnvironmentFailure, InputError


def test_each_item_is_done_once_by_one_of_several_processes(tmp_path: Path) -> None:
    def do(number: int) -> None:
        time.sleep(0.02)
        with (tmp_path / str(number)).open("x") as file:
            file.write(str(os.getpid()))

    assert len(list(do_on_processes(do, 12, num_processes=3))) == 12
    pids = {int((tmp_path / str(number)).read_text()) for number in range(12)}
    assert 1 < len(pids) <= 3
    assert os.getpid() not in pids
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_what_was_done_before_is_kept(tmp_path: Path) -> None:
    def double(number: int) -> Done:
        return Done([], {"twice": 2 * number})

    items = {tmp_path / f"{number}.json": number for number in range(5)}
    note_done(tmp_path / "3.json", Done([], {"of": "before"}))
    said = do_each("numbers", items, double, workers=Workers(num_processes=2))
    assert said == [{"twice": 0}, {"twice": 2}, {"twice": 4}, {"of": "before"}, {"twice": 8}]


class Unportable(Exception):
    """Cannot be made again from its arguments, as pickle does."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


@pytest.mark.parametrize(
    ("raised", "expected", "words"),
    [
        (InputError("a.csv: no column `text`"), InputError, "a.csv: no column `text`"),
        (OSError(28, "No space left on device", "/full/disk"), OSError, "/full/disk"),
        (Unportable(1, 2), RuntimeError, "Unportable: 1 and 2"),
    ],
)
def test_an_error_comes_back_as_it_was_raised_with_its_place(
    raised: Exception, expected: type[Exception], words: str
) -> None:
    def do(number: int) -> None:
        if number == 1:
            raise raised

    with pytest.raises(expected, match=words) as caught:
        list(do_on_processes(do, 4, num_processes=2))
    assert any("in do" in note for note in caught.value.__notes__)


def test_a_lost_process_is_said_and_ends_the_others(tmp_path: Path) -> None:
    def do(number: int) -> None:
        (tmp_path / str(os.getpid())).touch()
        if number == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)

    start = time.monotonic()
    with pytest.raises(EnvironmentFailure, match=r"killed by signal 9, as .* memory.*run the same command"):
        list(do_on_processes(do, 2, num_processes=2))
    assert time.monotonic() - start < 30
    assert not any(psutil.pid_exists(int(path.name)) for path in tmp_path.iterdir())


CHILD = """
import os, signal, sys, time
from pathlib import Path
from data_pipeline.workers.on_processes import do_on_processes

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins without it

def do(number):
    (Path(sys.argv[1]) / str(os.getpid())).touch()
    time.sleep(60)

list(do_on_processes(do, 2, num_processes=2))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_processes_end_with_their_parent_however_it_ends(tmp_path: Path, number: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stderr=subprocess.DEVNULL)
    while len(list(tmp_path.iterdir())) < 2:
        assert parent.poll() is None
        time.sleep(0.05)
    parent.send_signal(number)
    parent.wait(30)
    deadline = time.monotonic() + 30
    while any(psutil.pid_exists(int(path.name)) for path in tmp_path.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
