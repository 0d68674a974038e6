"""Clusters for the launcher's tests, and what a run on them is compared with."""

import json
from collections.abc import Iterator

import pytest
from cluster_runs import QUICK, SMALL
from command_line import hunmin
from needs import lacking
from ray_cluster import RayCluster
from slurm_cluster import SlurmCluster, missing_for_slurm


@pytest.fixture(scope="session")
def slurm_cluster() -> Iterator[SlurmCluster]:
    """A real SLURM with two nodes; at the end nothing of it may be left."""
    reason = missing_for_slurm()
    if reason:
        lacking(reason)
    cluster = SlurmCluster(2)
    try:
        yield cluster
    finally:
        cluster.close()
    assert cluster.leftovers() == []


@pytest.fixture(scope="module")  # idle, it would take a tenth of the CPUs from all later tests
def ray_cluster() -> Iterator[RayCluster]:
    """A Ray with two nodes and a dashboard that takes jobs."""
    cluster = RayCluster()
    try:
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="session")
def local_data_sha256(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Content of data/ of the small quickstart, made on this machine alone."""
    run = tmp_path_factory.mktemp("local") / "run"
    done = hunmin("data", QUICK, *SMALL, "--run", run, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["content_sha256"]["data"]
