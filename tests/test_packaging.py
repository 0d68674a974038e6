"""An install that is not editable holds all that runs; a part that is missing is an error with its cure."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from data_pipeline.tasks import tasks
from hunmin.errors import EnvironmentFailure
from launcher.doctor.packages import task_files

ROOT = Path(__file__).resolve().parents[1]
BUILD = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a wheel, built from a copy of the tracked files, as pip lays them down."""
    root = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (root / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "copy" / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-c", BUILD, str(root)]
    done = subprocess.run(command, cwd=root / "copy", capture_output=True, text=True, check=True)
    with zipfile.ZipFile(root / done.stdout.splitlines()[-1]) as wheel:
        wheel.extractall(root / "site")
    return root / "site"


def python(installed: Path, code: str, folder: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_plain_install_has_every_module_and_file_of_the_checkout(installed: Path) -> None:
    packages = (
        "hunmin",
        "data_pipeline",
        "trainer",
        "eval",
        "launcher",
        "tools",
        "configs/tasks",
        "configs/suites",
        "slurm",
    )
    kinds = {".py", ".txt", ".j2", ".css", ".js", ".yaml"}
    for package in packages:
        here = {
            path.relative_to(ROOT)
            for path in (ROOT / package).rglob("*")
            if path.suffix in kinds and "__pycache__" not in path.parts
        }
        assert {path for path in here if not (installed / path).is_file()} == set()


def test_a_plain_install_has_the_shipped_tasks(installed: Path, tmp_path: Path) -> None:
    code = "import data_pipeline.tasks.tasks as t; print(t.__file__); print(len(t.load_tasks(None)))"
    where, count = python(installed, code, tmp_path).split()
    assert where.startswith(str(installed))
    assert int(count) == len([*(ROOT / "configs/tasks").glob("*.yaml")]) > 0


def test_without_the_shipped_tasks_nothing_goes_on_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "SHIPPED", tmp_path / "configs" / "tasks")
    with pytest.raises(EnvironmentFailure, match=r"configs/tasks: the shipped task files are not there"):
        tasks.load_tasks(None)
    assert task_files(tmp_path).status == "missing"
    assert task_files(ROOT).status == "ok"
