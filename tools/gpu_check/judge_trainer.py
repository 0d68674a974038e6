"""What measure_trainer.py found, against what must be: pure functions, the bounds named.

bf16 keeps 8 bits of a number (a step of 0.4 %), so what is computed in it is compared at a few steps.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

MIN_CAPABILITY = (8, 0)  # bf16 and flash-attn need an Ampere
MAX_BF16_LOSS_DIFFERENCE = 0.02  # of the fp32 loss, in any of the first steps
MAX_WORLD_LOSS_DIFFERENCE = 0.01  # of the 1-GPU loss
MAX_LOGIT_DIFFERENCE = {"bfloat16": 0.03, "float32": 1e-4}  # of the largest logit
MIN_CONTROL = 10  # times that bound: what removed boundaries must do
FLASH = "flash_attention_2"  # as transformers names it
MEMORY_RATIO = (0.6, 1.15)  # measured over estimated
SLICE_SLACK = 0.001  # padding of slices


@dataclass(frozen=True)
class Outcome:
    """A check's line of the table.

    `measured` and `bound` say the figure and what it must be, with units; `reason` says why, in words.
    """

    name: str
    state: Literal["pass", "FAIL", "skip"]
    measured: str = ""
    bound: str = ""
    reason: str = ""


def machine(found: dict[str, Any], *, driver: str) -> Outcome:
    """The GPUs are there and new enough."""
    gpus = [
        f"{gpu['name']} {gpu['bytes'] / 2**30:.0f} GiB sm_{gpu['capability'][0]}{gpu['capability'][1]}"
        for gpu in found["gpus"]
    ]
    old = [gpu for gpu in found["gpus"] if tuple(gpu["capability"]) < MIN_CAPABILITY]
    return Outcome(
        "machine",
        "FAIL" if old else "pass",
        measured="; ".join(gpus),
        bound="capability at least 8.0",
        reason=f"driver {driver}, torch {found['torch']}, CUDA {found['cuda']}, NCCL {found['nccl']}",
    )


def nccl(found: dict[str, Any]) -> Outcome:
    """The sum is exact."""
    summed = "exact" if found["exact"] else "wrong"
    return Outcome(
        "nccl",
        "pass" if found["exact"] else "FAIL",
        measured=f"{found['bytes_per_s'] / 1e9:.1f} GB/s bus bandwidth, sum {summed}",
        bound="sum exact",
        reason=f"all-reduce over {found['world_size']} GPU" + ("s" if found["world_size"] > 1 else ""),
    )


def bf16(found: dict[str, Any], *, reference: dict[str, Any]) -> Outcome:
    """bf16 weights with fp32 masters train as fp32 does; the masters hold what bf16 could not."""
    worst = worst_difference(found["losses"], reference["losses"])
    wrong = told(
        (found["dtype"] != "bfloat16", f"the forward computed in {found['dtype']}"),
        (found["master_dtypes"] != ["float32"], f"masters are {', '.join(found['master_dtypes'])}"),
        (not found["finer_than_bf16"], "masters hold only bf16 values"),
        (
            found["buffer_dtypes"] != ["float32"],
            f"rotary frequencies are {', '.join(found['buffer_dtypes'])}",
        ),
        (not worst <= MAX_BF16_LOSS_DIFFERENCE, "losses differ"),
        (not found["losses"][-1] < found["losses"][0], "the loss does not fall"),
    )
    return Outcome(
        "bf16",
        "FAIL" if wrong else "pass",
        measured=f"loss differs by {worst:.2%}",
        bound=f"{MAX_BF16_LOSS_DIFFERENCE:.0%}, masters fp32",
        reason="; ".join(wrong) or f"{len(found['losses'])} ZeRO-3 steps against fp32 on the CPU",
    )


def packing(found: dict[str, Any]) -> Outcome:
    """A pack equals its segments alone and nothing leaks; without boundaries both would be seen."""
    bound = MAX_LOGIT_DIFFERENCE[found["dtype"]]
    wrong = told(
        (not found["difference"] <= bound, "packed is not as alone"),
        (found["leak"] != 0, f"a segment sees its neighbour ({found['leak']:.1e})"),
        (
            not found["difference_without_boundaries"] >= MIN_CONTROL * bound
            or not found["leak_without_boundaries"] > 0,
            "a leak would not be seen: the control without boundaries differs too little",
        ),
    )
    return Outcome(
        "packing",
        "FAIL" if wrong else "pass",
        measured=f"{found['difference']:.1e} of the largest logit, leak {found['leak']:.1e}",
        bound=f"{bound:.0e}, leak 0",
        reason=f"{found['attention']}, {found['dtype']}: "
        + (
            "; ".join(wrong)
            or f"{found['segments']} segments; "
            f"without boundaries {found['difference_without_boundaries']:.1e}"
        ),
    )


def flash(found: dict[str, Any]) -> Outcome:
    """The same of flash-attn's kernel; where the model was built with another, nothing is said of it."""
    if found["attention"] == FLASH:
        return replace(packing(found), name="flash")
    return Outcome(
        "flash",
        "skip",
        reason=f"the model was built with {found['attention']}: flash-attn is not installed here, or does "
        "not run on this GPU",
    )


def zero3(many: dict[str, Any], *, one: dict[str, Any]) -> Outcome:
    """Several GPUs train as one does, and each holds its share."""
    worst = worst_difference(many["losses"], one["losses"])
    share = many["held"]["parameters"] / one["held"]["parameters"]
    wanted = 1 / many["world_size"]
    wrong = told(
        (not worst <= MAX_WORLD_LOSS_DIFFERENCE, "losses differ"),
        (not share <= wanted * (1 + SLICE_SLACK), "a rank holds more than its share"),
    )
    return Outcome(
        "zero3",
        "FAIL" if wrong else "pass",
        measured=f"loss differs by {worst:.2%}, a rank holds {share:.4f} of the parameters",
        bound=f"{MAX_WORLD_LOSS_DIFFERENCE:.0%}, {wanted:.4f}",
        reason="; ".join(wrong) or f"{many['world_size']} GPUs against one",
    )


def memory(found: dict[str, Any]) -> Outcome:
    """The estimate is near the peak."""
    ratio = found["peak"] / found["estimate"]["peak"]
    low, high = MEMORY_RATIO
    return Outcome(
        "memory",
        "pass" if low <= ratio <= high else "FAIL",
        measured=f"{found['peak'] / 2**30:.2f} GiB, {ratio:.2f} of the estimate",
        bound=f"{low} to {high}",
        reason=f"peak allocated in training steps; estimated {found['estimate']['peak'] / 2**30:.2f} GiB",
    )


def worst_difference(found: list[float], wanted: list[float]) -> float:
    """The largest relative difference; not finite where a value is not."""
    differences = [abs(a / b - 1) for a, b in zip(found, wanted, strict=True)]
    return max(differences) if all(map(math.isfinite, differences)) else math.inf


def told(*checks: tuple[bool, str]) -> list[str]:
    """What is wrong: the words of the checks that are true."""
    return [text for is_wrong, text in checks if is_wrong]
