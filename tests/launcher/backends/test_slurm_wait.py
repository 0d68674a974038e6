"""What `hunmin submit --to slurm` makes of SLURM's answers: its programs are stand-ins on PATH."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from command_line import hunmin

from hunmin.errors import EnvironmentFailure, InputError
from launcher.backends import slurm
from launcher.cluster.snapshot import ROOT

QUICK = ROOT / "configs" / "quickstart.yaml"


class Stand:
    """Stand-in programs; squeue tells one state of `states` a call, and the last again and again."""

    def __init__(self, folder: Path):
        self.bin = folder / "bin"
        self.states = folder / "states"
        self.calls = folder / "calls"
        self.bin.mkdir()
        squeue = f"head -n 1 {self.states}; [ $(wc -l < {self.states}) -le 1 ] || sed -i 1d {self.states}"
        self.program("squeue", squeue)
        self.program("scontrol", "echo JobId=7 ExitCode=0:0")
        self.program("sbatch", f"echo sbatch >> {self.calls}; echo 8")

    def program(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def tells(self, *states: str) -> None:
        self.states.write_text("".join(f"{state}\n" for state in states))

    @property
    def path(self) -> str:
        return f"{self.bin}:{os.environ['PATH']}"


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    made = Stand(tmp_path)
    monkeypatch.setenv("PATH", made.path)
    monkeypatch.setattr(slurm, "POLL_S", 0.01)
    monkeypatch.setattr(slurm, "LOG_LIMIT_S", 0.1)
    return made


def run_with_log(folder: Path) -> Path:
    run = folder / "run"
    (run / "logs").mkdir(parents=True)
    slurm.log_of("7", run_dir=run).write_text("all is well\n")
    return run


def test_every_state_but_an_ended_one_goes_on(
    stand: Stand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passing = ("PENDING", "REQUEUED", "RUNNING", "SIGNALING", "STOPPED", "RESIZING", "COMPLETING")
    stand.tells(*passing, "COMPLETED")
    assert slurm.wait("7", run_dir=run_with_log(tmp_path)) == 0
    said = capsys.readouterr().out
    assert [state for state in (*passing, "COMPLETED") if f"job 7: {state}" not in said] == []
    stand.tells("STOPPED", "TIMEOUT")
    with pytest.raises(EnvironmentFailure, match="time limit"):
        slurm.wait("7", run_dir=tmp_path / "run")


def test_a_job_cancelled_before_it_began_is_no_fault_of_the_disk(stand: Stand, tmp_path: Path) -> None:
    stand.tells("PENDING", "CANCELLED")
    assert slurm.wait("7", run_dir=tmp_path) == 75


def test_only_a_failed_job_without_a_log_blames_the_disk_and_waits_for_it_first(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand.tells("FAILED")
    with pytest.raises(InputError, match="wrote no log"):
        slurm.wait("7", run_dir=tmp_path)
    monkeypatch.setattr(slurm, "LOG_LIMIT_S", 20.0)
    (tmp_path / "logs").mkdir()
    stand.program("scontrol", "echo JobId=7 ExitCode=3:0")
    late = f"sleep 0.7; echo seen late > {slurm.log_of('7', run_dir=tmp_path)}"
    with subprocess.Popen(["sh", "-c", late]):
        assert slurm.wait("7", run_dir=tmp_path) == 3
    assert "seen late" in capsys.readouterr().out


def submit(stand: Stand, run: Path) -> subprocess.CompletedProcess[str]:
    return hunmin("submit", QUICK, "--to", "slurm", "--run", run, env={"PATH": stand.path}, timeout_s=120)


def test_the_code_and_config_of_a_living_job_are_not_replaced(stand: Stand, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = submit(stand, run)
    assert first.returncode == 0, first.stderr
    assert json.loads((run / "submit" / "job.json").read_text()) == {
        "job_id": "8",
        "backend": "slurm",
        "address": None,
    }
    mark = run / "code" / "mark"
    mark.touch()
    token = run / "submit" / "job-abc" / "token"
    token.parent.mkdir()
    token.touch()

    stand.tells("PENDING")
    refused = submit(stand, run)
    assert refused.returncode == 2, refused.stdout
    for said in ("job 8 has not ended (PENDING)", "squeue --jobs=8", "scancel 8"):
        assert said in refused.stderr
    assert mark.exists()
    assert token.exists()

    stand.program("squeue", "echo slurm_load_jobs error: Unable to contact slurm controller >&2; exit 1")
    assert submit(stand, run).returncode == 0  # nobody says that it lives
    assert token.exists()  # nor that it has ended
    assert not mark.exists()

    stand.program("squeue", "echo slurm_load_jobs error: Invalid job id specified >&2; exit 1")
    assert submit(stand, run).returncode == 0
    assert not token.parent.exists()
    assert stand.calls.read_text().split() == ["sbatch"] * 3
