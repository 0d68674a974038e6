"""The folder of wheels: what is in it suffices, and what is trimmed leaves a wheel whole."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools import build_wheels
from tools.build_wheels import BUILT, NEEDED, ROOT, TRIMMED, PipFailed, pinned, trim

# Refuses what is neither in the folder nor brought by torch, as if it were not installed.
ONLY_THE_FOLDER = """
import importlib.machinery, importlib.metadata, re, sys
normal = lambda name: re.sub(r"[-_.]+", "-", name).lower()
there = {normal(name) for name in sys.argv[1:]}
of = importlib.metadata.packages_distributions()
find = importlib.machinery.PathFinder.find_spec
def find_spec(name, path=None, target=None):
    if path is None and name in of and not there & {normal(dist) for dist in of[name]}:
        return None
    return find(name, path, target)
importlib.machinery.PathFinder.find_spec = find_spec
import tools.gpu_check.figures.measuring
import tools.gpu_check.figures.acts
assert "ray" not in sys.modules
print("loaded")
"""
OF_TORCH = ("torch", "numpy", "sympy", "mpmath", "networkx", "setuptools", "hunmin")


def run_with(packages: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ONLY_THE_FOLDER, *packages]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_folder_is_all_that_the_figures_need() -> None:
    done = run_with((*NEEDED, *BUILT, *OF_TORCH))
    assert done.stdout == "loaded\n", done.stderr[-2000:]


def test_without_one_of_its_packages_the_figures_do_not_load() -> None:
    done = run_with(tuple({*NEEDED, *OF_TORCH} - {"pydantic"}))
    assert "No module named 'pydantic'" in done.stderr


def test_every_package_of_the_folder_has_its_version_in_the_lock() -> None:
    pins = pinned((ROOT / "requirements.lock").read_text())
    assert {name for name in (*NEEDED, *BUILT) if build_wheels._normal(name) not in pins} == set()
    assert "ray" not in {*NEEDED, *BUILT}


def test_a_lock_is_read_by_normalized_names() -> None:
    assert pinned("# of us\nJinja2==3.1  # templates\ntyping_extensions==4\n") == {
        "jinja2": "Jinja2==3.1",
        "typing-extensions": "typing_extensions==4",
    }


def test_a_trimmed_wheel_lists_the_files_that_it_has(tmp_path: Path) -> None:
    wheel = tmp_path / "pyarrow-1-py3-none-any.whl"
    kept = ["pyarrow/lib.so", "pyarrow/libarrow.so.2600", "pyarrow/libarrow_python.so.2600"]
    dropped = [
        "pyarrow/tests/a.py",
        "pyarrow/libarrow_flight.so.2600",
        "pyarrow/_s3fs.cpython-312.so",
        "pyarrow/libarrow_python.so",
        "pyarrow/libarrow_python.so.2600.1.0",
    ]
    with zipfile.ZipFile(wheel, "w") as file:
        for name in (*kept, *dropped):
            file.writestr(name, name)
        record = "".join(f"{name},sha256=x,{len(name)}\n" for name in (*kept, *dropped))
        file.writestr("pyarrow-1.dist-info/RECORD", record)
    trim(wheel, TRIMMED)
    with zipfile.ZipFile(wheel) as file:
        assert file.namelist() == [*kept, "pyarrow-1.dist-info/RECORD"]
        listed = file.read("pyarrow-1.dist-info/RECORD").decode().splitlines()
        assert [line.split(",")[0] for line in listed] == kept
        assert [file.read(name).decode() for name in kept] == kept
    assert list(tmp_path.iterdir()) == [wheel]


@pytest.mark.parametrize(("num_bytes", "code"), [(64 * 2**20, 0), (64 * 2**20 + 1, 3)])
def test_a_folder_that_is_too_large_is_told(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    num_bytes: int,
    code: int,
) -> None:
    def download(folder: Path, *_: object, **__: object) -> None:
        with open(folder / "a-1-py3-none-any.whl", "wb") as file:
            file.truncate(num_bytes)

    monkeypatch.setattr(build_wheels, "download", download)
    assert build_wheels.main([str(tmp_path)]) == code
    said = capsys.readouterr()
    assert "1 in " in said.out
    assert ("more than 64 MiB" in said.err) == bool(code)


def test_pip_that_fails_is_code_4(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PipFailed("pip download ended with 1")

    monkeypatch.setattr(build_wheels, "download", fail)
    assert build_wheels.main([str(tmp_path)]) == 4
    assert capsys.readouterr().err == "wheels: pip download ended with 1\n"
