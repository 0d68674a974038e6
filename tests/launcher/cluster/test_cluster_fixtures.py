"""The clusters of the tests say why they cannot be here, and do not break."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from slurm_cluster import missing_for_slurm

HERE = Path(__file__).parents[1]


def test_root_without_the_capability_gets_a_reason() -> None:
    if os.geteuid() != 0 or not shutil.which("setpriv") or missing_for_slurm():
        pytest.skip("needs root, setpriv (util-linux), and a machine where the clusters can be")
    asked = (
        "import ray_cluster, slurm_cluster; print(slurm_cluster.missing_for_slurm(), ray_cluster.can_hide())"
    )
    without = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    done = subprocess.run(
        [*without, sys.executable, "-c", asked],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "no namespaces with a network here: unshare" in done.stdout
    assert done.stdout.endswith(" False\n")
