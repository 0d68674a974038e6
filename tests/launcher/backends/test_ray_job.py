"""Jobs of a real Ray cluster with two nodes."""

import json
import time
from pathlib import Path

import pytest
from cluster_runs import QUICK, SMALL
from ray_cluster import RayCluster, can_hide

from launcher.cluster.snapshot import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(ray_cluster: RayCluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was submitted by hand, with Ray's own command."""
    run = tmp_path_factory.mktemp("by-hand") / "run"
    job = ["ray", "job", "submit", "--address", ray_cluster.address, "--working-dir", ".", "--"]
    work = ["python", "-m", "launcher", "run", QUICK.relative_to(ROOT), *SMALL, "--run", run]
    done = ray_cluster.run(*job, *work, timeout_s=400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "succeeded" in done.stdout
    return run


def test_ray_job_submit_by_hand_gives_the_data_of_one_machine(
    ray_cluster: RayCluster, finished: Path, local_data_sha256: str
) -> None:
    manifest = json.loads((finished / "data" / "manifest.json").read_text())
    assert manifest["content_sha256"] == local_data_sha256
    assert (finished / "report" / "index.html").exists()
    (shipped,) = (ray_cluster.root / "head").glob(
        "session_2*/runtime_resources/working_dir_files/_ray_pkg_*/"
    )
    names = {path.name for path in shipped.iterdir()}
    assert {"launcher", "configs", "examples"} <= names
    assert not names & {".venv", ".git", "runs", "tests", "docs"}


def test_hunmin_submit_follows_the_job_and_continues_the_run(ray_cluster: RayCluster, finished: Path) -> None:
    command = ["submit", QUICK, *SMALL, "--to", "ray", "--address", ray_cluster.address, "--run", finished]
    submitted = ray_cluster.hunmin(*command)
    done = ray_cluster.hunmin("wait", finished)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MB; data is not shipped" in submitted.stdout
    assert "train: done already" in done.stdout
    assert "SUCCEEDED" in done.stdout
    assert ": SUCCEEDED\n" in ray_cluster.hunmin("status", finished).stdout


def test_cancel_lets_the_ranks_save(ray_cluster: RayCluster, finished: Path) -> None:
    longer = [item for item in SMALL if "num_steps" not in item] + ["train.num_steps=500"]
    command = ["submit", QUICK, *longer, "--to", "ray", "--address", ray_cluster.address]
    done = ray_cluster.hunmin(*command, "--run", finished, "--force")
    assert done.returncode == 0, done.stderr
    metrics, manifest = finished / "train" / "metrics.jsonl", finished / "train" / "manifest.json"
    deadline = time.monotonic() + 120
    while manifest.exists() or not metrics.exists() or not metrics.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert ray_cluster.hunmin("cancel", finished).returncode == 0
    waited = ray_cluster.hunmin("wait", finished)
    assert waited.returncode == 75, waited.stdout + waited.stderr
    assert "of 500; saved, the same command continues" in waited.stdout


def test_a_run_folder_that_a_node_does_not_see_is_refused(ray_cluster: RayCluster) -> None:
    if not can_hide():
        pytest.skip("hiding a folder from a node needs root with CAP_SYS_ADMIN, and unshare (util-linux)")
    run = ray_cluster.hidden / "run"
    command = ["submit", QUICK, *SMALL, "--to", "ray", "--address", ray_cluster.address, "--run", run]
    done = ray_cluster.hunmin(*command, "--wait")
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"does not see the run folder {run}" in done.stdout
    assert not (run / "data").exists()


def test_an_address_where_no_ray_is_is_one_message(ray_cluster: RayCluster, tmp_path: Path) -> None:
    command = ["submit", QUICK, "--to", "ray", "--run", tmp_path / "run"]
    missing = ray_cluster.hunmin(*command)
    assert (missing.returncode, "--address is missing" in missing.stderr) == (2, True)
    nobody = ray_cluster.hunmin(*command, "--address", "http://127.0.0.1:9")
    assert nobody.returncode == 4, nobody.stderr
    assert "takes no jobs from here" in nobody.stderr
    assert "Traceback" not in nobody.stderr
