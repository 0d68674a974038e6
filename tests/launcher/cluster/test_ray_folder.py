"""The private folder of a run's Ray."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hunmin.errors import EnvironmentFailure
from launcher.cluster import ray_folder
from launcher.cluster.ray_folder import MAX_SOCKET_PATH, PREFIX, SOCKET_PATH, folder_for_sockets, sweep

HOLDS = """
import sys
from launcher.cluster.ray_folder import ray_folder
with ray_folder() as folder:
    (folder / "token").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def only_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folders are made in a short folder of the test's own."""
    here = tempfile.mkdtemp(prefix="hmt", dir="/tmp")
    monkeypatch.setattr(ray_folder, "_candidates", lambda: [here])
    yield Path(here)
    os.rmdir(here)  # nothing is left


@pytest.mark.parametrize("length", [60, 120])
def test_a_folder_with_a_long_name_is_passed_over(
    length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, only_here: Path
) -> None:
    long = tmp_path / ("x" * length)
    long.mkdir()
    monkeypatch.setattr(ray_folder, "_candidates", lambda: [str(long), "/nowhere", str(only_here)])
    with ray_folder.ray_folder() as folder:
        assert folder.parent == only_here
        assert folder.stat().st_mode & 0o777 == 0o700
        assert len(f"{folder}/r{SOCKET_PATH}") <= MAX_SOCKET_PATH
    monkeypatch.setattr(ray_folder, "_candidates", lambda: [str(long), "/nowhere"])
    with pytest.raises(EnvironmentFailure, match=r"too long.*; /nowhere: No such file.*export TMPDIR="):
        folder_for_sockets()


def test_the_usual_folders_are_asked_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("TMPDIR", "/tmp/" + "x" * 100)
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert folder_for_sockets() in ("/tmp", os.environ.get("XDG_RUNTIME_DIR"))


def test_what_a_killed_run_left_is_swept_and_a_living_one_is_not(only_here: Path) -> None:
    code = HOLDS.replace(
        "with ",
        f"import launcher.cluster.ray_folder as f; f._candidates = lambda: [{str(only_here)!r}]\nwith ",
        1,
    )
    holders = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    folders = [Path(one.stdout.readline().strip()) for one in holders if one.stdout]
    holders[0].send_signal(signal.SIGKILL)
    holders[0].wait()
    (only_here / f"{PREFIX}foreign").mkdir()  # of another making: it has no owner, and stays
    assert (folders[0] / "token").exists(), "a killed process clears nothing up"
    with ray_folder.ray_folder():
        assert [one.exists() for one in folders] == [False, True]
    holders[1].communicate()
    sweep(only_here)
    (only_here / f"{PREFIX}foreign").rmdir()
