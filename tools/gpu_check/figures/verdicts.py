"""A measurement's figures as a line of the table: pure functions, the bounds named."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from tools.gpu_check.figures.measurements import Measurement
from tools.gpu_check.judge_trainer import MAX_LOGIT_DIFFERENCE, Outcome, told, worst_difference

Found = Mapping[str, Any]

MAX_ERROR_RATIO = 2.0  # our error against fp64, over that of a plain loop in the same precision
# Of the loss and of the gradient's norm, by the coarser precision of the two that are compared.
MAX_LOSS_DIFFERENCE = {"bfloat16": 0.005, "float32": 1e-4}
MAX_NORM_DIFFERENCE = {"bfloat16": 0.03, "float32": 1e-3}
MEMORY_RATIO = (0.85, 1.15)  # the peak over the estimate, on a GPU
SEEN_SHARE = 1 / 64  # as trainer/model/packed_model.py has it


def outcome(measurement: Measurement, found: Found, *, beside: Found | None = None) -> Outcome:
    """The line: what was cut or refused is no pass, whatever it had found."""
    name = measurement.name
    if "failed" in found:  # where the plain loop fails, it is not ours
        state = "skip" if measurement.act == "plain" else "FAIL"
        return Outcome(name, state, measured=_figures(found), reason=str(found["failed"]))
    if "refused" in found:  # the defaults must run anywhere
        state = "skip" if measurement.part == "switches" and measurement.settings else "FAIL"
        return Outcome(name, state, measured=_figures(found), reason=f"not run: {found['refused']}")
    if not found.get("done"):
        return Outcome(name, "skip", measured=_figures(found), reason=str(found.get("cut", "under way")))
    return JUDGES[measurement.act](measurement, found, beside)


def _gradient(measurement: Measurement, found: Found, beside: Found | None) -> Outcome:
    is_good = found["error"] <= MAX_ERROR_RATIO * found["plain_error"]
    return Outcome(
        measurement.name,
        "pass" if is_good else "FAIL",
        measured=f"{found['error']:.2e} from fp64; a plain loop {found['plain_error']:.2e}",
        bound=f"{MAX_ERROR_RATIO:.0f} times the plain loop's",
        reason=f"L2 norm of a step's gradient, {_ranks(found)}",
    )


def _packed(measurement: Measurement, found: Found, beside: Found | None) -> Outcome:
    bound = MAX_LOGIT_DIFFERENCE[found["dtype"]]
    control = found["leak_without_boundary"]
    wrong = told(
        (not found["difference"] <= bound, "a pack's losses are not those of its rows"),
        (not found["leak"] <= SEEN_SHARE * control, "rows see each other"),
        (not control > 0, "the control shows nothing"),
    )
    return Outcome(
        measurement.name,
        "FAIL" if wrong else "pass",
        measured=f"differ by {found['difference']:.1e}; a neighbour moves losses by {found['leak']:.1e}, "
        f"without the boundary by {control:.1e}",
        bound=f"{bound:g}; {SEEN_SHARE:.3f} of the control",
        reason="; ".join(wrong) or f"{found['segments']} rows of a pack, {_ranks(found)}",
    )


def _resume(measurement: Measurement, found: Found, beside: Found | None) -> Outcome:
    is_equal = found["resumed"] == found["never_stopped"]
    return Outcome(
        measurement.name,
        "pass" if is_equal else "FAIL",
        measured=f"losses {'equal' if is_equal else 'differ'}; {_saving(found)}",
        bound="bit-equal",
        reason=f"{len(found['resumed'])} steps after a checkpoint, {_ranks(found)}",
    )


def _speed(measurement: Measurement, found: Found, beside: Found | None) -> Outcome:
    wrong = [*_wrong_memory(found), *_wrong_losses(measurement, found, beside)]
    if "resumed" in found and found["resumed"] != found["never_stopped"]:
        wrong.append("resumed losses differ from those never stopped")
    said = [_ranks(found), f"attention {found['attention']}"]
    if beside is not None and "tokens_per_s" in beside:
        said.insert(0, f"{found['tokens_per_s'] / beside['tokens_per_s']:.2f} times {measurement.beside}")
    return Outcome(
        measurement.name,
        "FAIL" if wrong else "pass",
        measured=_figures(found),
        bound="" if measurement.published is None else f"{measurement.published:,.0f} published by others",
        reason="; ".join([*wrong, *said]),
    )


def _wrong_memory(found: Found) -> list[str]:
    """A CPU's peak is that of the process since its beginning, and is not judged."""
    if found["device"] != "cuda" or "estimated_peak" not in found:
        return []
    ratio, (low, high) = found["peak"] / found["estimated_peak"], MEMORY_RATIO
    return [] if low <= ratio <= high else [f"the peak is {ratio:.2f} of the estimate, not {low} to {high}"]


def _wrong_losses(measurement: Measurement, found: Found, beside: Found | None) -> list[str]:
    """Whether the switch changed what is computed. Adapters learn another thing: only their first loss is the
    same. A plain loop has other master weights where it has adapters, so only the first is, too.
    """
    if not all(map(math.isfinite, found["losses"])):
        return ["a loss is not finite"]
    if beside is None or not beside.get("losses"):
        return []
    coarser = "bfloat16" if "bfloat16" in (found["dtype"], beside["dtype"]) else "float32"
    only_first = "lora" in measurement.settings
    count = 1 if only_first else min(len(found["losses"]), len(beside["losses"]))
    loss = worst_difference(found["losses"][:count], beside["losses"][:count])
    wrong = []
    if not loss <= MAX_LOSS_DIFFERENCE[coarser]:
        wrong.append(f"losses differ from {measurement.beside} by {loss:.1e}")
    norm = 0.0 if only_first else worst_difference(found["norms"][:1], beside["norms"][:1])
    if not norm <= MAX_NORM_DIFFERENCE[coarser]:
        wrong.append(f"the gradient's norm differs by {norm:.1e}")
    return wrong


JUDGES: Mapping[str, Callable[[Measurement, Found, Found | None], Outcome]] = {
    "gradient": _gradient,
    "packed": _packed,
    "resume": _resume,
    "speed": _speed,
    "speed_and_resume": _speed,
    "plain": _speed,
}


def _figures(found: Found) -> str:
    """What is known of speed, memory and saving, in words; of a measurement that was cut, the part it has."""
    said = []
    if "tokens_per_s" in found:
        said.append(f"{found['tokens_per_s']:,.0f} tokens/s/rank")
        said.append(f"{found['flops_per_s'] / 1e12:.3g} TFLOP/s")
    if found.get("mfu") is not None:
        said.append(f"MFU {found['mfu']:.1%}")
    if "peak" in found:
        said.append(f"peak {found['peak'] / 2**30:.2f} GiB")
    if "estimated_peak" in found:
        said.append(f"estimated {found['estimated_peak'] / 2**30:.2f}")
    if "resume_s" in found:
        said.append(_saving(found))
    return ", ".join(said)


def _saving(found: Found) -> str:
    return (
        f"save {found['save_s']:.1f} s (training waits {found['save_wait_s']:.1f}), "
        f"resume {found['resume_s']:.1f} s"
    )


def _ranks(found: Found) -> str:
    number = found["world_size"]
    return f"{number} {found['device']} rank{'s' if number > 1 else ''}, {found['dtype']}"
