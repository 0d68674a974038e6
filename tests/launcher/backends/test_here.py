"""A run handed over to this machine: it goes on by itself, and can be watched, waited for and cancelled."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from cluster_runs import QUICK, SMALL
from command_line import hunmin

from launcher.backends import noted_job

pytestmark = pytest.mark.slow


def wait_until(what: str, is_so) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Handed over without waiting; data/ is being made."""
    folder = tmp_path_factory.mktemp("here") / "run"
    done = hunmin("submit", QUICK, *SMALL, "train.num_steps=500", "--to", "here", "--run", folder)
    assert done.returncode == 0, done.stderr
    assert f"job {noted_job(folder).job_id} on this machine" in done.stdout  # type: ignore[union-attr]
    return folder


def test_a_second_job_of_a_run_is_refused_while_the_first_goes_on(run: Path) -> None:
    assert ": running\n" in hunmin("status", run).stdout
    done = hunmin("submit", QUICK, *SMALL, "--to", "here", "--run", run)
    assert (done.returncode, "has not ended; hunmin cancel ends it" in done.stderr) == (2, True), done.stderr


def test_cancel_saves_and_wait_tells_how_it_ended(run: Path) -> None:
    metrics = run / "train" / "metrics.jsonl"
    wait_until("the first steps", lambda: metrics.exists() and metrics.read_text())
    assert hunmin("cancel", run).returncode == 0
    done = hunmin("wait", run)
    assert done.returncode == 75, done.stdout + done.stderr
    assert "of 500; saved, the same command continues" in done.stdout
    assert ": ended 75\n" in hunmin("status", run).stdout


def test_a_killed_job_is_told_as_such(run: Path) -> None:
    done = hunmin("submit", QUICK, *SMALL, "train.num_steps=500", "--to", "here", "--run", run)
    assert done.returncode == 0, done.stderr
    job = noted_job(run)
    assert job is not None
    keeper = psutil.Process(int(job.job_id))
    wait_until("the run", lambda: keeper.children())
    children = keeper.children(recursive=True)
    os.kill(keeper.pid, signal.SIGKILL)
    for child in children:
        child.kill()
    assert ": killed\n" in hunmin("status", run).stdout
    waited = hunmin("wait", run)
    assert (waited.returncode, "was killed; submit the same command again" in waited.stderr) == (4, True)


def test_a_run_that_was_never_handed_over_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("name: t\n")
    for command in ("wait", "cancel"):
        done = hunmin(command, tmp_path)
        assert (done.returncode, "no job; hand the run over with: hunmin submit" in done.stderr) == (2, True)
