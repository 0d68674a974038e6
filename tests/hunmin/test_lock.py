import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hunmin.errors import InputError
from hunmin.lock import run_lock, this_process

HOLD = """
import sys, time
from pathlib import Path
from hunmin.lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_living_owner_keeps_the_run_and_a_killed_one_loses_it(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"in use by process {owner.pid}"), run_lock(tmp_path):
            pass
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        with run_lock(tmp_path):
            assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
        assert list(tmp_path.iterdir()) == []
    finally:
        owner.kill()
        owner.wait()


def test_a_lock_that_another_took_is_not_removed(tmp_path: Path) -> None:
    other = json.dumps({"host": "elsewhere", "pid": 1, "start": "1", "job_id": None})
    with run_lock(tmp_path):
        (tmp_path / ".lock").write_text(other)
    assert (tmp_path / ".lock").read_text() == other


@pytest.mark.parametrize(("age_s", "dead"), [(0, False), (1000, True)])
def test_the_lock_of_another_host_lives_by_its_heartbeat(tmp_path: Path, age_s: float, dead: bool) -> None:
    path = tmp_path / ".lock"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "start": "1", "job_id": "7"}))
    then = time.time() - age_s
    os.utime(path, (then, then))
    if dead:
        with run_lock(tmp_path):
            pass
        return
    with pytest.raises(InputError, match=r"elsewhere \(job 7\)"), run_lock(tmp_path):
        pass


GONE = {
    "host": "elsewhere",
    "space": "other",
    "pid": 1,
    "start": "1",
    "cluster": "c",
    "job_id": "7",
    "attempt": 0,
}


def held_by(tmp_path: Path, **changes: object) -> Path:
    """A run that another process holds, by a heartbeat of this moment."""
    (tmp_path / ".lock").write_text(json.dumps(GONE | changes))
    return tmp_path


@pytest.mark.parametrize(
    ("job_id", "attempt", "cluster", "takes"),
    [
        ("7", "1", "c", True),  # the same job, requeued: its first attempt has ended
        ("7", "0", "c", False),  # another process of the same attempt
        ("8", "1", "c", False),  # another job
        ("7", "1", "d", False),  # another cluster's job of that number
    ],
)
def test_a_requeued_job_takes_its_own_lock_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job_id: str, attempt: str, cluster: str, takes: bool
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", job_id)
    monkeypatch.setenv("SLURM_RESTART_COUNT", attempt)
    monkeypatch.setenv("SLURM_CLUSTER_NAME", cluster)
    run = held_by(tmp_path)
    if takes:
        with run_lock(run):
            assert json.loads((run / ".lock").read_text())["attempt"] == int(attempt)
        return
    with pytest.raises(InputError, match=r"\(job 7\), alive [01] s ago"), run_lock(run):
        pass


def test_the_lock_of_a_job_that_has_ended_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CLUSTER_NAME", "c")
    with (
        pytest.raises(InputError, match="in use"),
        run_lock(held_by(tmp_path), has_job_ended=lambda _: False),
    ):
        pass
    with run_lock(held_by(tmp_path), has_job_ended="7".__eq__):
        pass
    monkeypatch.setenv("SLURM_CLUSTER_NAME", "d")  # whose job 7 is another
    with pytest.raises(InputError, match="in use"), run_lock(held_by(tmp_path), has_job_ended=lambda _: True):
        pass


def test_containers_with_one_host_name_do_not_share_a_run(tmp_path: Path) -> None:
    """Its process number says nothing here, where it is nobody's or another's."""
    run = held_by(tmp_path, host=socket.gethostname(), pid=2**22 + 1, job_id=None)
    with pytest.raises(InputError, match="in use by process"), run_lock(run):
        pass
    run = held_by(tmp_path, host=socket.gethostname(), space=this_process()["space"], pid=2**22 + 1)
    with run_lock(run):
        pass
