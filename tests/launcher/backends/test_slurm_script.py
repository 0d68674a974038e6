"""The job script and what is refused before SLURM is asked; no SLURM needed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import hunmin
from golden_files import check_golden

from hunmin.errors import GateError, InputError
from launcher.backends.slurm import in_words
from launcher.cluster.slurm_commands import outside_a_job
from launcher.cluster.slurm_script import render_script, resources_for
from launcher.cluster.snapshot import ROOT, write_snapshot
from launcher.config import ClusterConfig
from launcher.slurm_config import SlurmConfig, seconds_of

GOLDEN = Path(__file__).parent / "golden"
QUICK = ROOT / "configs" / "quickstart.yaml"
FULL = {
    "gpu_type": "h100",
    "gpus_per_node": 8,
    "time": "1-12",
    "partition": "gpu",
    "account": "lab",
    "qos": "long",
    "constraint": "ib&nvme",
    "nodelist": "n[1-2]",
    "exclude": "n7",
    "signal_s": 600,
    "directives": ["--comment='밤 작업'"],
    "modules": ["cuda/13.0"],
    "env": {"NCCL_DEBUG": "WARN", "TMPDIR": "/local scratch"},
    "setup": ["ulimit -n 65536"],
    "srun_flags": ["--cpu-bind=none", "--label"],
}


def completed(cluster: dict[str, Any], node_gpus: int | None = None, **asked: Any) -> SlurmConfig:
    return resources_for(ClusterConfig.model_validate(cluster), asked, node_gpus=node_gpus)


@pytest.mark.parametrize(
    ("name", "cluster", "asked", "run_dir"),
    [
        ("full.sbatch", {"num_workers": 32, "gpus_per_worker": 1, "slurm": FULL}, {"nodes": 4}, "내 실행"),
        ("least.sbatch", {"slurm": {"max_requeues": 0}}, {}, "small"),
    ],
)
def test_the_job_script_is_the_golden_one(
    name: str, cluster: dict[str, Any], asked: dict[str, Any], run_dir: str
) -> None:
    slurm = completed(cluster, 8, **asked)
    folder = Path("/shared/runs") / run_dir
    script = render_script(slurm, name="demo", run_dir=folder, python="/shared/venv/bin/python")
    check_golden(GOLDEN / name, script)
    checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_resources_follow_from_the_config_where_they_are_not_given() -> None:
    cluster = {"num_cpus": 8, "num_workers": 6, "gpus_per_worker": 1}
    found = completed(cluster, nodes=4, cpus_per_node=None, gpus_per_node=None)
    assert (found.nodes, found.cpus_per_node, found.gpus_per_node) == (4, 8, 2)
    with pytest.raises(GateError, match="6 ranks need 6 GPUs, 4 node\\(s\\) with 1 have 4; raise --nodes"):
        completed(cluster, nodes=4, gpus_per_node=1)


def test_the_command_line_stands_over_the_config() -> None:
    found = completed({"slurm": {"partition": "gpu", "account": "lab"}}, partition="debug", account=None)
    assert (found.partition, found.account) == ("debug", "lab")


@pytest.mark.parametrize(
    ("node_gpus", "slurm", "whole", "mem"),
    [
        (8, {}, True, "0"),  # all GPUs of a host: all of the host
        (4, {}, False, None),
        (None, {}, False, None),  # SLURM could not be asked
        (8, {"exclusive": False}, False, None),
        (8, {"mem": "480G"}, True, "480G"),
        (4, {"exclusive": True}, True, "0"),
    ],
)
def test_whole_hosts_where_all_their_gpus_are_asked_for(
    node_gpus: int | None, slurm: dict[str, Any], whole: bool, mem: str | None
) -> None:
    found = completed({"num_workers": 8, "gpus_per_worker": 1, "slurm": slurm}, node_gpus)
    assert (found.exclusive, found.mem) == (whole, mem)


@pytest.mark.parametrize("value", ["1:00\n#SBATCH --nodes=9", "a b", "", 'a"b'])
def test_a_value_cannot_add_lines_to_the_script(value: str) -> None:
    with pytest.raises(InputError, match="--partition"):
        completed({}, partition=value)


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("90", 5400),
        ("1:30", 90),
        ("2:00:00", 7200),
        ("2-12", 216_000),
        ("1-0:30", 88_200),
        ("1-0:0:5", 86_405),
        ("tomorrow", None),
        ("1:2:3:4", None),
    ],
)
def test_times_are_read_as_sbatch_reads_them(time: str, seconds: int | None) -> None:
    assert seconds_of(time) == seconds


def test_a_time_that_is_no_time_or_leaves_none_to_save_is_refused() -> None:
    with pytest.raises(InputError, match="--time 'tomorrow'"):
        completed({}, time="tomorrow")
    with pytest.raises(InputError, match="--time 5:00: a run saves 300 s before its limit"):
        completed({}, time="5:00")


def test_within_a_job_nothing_of_it_is_asked_of_the_next() -> None:
    job = {
        "SLURM_JOB_ID": "7",
        "SLURM_MEM_PER_CPU": "9",
        "SBATCH_EXCLUSIVE": "1",
        "SLURM_CONF": "c",
        "A": "b",
    }
    assert outside_a_job(job) == {"SLURM_CONF": "c", "A": "b"}
    login = {"SBATCH_ACCOUNT": "lab", "SLURM_CONF": "c"}  # what a user set for all submissions
    assert outside_a_job(login) == login


@pytest.mark.parametrize("name", ["run%j", 'a"b', "a\\b", "a\nb"])
def test_a_run_folder_that_sbatch_would_misread_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="--run"):
        render_script(completed({}), name="demo", run_dir=Path("/shared") / name, python="python")


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
        completed({}, nodes=2), name="quickstart", run_dir=run, python=sys.executable
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


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("Resources", "no hosts are free for it (Resources)"),
        ("QOSMaxJobsPerUserLimit", "a limit of its quality of service is reached (QOSMaxJobsPerUserLimit)"),
        ("PartitionConfig", "no host of its partition can ever give what it asks for; cancel it"),
        (
            "ReqNodeNotAvail, UnavailableNodes:n1",
            "hosts that it names are down, drained or reserved (ReqNode",
        ),
        ("SomethingNew", "SomethingNew"),
    ],
)
def test_why_a_job_waits_is_told_in_words(reason: str, told: str) -> None:
    assert in_words(reason).startswith(told)
