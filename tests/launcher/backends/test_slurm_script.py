"""The job script and what is refused before SLURM is asked; no SLURM needed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import hunmin
from golden_files import check_golden

from hunmin.errors import GateError, InputError
from launcher.cluster.slurm_script import Resources, render_script, resources_for
from launcher.cluster.snapshot import ROOT, write_snapshot
from launcher.config import ClusterConfig

GOLDEN = Path(__file__).parent / "golden"
QUICK = ROOT / "configs" / "quickstart.yaml"
FULL = Resources(4, 16, 8, time="2:00:00", partition="gpu", account="lab")
LEAST = Resources(1, 2, 0)


@pytest.mark.parametrize(
    ("name", "resources", "run_dir"),
    [
        ("full.sbatch", FULL, "/shared/runs/내 실행"),
        ("least.sbatch", LEAST, "/shared/runs/small"),
    ],
)
def test_the_job_script_is_the_golden_one(name: str, resources: Resources, run_dir: str) -> None:
    script = render_script(resources, name="demo", run_dir=Path(run_dir), python="/shared/venv/bin/python")
    check_golden(GOLDEN / name, script)
    checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_resources_follow_from_the_config_where_they_are_not_given() -> None:
    cluster = ClusterConfig(num_cpus=8, num_workers=6, gpus_per_worker=1)
    found = resources_for(cluster, nodes=4, cpus_per_node=None, gpus_per_node=None)
    assert found == Resources(nodes=4, cpus_per_node=8, gpus_per_node=2)
    with pytest.raises(GateError, match="6 ranks need 6 GPUs, 4 node\\(s\\) with 1 have 4; raise --nodes"):
        resources_for(cluster, nodes=4, cpus_per_node=None, gpus_per_node=1)


@pytest.mark.parametrize("value", ["1:00\n#SBATCH --nodes=9", "a b", ""])
def test_a_value_cannot_add_lines_to_the_script(value: str) -> None:
    with pytest.raises(InputError, match="--partition"):
        resources_for(ClusterConfig(), nodes=1, cpus_per_node=1, gpus_per_node=0, partition=value)


@pytest.mark.parametrize("name", ["run%j", 'a"b', "a\\b", "a\nb"])
def test_a_run_folder_that_sbatch_would_misread_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="--run"):
        render_script(LEAST, name="demo", run_dir=Path("/shared") / name, python="python")


def test_the_snapshot_is_code_alone_and_runs(tmp_path: Path) -> None:
    size = write_snapshot(tmp_path / "code")
    assert size < 5e6
    assert write_snapshot(tmp_path / "code") == size  # again, in place of the first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["code"]
    assert not list((tmp_path / "code").rglob("__pycache__"))
    command = [sys.executable, "-c", "import launcher.cli, trainer, eval; print(launcher.__path__[0])"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "code"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd="/", env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == str(tmp_path / "code" / "launcher")


def submit(*args: object, **env: str) -> subprocess.CompletedProcess[str]:
    return hunmin("submit", *args, env=env, timeout_s=120)


def test_dry_run_prints_the_script_and_touches_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = submit(QUICK, "--to", "slurm", "--nodes", 2, "--run", run, "--dry-run", PATH="/nowhere")
    assert done.returncode == 0, done.stderr
    assert done.stdout == render_script(
        Resources(2, 2, 0), name="quickstart", run_dir=run, python=sys.executable
    )
    assert not run.exists()


def test_without_sbatch_one_message_and_no_folder(tmp_path: Path) -> None:
    done = submit(QUICK, "--to", "slurm", "--run", tmp_path / "run", PATH="/nowhere")
    assert done.returncode == 4
    assert "sbatch is not on PATH" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("to", ["slurm", "ray"])
def test_wrong_input_is_found_before_anything_is_submitted(to: str, tmp_path: Path) -> None:
    done = submit(QUICK, "data.sources.0.path=no.tsv", "--to", to, "--run", tmp_path / "run")
    assert done.returncode == 2
    assert "no.tsv" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("to", "options", "named"),
    [
        ("ray", ("--dry-run",), "--dry-run: only for --to slurm"),
        ("ray", ("--nodes", "1", "--time", "1:00"), "--nodes, --time: only for --to slurm"),
        ("slurm", ("--address", "http://127.0.0.1:9"), "--address: only for --to ray"),
    ],
)
def test_an_option_of_the_other_target_is_refused(
    to: str, options: tuple[str, ...], named: str, tmp_path: Path
) -> None:
    done = submit(QUICK, "--to", to, *options, "--run", tmp_path / "run", PATH="/nowhere")
    assert done.returncode == 2
    assert named in done.stderr
    assert not (tmp_path / "run").exists()
