"""The table of GPU checks: nothing pretends to pass, and a crash is one line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from data_pipeline.errors import GateError
from data_pipeline.outcome import Outcome
from launcher.cluster import local_ray
from launcher.gpu_check import MeasureFailed, measure, outcome_of, run, table

ROOT = Path(__file__).resolve().parents[2]


def test_without_a_gpu_nothing_passes() -> None:
    command = [sys.executable, "-m", "launcher.gpu_check", "--json"]
    hidden = {"CUDA_VISIBLE_DEVICES": "", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=ROOT, env=hidden, capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stderr
    found = json.loads(done.stdout)
    assert found["checks"] == []
    assert "no GPU" in found["error"]


def test_a_crash_is_a_fail_with_its_reason(tmp_path: Path) -> None:
    def check() -> Outcome:
        measure(["-m", "eval.gpu_measure", "hf", str(tmp_path / "absent")])
        raise AssertionError("it must not get here")

    outcome = outcome_of("vllm", check)
    assert (outcome.name, outcome.state) == ("vllm", "FAIL")
    assert outcome.reason.startswith("eval.gpu_measure hf ended with 1: ")
    assert "Error" in outcome.reason


def test_a_silent_measurement_is_no_result() -> None:
    with pytest.raises(MeasureFailed, match=r"trainer\.gpu_measure printed no result"):
        measure(["-c", "print('no object')", "trainer.gpu_measure"])


def test_a_hidden_gpu_is_hidden_and_the_last_object_counts() -> None:
    code = "import os; print('{}'); print(os.environ['CUDA_VISIBLE_DEVICES'] or 'none')"
    assert run(["-c", code, "trainer.gpu_measure"], CUDA_VISIBLE_DEVICES="") == "{}\nnone\n"
    assert measure(["-c", "print('{\"a\": 1}'); print('{\"a\": 2}')", "trainer.gpu_measure"]) == {"a": 2}


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
