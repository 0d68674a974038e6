"""tools/system_packages.sh: what it says and does with and without root, apt and a network."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "system_packages.sh"
NEEDED = ("timeout", "printf")  # real programs that it calls


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs that stands for a Debian machine with a root user and nothing installed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).symlink_to(Path("/usr/bin") / name)
    program(folder / "id", "echo 0")
    program(folder / "dpkg-query", f'[ -e "{tmp_path}/installed" ] && echo installed')
    program(folder / "apt-get", f'echo "$@" >> "{tmp_path}/calls"; exit 100')
    return folder


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def run(machine: Path, *arguments: str, **environment: str) -> tuple[str, str]:
    """What it printed, and how it called apt-get; it must never fail."""
    done = subprocess.run(
        ["/bin/sh", SCRIPT, *arguments],
        env={"PATH": str(machine), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    calls = machine.parent / "calls"
    return done.stdout, calls.read_text() if calls.exists() else ""


def packages() -> list[str]:
    return subprocess.run([SCRIPT, "--list"], capture_output=True, text=True, check=True).stdout.split()


def test_the_list_names_what_tests_drive(machine: Path) -> None:
    assert {"chromium", "fonts-noto-cjk"} <= set(packages())
    assert run(machine, "--list") == ("\n".join(packages()) + "\n", "")


def test_where_all_is_installed_it_is_silent(machine: Path) -> None:
    (machine.parent / "installed").touch()
    assert run(machine) == ("", "")


def test_it_installs_what_is_missing(machine: Path) -> None:
    program(machine / "apt-get", f': > "{machine.parent}/installed"; echo "$@" >> "{machine.parent}/calls"')
    said, calls = run(machine)
    assert said == f"make: installing {' '.join(packages())}\n"
    assert "install --no-install-recommends " + " ".join(packages()) in calls
    assert "update" not in calls


def test_without_a_network_it_says_so_and_goes_on(machine: Path) -> None:
    said, calls = run(machine)
    assert "could not install chromium" in said
    assert "tests that need them are skipped" in said
    assert "update" in calls  # it was tried


@pytest.mark.parametrize("reason", ["no root", "told not to", "no apt"])
def test_without_root_or_apt_it_only_says_what_is_missing(machine: Path, reason: str) -> None:
    if reason == "no root":
        program(machine / "id", "echo 1000")
    if reason == "no apt":
        os.remove(machine / "apt-get")
    said, calls = run(machine, **({"HUNMIN_NO_APT": "1"} if reason == "told not to" else {}))
    assert said.startswith("make: not installed: chromium ")
    assert len(said.splitlines()) == 1
    assert calls == ""


def test_elsewhere_than_on_debian_it_names_the_programs(machine: Path) -> None:
    os.remove(machine / "dpkg-query")
    said, calls = run(machine)
    assert "not a Debian system" in said
    assert calls == ""
