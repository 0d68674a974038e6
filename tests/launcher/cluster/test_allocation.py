"""Inside an allocation: what is refused before Ray comes up. SLURM's programs are stand-ins on PATH."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.cluster.snapshot import ROOT


def allocation(*args: object, programs: Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "SLURM", "HUNMIN_"))}
    of_job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n1", "SLURMD_NODENAME": "n1", "SLURM_PROCID": "0"}
    path = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "launcher.cluster.allocation", *map(str, args)],
        env=kept | of_job | path | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in {"scontrol": "echo n1", "srun": f'echo "$*" >> {tmp_path}/asked; exit 1'}.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return folder


def test_a_probe_that_srun_could_not_start_is_a_failure_and_no_yes(programs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    done = allocation(run, 20, programs=programs)
    assert done.returncode == 4, done.stderr
    assert "srun could not reach every node" in done.stderr
    asked = (tmp_path / "asked").read_text().splitlines()
    assert len(asked) == 1  # no Ray was started
    assert "--export=ALL" in asked[0]
    assert [path.name for path in (run / "submit").iterdir()] == ["attempts.json"]  # no token is left


def test_every_srun_passes_the_environment_on(programs: Path, tmp_path: Path) -> None:
    (programs / "srun").write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/asked\n')  # the nodes end at once
    run = tmp_path / "run"
    run.mkdir()
    assert allocation(run, 20, programs=programs).returncode == 4
    asked = (tmp_path / "asked").read_text().splitlines()
    assert ["--export=ALL" in line for line in asked] == [True, True]


@pytest.mark.parametrize("env", [{}, {"RAY_AUTH_MODE": "token"}])
def test_a_node_without_the_token_starts_no_ray(env: dict[str, str], programs: Path, tmp_path: Path) -> None:
    done = allocation("node", tmp_path, programs=programs, TMPDIR=str(tmp_path), **env)
    assert done.returncode == 4, done.stderr
    assert "n1: RAY_AUTH_MODE and RAY_AUTH_TOKEN_PATH did not reach this node" in done.stderr
    assert (tmp_path / "failed.n1").exists()
