"""Lines of the table from figures made up by hand: each bound is kept and broken once."""

from dataclasses import replace
from typing import Any

import pytest

from tools.gpu_check.figures.measurements import TINY, Measurement, measurements
from tools.gpu_check.figures.verdicts import outcome

ALL = {one.name: one for one in measurements(TINY)}
RANKS = {"world_size": 1, "device": "cuda", "dtype": "bfloat16", "done": True}
GRADIENT = {**RANKS, "error": 2e-3, "plain_error": 1e-3}
PACKED = {**RANKS, "segments": 3, "difference": 0.0, "leak": 0.0, "leak_without_boundary": 2.0}
RESUME = {
    **RANKS,
    "save_s": 2.0,
    "save_wait_s": 1.0,
    "resume_s": 3.0,
    "never_stopped": [1.0, 2.0],
    "resumed": [1.0, 2.0],
}
SPEED = {
    **RANKS,
    "attention": "flash_attention_2",
    "losses": [10.0, 9.0],
    "norms": [2.0, 1.0],
    "peak": 2**30,
    "estimated_peak": 2**30,
    "tokens_per_s": 12_000.0,
    "flops_per_s": 4e14,
    "mfu": 0.4,
}
SWITCH = "switches: zero.offload_param=true"


def line(name: str, found: dict[str, Any], beside: dict[str, Any] | None = None) -> tuple[str, str]:
    judged = outcome(ALL[name], found, beside=beside)
    return judged.state, judged.reason


@pytest.mark.parametrize(
    ("name", "good", "bad", "said"),
    [
        ("gradient bf16", GRADIENT, {"error": 2.01e-3}, ""),
        ("gradient bf16", GRADIENT, {"error": float("nan")}, ""),
        ("packed = alone", PACKED, {"difference": 0.031}, "a pack's losses are not those of its rows"),
        ("packed = alone", PACKED, {"leak": 0.04}, "rows see each other"),
        ("packed = alone", PACKED, {"leak_without_boundary": 0.0}, "the control shows nothing"),
        ("resume", RESUME, {"resumed": [1.0, 2.0000001]}, ""),
        ("full 1B", {**SPEED, **RESUME}, {"resumed": [1.0, 3.0]}, "resumed losses differ"),
        ("full 1B", SPEED, {"peak": 0.84 * 2**30}, "the peak is 0.84 of the estimate"),
        ("full 1B", SPEED, {"peak": 1.16 * 2**30}, "the peak is 1.16 of the estimate"),
        ("full 1B", SPEED, {"losses": [10.0, float("nan")]}, "a loss is not finite"),
    ],
)
def test_a_bound_is_kept_and_broken(name: str, good: dict[str, Any], bad: dict[str, Any], said: str) -> None:
    assert line(name, good)[0] == "pass"
    state, reason = line(name, good | bad)
    assert state == "FAIL"
    assert said in reason


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"losses": [10.06, 9.0]}, "losses differ from switches: defaults by 6.0e-03"),
        ({"losses": [10.0, 9.06]}, "losses differ from switches: defaults by 6.7e-03"),
        ({"norms": [2.1, 1.0]}, "the gradient's norm differs by 5.0e-02"),
    ],
)
def test_a_switch_that_changes_what_is_learned_fails(found: dict[str, Any], said: str) -> None:
    assert line(SWITCH, SPEED, SPEED)[0] == "pass"
    state, reason = line(SWITCH, SPEED | found, SPEED)
    assert state == "FAIL"
    assert said in reason


def test_fp32_is_held_to_fp32s_bound() -> None:
    exact = SPEED | {"dtype": "float32"}
    off = exact | {"losses": [10.002, 9.0]}
    assert line(SWITCH, off, exact)[0] == "FAIL"
    assert line(SWITCH, off | {"dtype": "bfloat16"}, exact)[0] == "pass"


def test_adapters_begin_with_the_same_loss_and_go_elsewhere() -> None:
    elsewhere = SPEED | {"losses": [10.0, 5.0], "norms": [0.1, 0.1]}
    assert line("switches: lora", elsewhere, SPEED)[0] == "pass"
    assert line("switches: lora", elsewhere | {"losses": [11.0, 9.0]}, SPEED)[0] == "FAIL"


def test_a_loop_beside_is_told_by_its_ratio_and_its_failure_is_not_ours() -> None:
    assert line("plain full 1B", SPEED | {"tokens_per_s": 6_000.0}, SPEED)[1].startswith("0.50 times full 1B")
    assert line("plain full 1B", {**RANKS, "failed": "OutOfMemoryError"}) == ("skip", "OutOfMemoryError")
    assert line("full 1B", {**RANKS, "failed": "OutOfMemoryError"}) == ("FAIL", "OutOfMemoryError")


def test_a_cpus_peak_is_not_judged() -> None:
    assert line("full 1B", SPEED | {"device": "cpu", "peak": 9 * 2**30})[0] == "pass"


def test_what_was_cut_is_no_pass_and_keeps_its_figures() -> None:
    cut = {key: value for key, value in SPEED.items() if key != "done"} | {"cut": "cut, no time"}
    judged = outcome(ALL["full 1B"], cut)
    assert (judged.state, judged.reason) == ("skip", "cut, no time")
    assert judged.measured.startswith("12,000 tokens/s/rank, 400 TFLOP/s, MFU 40.0%, peak 1.00 GiB")


def test_what_the_trainer_refuses_was_not_run() -> None:
    refused = RANKS | {"refused": "train.kernels: liger is not installed"}
    assert line(SWITCH, refused) == ("skip", "not run: train.kernels: liger is not installed")
    assert line("switches: defaults", refused)[0] == line("full 1B", refused)[0] == "FAIL"


def test_published_figures_stand_beside_ours() -> None:
    real: Measurement = replace(ALL["LoRA 8B"], published=12_473.0)
    assert outcome(real, SPEED).bound == "12,473 published by others"
    assert outcome(ALL["LoRA 8B"], SPEED).bound == ""
