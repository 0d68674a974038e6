import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hunmin.errors import InputError
from hunmin.lock import run_lock

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
