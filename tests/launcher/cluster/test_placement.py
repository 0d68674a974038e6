"""Ranks and eval actors on GPUs fill a node before they take the next, on a real Ray of several nodes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.cluster.snapshot import ROOT

DRIVER = """
import json, os, sys, tempfile
from collections import Counter
from pathlib import Path
from launcher.cluster.ray_cluster import use_token_in

folder = tempfile.TemporaryDirectory(prefix="hm-", dir="/tmp", ignore_cleanup_errors=True)
use_token_in(Path(folder.name))
os.environ["RAY_TMPDIR"] = folder.name  # where the cluster's address is written, and nobody else's is
(Path(folder.name) / "ray").mkdir()
import ray
from ray.cluster_utils import Cluster
from ray.train import RunConfig
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

node = dict(object_store_memory=100_000_000, dashboard_agent_listen_port=0)
cluster = Cluster(initialize_head=True, head_node_args=dict(num_cpus=0, temp_dir=folder.name + "/r", **node))
for _ in range(3):  # Ray believes in any number of GPUs
    cluster.add_node(num_cpus=2, num_gpus=2, **node)
out = Path(sys.argv[1])
told = {}
try:
    ray.init(address=cluster.address, log_to_driver=False)
    from eval.answering.pool import _places, find_gpus
    from trainer.ray_workers import _placement

    gpus = find_gpus()
    told["gpus"] = [sorted(gpus.per_node), gpus.memory_bytes, gpus.capability]

    def nodes_of(num_actors, each):
        with _places(num_actors, each) as places:
            table = ray.util.placement_group_table(places[0].placement_group)["bundles_to_node_id"]
            return sorted(Counter(table.values()).values())

    told["actors on GPUs"] = nodes_of(2, {"GPU": 1})
    told["more than a node has"] = nodes_of(3, {"GPU": 1})
    told["actors of two GPUs"] = nodes_of(3, {"GPU": 2})
    told["actors on CPUs"] = nodes_of(3, {"CPU": 0.5})

    def rank(config):
        context = ray.train.get_context()
        node_id = ray.get_runtime_context().get_node_id()
        (Path(config["out"]) / f"{config['name']}-{context.get_world_rank()}").write_text(node_id)

    for name, num_workers, num_gpus in (("two", 2, 1), ("four", 4, 1), ("cpus", 2, 0)):
        trainer = DataParallelTrainer(
            rank,
            train_loop_config={"out": str(out), "name": name},
            scaling_config=_placement(num_workers, num_gpus),
            run_config=RunConfig(name=name, storage_path=str(out / "storage")),
        )
        trainer.fit()
        told[name] = [(out / f"{name}-{index}").read_text() for index in range(num_workers)]
finally:
    ray.shutdown()
    cluster.shutdown()
    folder.cleanup()
(out / "told.json").write_text(json.dumps(told))
"""


@pytest.mark.slow
def test_a_node_is_filled_before_the_next_is_taken(tmp_path: Path) -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("RAY_", "HUNMIN_"))}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        cwd=ROOT,
        env=kept | {"PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "token"},
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["gpus"] == [[2, 2, 2], None, None]
    assert told["actors on GPUs"] == [2]
    assert told["more than a node has"] == [1, 2]
    assert told["actors of two GPUs"] == [1, 1, 1]
    assert told["actors on CPUs"] == [1, 1, 1]
    assert len(set(told["two"])) == 1
    assert len(set(told["cpus"])) == 2, "on CPUs ranks are apart"
    first, second, third, fourth = told["four"]
    assert (first == second, third == fourth, first != third) == (True, True, True), "ranks follow the nodes"
