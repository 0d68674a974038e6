"""Runs on a real SLURM with two nodes."""

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster_runs import QUICK, SMALL
from slurm_cluster import SlurmCluster

from launcher.backends import noted_job

pytestmark = pytest.mark.slow
TWO_NODES = ("--to", "slurm", "--nodes", "2")


def wait_for(what: str, done: Callable[[], bool], limit_s: float = 240) -> None:
    deadline = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < deadline, f"waited {limit_s:.0f} s for {what}"
        time.sleep(0.2)


def job_of(run: Path) -> str:
    """The id of the run's only job so far."""
    (log,) = (run / "logs").glob("slurm-*.log")
    return log.stem.removeprefix("slurm-")


def assert_nothing_is_left(cluster: SlurmCluster, run: Path) -> None:
    wait_for("the job's processes to end", lambda: cluster.processes() == [], 60)
    for node in cluster.nodes:
        left = cluster.run(["ls", "/tmp"], node=node).stdout.split()
        assert [name for name in left if re.match(r"hm\d+-|ray|hunmin", name)] == []
    # no token, no address
    assert sorted(path.name for path in (run / "submit").iterdir()) == [
        "attempts.json",
        "job.json",
        "job.sbatch",
    ]
    assert not (run / ".lock").exists()


@pytest.fixture(scope="module")
def finished(slurm_cluster: SlurmCluster) -> Path:
    run = slurm_cluster.shared / "run"
    done = slurm_cluster.hunmin("submit", QUICK, *SMALL, *TWO_NODES, "--run", run, "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "COMPLETED" in done.stdout
    assert_nothing_is_left(slurm_cluster, run)
    return run


def test_two_nodes_run_all_stages_and_give_the_data_of_one(
    slurm_cluster: SlurmCluster, finished: Path, local_data_sha256: str
) -> None:
    job = slurm_cluster.job(job_of(finished))
    assert (job["JobState"], job["ExitCode"]) == ("COMPLETED", "0:0")
    data = json.loads((finished / "data" / "manifest.json").read_text())
    assert data["content_sha256"] == local_data_sha256
    train = json.loads((finished / "train" / "manifest.json").read_text())
    assert sorted(train["extra"]["ranks"]["hosts"]) == ["n1", "n2"]
    assert train["counts"]["steps"] == 4
    assert (finished / "report" / "index.html").exists()


def test_before_its_limit_a_job_saves_and_starts_again(slurm_cluster: SlurmCluster, finished: Path) -> None:
    """The signal that SLURM sends before the limit, sent by hand; the end is that of the undisturbed run."""
    weights = json.loads((finished / "train" / "manifest.json").read_text())["content_sha256"]
    run = slurm_cluster.shared / "requeued"
    run.mkdir()
    shutil.copytree(finished / "data", run / "data")
    shutil.copy(finished / "config.yaml", run)
    slower = "train.save_interval=1"
    done = slurm_cluster.hunmin("submit", QUICK, *SMALL, slower, *TWO_NODES, "--run", run)
    assert done.returncode == 0, done.stderr
    job_id = noted_job(run).job_id  # type: ignore[union-attr]
    wait_for("the first checkpoint", lambda: any((run / "train" / "checkpoints").glob("step-*")))
    sent = slurm_cluster.run(["scancel", "--batch", "--signal=USR1", job_id])
    assert sent.returncode == 0, sent.stderr
    assert slurm_cluster.hunmin("wait", run).returncode == 0
    said = (run / "logs" / f"slurm-{job_id}.log").read_text()
    assert f"job {job_id} starts again: its time is over" in said
    job = slurm_cluster.job(job_id)
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1")
    (first, second) = json.loads((run / "submit" / "attempts.json").read_text())[job_id]
    assert (first["exit_code"], first["stopped_by"], first["progressed"]) == (75, "limit", True)
    assert (second["exit_code"], second["stopped_by"]) == (0, None)
    assert json.loads((run / "train" / "manifest.json").read_text())["content_sha256"] == weights
    assert_nothing_is_left(slurm_cluster, run)


def test_cancel_reaches_the_ranks_which_save(slurm_cluster: SlurmCluster, finished: Path) -> None:
    metrics = finished / "train" / "metrics.jsonl"
    longer = [item for item in SMALL if "num_steps" not in item] + ["train.num_steps=500"]
    done = slurm_cluster.hunmin("submit", QUICK, *longer, *TWO_NODES, "--run", finished, "--force")
    assert done.returncode == 0, done.stderr
    job_id = noted_job(finished).job_id  # type: ignore[union-attr]
    log = finished / "logs" / f"slurm-{job_id}.log"
    manifest = finished / "train" / "manifest.json"
    wait_for(
        "the first steps", lambda: not manifest.exists() and metrics.exists() and bool(metrics.read_text())
    )
    told = slurm_cluster.hunmin("status", finished).stdout
    assert f"  slurm job {job_id}: RUNNING\n" in told
    assert re.search(
        r"\n  process \d+ on n1 works on it\n  data    done .*\n  train   running\n +step \d+, loss", told
    )
    cancelled = slurm_cluster.hunmin("cancel", finished)
    assert cancelled.returncode == 0, cancelled.stderr
    wait_for("the end", lambda: slurm_cluster.job(job_id)["JobState"] == "CANCELLED")
    assert slurm_cluster.hunmin("wait", finished).returncode == 75
    assert_nothing_is_left(slurm_cluster, finished)
    said = log.read_text()
    assert "of 500; saved, the same command continues" in said, said
    newest = max((finished / "train" / "checkpoints").glob("step-*"))
    assert f"after step {int(newest.name.removeprefix('step-'))} of 500" in said


def test_a_failing_run_gives_the_job_its_exit_code_and_says_why(slurm_cluster: SlurmCluster) -> None:
    run = slurm_cluster.shared / "nothing"
    none_fits = ("data.bounds.instruction=[19000,20000]", "data.seq_len=16")
    command = ("submit", QUICK, *SMALL, *none_fits, "--to", "slurm", "--nodes", 1, "--run", run, "--wait")
    # From within a job, whose memory a core SLURM would ask for the next job too.
    outer = ("srun", "--nodelist=n2", "--mem-per-cpu=900", *slurm_cluster.HUNMIN)
    done = slurm_cluster.run([*outer, *command])
    assert done.returncode == 3, done.stdout + done.stderr
    job = slurm_cluster.job(job_of(run))
    assert (job["JobState"], job["ExitCode"]) == ("FAILED", "3:0")
    assert "hunmin: data: no trainable token in the train split" in done.stdout
    assert "Traceback" not in done.stdout
    assert "does not start again: starting again would end in the same way" in done.stdout
    assert_nothing_is_left(slurm_cluster, run)


def test_a_run_folder_that_a_node_does_not_see_is_refused(slurm_cluster: SlurmCluster) -> None:
    only_on_n1 = "/tmp/run"
    command = [*slurm_cluster.HUNMIN, "submit", QUICK, *SMALL, *TWO_NODES, "--run", only_on_n1, "--wait"]
    done = slurm_cluster.run(command, node="n1")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "host n2 does not see the run folder /tmp/run" in done.stdout


def test_a_run_folder_that_only_the_login_node_sees_is_refused(slurm_cluster: SlurmCluster) -> None:
    done = slurm_cluster.hunmin("submit", QUICK, *SMALL, *TWO_NODES, "--run", "/tmp/run", "--wait")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "wrote no log" in done.stderr


def test_what_slurm_refuses_is_told(slurm_cluster: SlurmCluster) -> None:
    run = slurm_cluster.shared / "refused"
    done = slurm_cluster.hunmin("submit", QUICK, "--to", "slurm", "--partition", "no-such", "--run", run)
    assert done.returncode == 2
    assert "invalid partition" in done.stderr
