"""The table of GPU checks: nothing pretends to pass, and a crash is one line."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from hunmin.errors import GateError
from launcher.cluster.ray_cluster import local_ray
from tools.gpu_check import check
from tools.gpu_check.check import MeasureFailed, measure, outcome_of, run, table
from tools.gpu_check.judge_trainer import Outcome

ROOT = Path(__file__).resolve().parents[2]


def test_without_a_gpu_nothing_passes() -> None:
    command = [sys.executable, "-m", "tools.gpu_check", "--json"]
    hidden = {"CUDA_VISIBLE_DEVICES": "", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=ROOT, env=hidden, capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stderr
    found = json.loads(done.stdout)
    assert found["checks"] == []
    assert "no GPU" in found["error"]


def test_a_crash_is_a_fail_with_its_reason(tmp_path: Path) -> None:
    def check() -> Outcome:
        measure(["-m", "tools.gpu_check.measure_vllm", "hf", str(tmp_path / "absent")])
        raise AssertionError("it must not get here")

    outcome = outcome_of("vllm", check)
    assert (outcome.name, outcome.state) == ("vllm", "FAIL")
    assert outcome.reason.startswith("tools.gpu_check.measure_vllm hf ended with 1: ")
    assert "Error" in outcome.reason


def test_a_silent_measurement_is_no_result() -> None:
    with pytest.raises(MeasureFailed, match=r"tools\.gpu_check\.measure_trainer printed no result"):
        measure(["-c", "print('no object')", "tools.gpu_check.measure_trainer"])


def test_a_hidden_gpu_is_hidden_and_the_last_object_counts() -> None:
    code = "import os; print('{}'); print(os.environ['CUDA_VISIBLE_DEVICES'] or 'none')"
    assert run(["-c", code, "tools.gpu_check.measure_trainer"], CUDA_VISIBLE_DEVICES="") == "{}\nnone\n"
    assert measure(["-c", "print('{\"a\": 1}'); print('{\"a\": 2}')", "tools.gpu_check.measure_trainer"]) == {
        "a": 2
    }


def test_a_measurement_that_failed_is_remembered_and_the_table_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`steps` on one rank serves two checks; the second must not stumble over the first one's folder."""
    asked: list[str] = []

    def failing(arguments: list[str], **environment: str) -> dict[str, Any]:
        asked.append(Path(arguments[-1]).name)
        raise MeasureFailed("out of memory")

    monkeypatch.setattr(check, "measure", failing)
    gpu = {"name": "G", "bytes": 2**30, "capability": [9, 0]}
    found = {"torch": "2", "cuda": "13", "nccl": "2", "gpus": [gpu, gpu]}
    outcomes = {one.name: one for one in check.checks(found, tmp_path)}
    assert set(outcomes) == {"machine", "nccl", "bf16", "packing", "flash", "zero3", "memory", "vllm"}
    for name in ("nccl", "bf16", "packing", "flash", "zero3", "memory"):
        assert (outcomes[name].state, outcomes[name].reason) == ("FAIL", "out of memory"), name
    assert sorted(asked) == sorted(set(asked)), "each once"


def test_a_measurement_that_hangs_is_ended_with_all_its_processes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One child in its group, one in a session of its own, as torchrun starts ranks."""
    monkeypatch.setattr(check, "LIMIT_S", 3.0)
    code = (
        "import subprocess, sys, time\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "both = [subprocess.Popen(sleep, start_new_session=own) for own in (False, True)]\n"
        "open(sys.argv[2], 'w').write(' '.join(str(one.pid) for one in both))\n"
        "time.sleep(600)"
    )
    pids = tmp_path / "pids"
    start = time.monotonic()
    with pytest.raises(MeasureFailed, match=r"tools\.gpu_check\.measure_trainer .* did not end in 3 s"):
        run(["-c", code, "tools.gpu_check.measure_trainer", str(pids)])
    assert time.monotonic() - start < 30
    children = [int(pid) for pid in pids.read_text().split()]
    assert len(children) == 2
    deadline = time.monotonic() + 10
    while any(map(_runs, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_runs, children))


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_gpus_that_are_not_there_are_refused_before_ray_starts() -> None:
    with pytest.raises(GateError, match="1000 GPUs are needed"), local_ray(num_cpus=1, num_gpus=1000):
        raise AssertionError("it must not start")


def test_the_table_has_a_line_a_check() -> None:
    lines = table(
        [
            Outcome("nccl", "pass", "1.0 GB/s", "sum exact", "all-reduce over 2 GPUs"),
            Outcome("zero3", "skip", reason="one GPU"),
        ]
    ).splitlines()
    assert lines == [
        "check  state  measured  bound      reason",
        "nccl   pass   1.0 GB/s  sum exact  all-reduce over 2 GPUs",
        "zero3  skip   -         -          one GPU",
    ]
