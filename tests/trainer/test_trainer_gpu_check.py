"""What a CPU can tell of the paths for GPUs: which attention, where DeepSpeed looks, bf16, and the judges."""

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rank_helpers import run_ranks

from tools.gpu_check import judge_trainer, measure_trainer
from trainer.engine import ranks
from trainer.engine.zero3 import _local_rank_is
from trainer.model import attention

CUDA = torch.device("cuda", 0)


def test_deepspeed_is_told_the_gpu_that_the_rank_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "3")  # of its host, where each rank sees one GPU only
    with _local_rank_is(CUDA):
        assert os.environ["LOCAL_RANK"] == "0"
    with _local_rank_is(torch.device("cpu")):
        assert os.environ["LOCAL_RANK"] == "3"
    assert os.environ["LOCAL_RANK"] == "3"


def measured_on_cpu(root: Path) -> dict[str, dict[str, Any]]:
    from tools.gpu_check.check_job import make_job

    sizes = {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "vocab_size": 512}
    with ranks.join_ranks(timeout_s=60) as me:
        found: dict[str, Any] = {"nccl": measure_trainer.nccl(me, num_bytes=2**16, rounds=2)}
        found["strict"] = {
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "warn_only": torch.is_deterministic_algorithms_warn_only_enabled(),
            "environment": {name: os.environ[name] for name in ranks.DETERMINISTIC},
        }
        if me.is_first:
            make_job(root, sizes=sizes, seq_len=64, global_batch_size=2)
        me.barrier()
        job = make_job(root, sizes=sizes, seq_len=64, global_batch_size=2)
        found["packing"] = measure_trainer.packing(me, job)
        found["fp32"] = measure_trainer.steps(me, job)
        ranks.Rank.dtype = property(lambda self: torch.bfloat16)  # type: ignore[method-assign]  # as on a GPU
        bf16_job = replace(job, out_dir=root / "bf16")
        found["bf16"] = measure_trainer.steps(me, bf16_job)
        return found


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    (found,) = run_ranks(measured_on_cpu, 1, tmp_path_factory.mktemp("gpu"))
    return found


def test_ranks_are_strictly_deterministic(measured: dict[str, Any]) -> None:
    assert measured["strict"] == {
        "deterministic": True,
        "warn_only": False,  # with it, SDPA's backward on a GPU is not deterministic
        "environment": ranks.DETERMINISTIC,
    }


def test_bf16_weights_with_fp32_masters_train_as_fp32(measured: dict[str, Any]) -> None:
    outcome = judge_trainer.bf16(measured["bf16"], reference=measured["fp32"])
    assert outcome.state == "pass", outcome
    assert measured["bf16"]["held"]["parameters"] * 2 == measured["fp32"]["held"]["parameters"]
    for part in ("masters", "gradients", "moments"):
        assert measured["bf16"]["held"][part] == measured["fp32"]["held"][part], f"{part} are fp32"


def test_the_checks_pass_on_a_cpu_too(measured: dict[str, Any]) -> None:
    assert judge_trainer.nccl(measured["nccl"]).state == "pass"
    assert judge_trainer.packing(measured["packing"]).state == "pass"
    assert measured["packing"]["attention"] == attention.SEGMENTED
    outcome = judge_trainer.flash(measured["packing"])
    assert outcome.state == "skip"
    assert attention.SEGMENTED in outcome.reason


STEPS: dict[str, Any] = {
    "world_size": 1,
    "dtype": "bfloat16",
    "losses": [5.0, 4.0],
    "master_dtypes": ["float32"],
    "finer_than_bf16": True,
    "buffer_dtypes": ["float32"],
    "held": {"parameters": 1000},
}
PACKING: dict[str, Any] = {
    "attention": "flash_attention_2",
    "dtype": "bfloat16",
    "segments": 4,
    "difference": 0.01,
    "difference_without_boundaries": 1.0,
    "leak": 0.0,
    "leak_without_boundaries": 0.9,
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"losses": [5.0, 4.2]}, "losses differ"),
        ({"losses": [5.0, float("nan")]}, "losses differ"),
        ({"dtype": "float32"}, "computed in float32"),
        ({"master_dtypes": ["bfloat16"]}, "masters are bfloat16"),
        ({"finer_than_bf16": False}, "only bf16 values"),
        ({"buffer_dtypes": ["bfloat16"]}, "frequencies are bfloat16"),
    ],
)
def test_bf16_fails(changes: dict[str, Any], said: str) -> None:
    assert judge_trainer.bf16(STEPS, reference=STEPS).state == "pass"
    outcome = judge_trainer.bf16({**STEPS, **changes}, reference=STEPS)
    assert outcome.state == "FAIL"
    assert said in outcome.reason


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"difference": 0.1}, "not as alone"),
        ({"difference": float("nan")}, "not as alone"),
        ({"leak": 1e-6}, "sees its neighbour"),
        ({"difference_without_boundaries": 0.02}, "would not be seen"),
        ({"leak_without_boundaries": 0.0}, "would not be seen"),
    ],
)
def test_packing_fails(changes: dict[str, Any], said: str) -> None:
    assert judge_trainer.packing(PACKING).state == "pass"
    outcome = judge_trainer.packing({**PACKING, **changes})
    assert outcome.state == "FAIL"
    assert said in outcome.reason


def test_flash_attention_is_judged_only_where_the_model_was_built_with_it() -> None:
    outcome = judge_trainer.flash(PACKING)
    assert (outcome.name, outcome.state) == ("flash", "pass")
    assert judge_trainer.flash({**PACKING, "leak": 1e-6}).state == "FAIL"
    other = {**PACKING, "attention": attention.SEGMENTED, "leak": 1e-6}
    assert judge_trainer.flash(other).state == "skip"
    assert attention.SEGMENTED in judge_trainer.packing(other).reason


def test_the_peak_is_of_the_steps_and_not_of_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def stop(*args: Any) -> None:
        raise StopIteration

    monkeypatch.setattr(measure_trainer.loop, "set_up", lambda job, me: (order.append("set up"), None))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: order.append(f"reset {device}"))
    monkeypatch.setattr(measure_trainer, "PackFolder", stop)
    job: Any = SimpleNamespace(data_dir=Path("data"))
    me: Any = SimpleNamespace(device=CUDA)
    with pytest.raises(StopIteration):
        measure_trainer.steps(me, job)
    assert order == ["set up", "reset cuda:0"]


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "pass"),
        ({"losses": [5.0, 4.1]}, "FAIL"),
        ({"held": {"parameters": 1000}}, "FAIL"),  # each rank holds all
    ],
)
def test_several_gpus_hold_their_share(changes: dict[str, Any], state: str) -> None:
    two = {**STEPS, "world_size": 2, "held": {"parameters": 500}, **changes}
    assert judge_trainer.zero3(two, one=STEPS).state == state


@pytest.mark.parametrize(("peak", "state"), [(500, "FAIL"), (600, "pass"), (1100, "pass"), (1200, "FAIL")])
def test_memory_is_near_the_estimate(peak: int, state: str) -> None:
    assert judge_trainer.memory({"peak": peak, "estimate": {"peak": 1000}}).state == state


def test_old_gpus_and_wrong_sums_fail() -> None:
    gpu = {"name": "G", "bytes": 2**30, "capability": [9, 0]}
    found = {"torch": "2", "cuda": "13", "nccl": "2", "gpus": [gpu]}
    assert judge_trainer.machine(found, driver="1").state == "pass"
    old = {**found, "gpus": [gpu, {**gpu, "capability": [7, 0]}]}
    assert judge_trainer.machine(old, driver="1").state == "FAIL"
    assert judge_trainer.nccl({"world_size": 2, "exact": False, "bytes_per_s": 1.0}).state == "FAIL"
