"""Speed and memory of our trainer: tokens/s, FLOPs, peak against the estimate, saving and resuming."""

import time
from collections.abc import Callable
from typing import Any

from tools.gpu_check.figures import exact, ours
from tools.gpu_check.figures.ours import Setting
from tools.gpu_check.figures.rank import Emit, Given
from trainer import loop
from trainer.batches.packs import PackFolder
from trainer.engine.ranks import Rank
from trainer.engine.steps import StepPacks
from trainer.engine.zero3 import Zero3
from trainer.plan.flops import peak_flops

NUM_WARM_UP = 2  # steps before those that are timed: kernels are chosen and memory is taken
TIMED_SHARE = 0.5  # of the time that a measurement may take, after which no further step begins


def speed(given: Given, setting: Setting, me: Rank, emit: Emit) -> Zero3:
    """Steps of our trainer."""
    engine = ours.engine_of(setting, me)
    emit({"attention": engine.attention})
    ours.forget_peak(me)
    time_steps(given, setting, me, emit, lambda work: ours.update(engine, work, setting, me))
    work = ours.step_packs(setting, PackFolder(setting.packs), 0, me)
    emit({"estimated_peak": ours.estimated_peak(setting, work, me, seq_len=given.measurement.seq_len)})
    return engine


def speed_and_resume(given: Given, setting: Setting, me: Rank, emit: Emit) -> None:
    """The same, and a checkpoint of the model: written, resumed from, and gone on from to the bit."""
    engine = speed(given, setting, me, emit)
    emit(exact.resumed_losses(given, setting, me, engine, first=NUM_WARM_UP + given.measurement.num_steps))


def time_steps(
    given: Given,
    setting: Setting,
    me: Rank,
    emit: Emit,
    update: Callable[[StepPacks], tuple[float, float]],
) -> None:
    """Make the first steps, then time those that follow until they are done, or half of the time is used.

    After each step the figures so far are emitted. `update` makes a step: its loss, the gradient's norm.
    """
    packs, flops_of = PackFolder(setting.packs), ours.flops_counter(setting)
    stop_at = time.time() + TIMED_SHARE * (given.until - time.time())
    losses, norms = [], []
    seconds, tokens, flops = 0.0, 0, 0.0
    for step in range(NUM_WARM_UP + given.measurement.num_steps):
        work = ours.step_packs(setting, packs, step, me)
        start = ours.now(me)
        loss, norm = update(work)
        took = ours.now(me) - start
        losses.append(loss)
        norms.append(norm)
        peak, is_late = me.gather([loop.peak_memory_bytes(me), time.time() > stop_at]).max(0)
        found: dict[str, Any] = {"losses": losses, "norms": norms, "peak": int(peak)}
        if step >= NUM_WARM_UP:
            seconds, tokens = seconds + took, tokens + work.num_tokens
            flops += flops_of(work)
            found |= _rates(me, seconds=seconds, tokens=tokens, flops=flops, steps=step + 1 - NUM_WARM_UP)
        emit(found)
        if is_late and step > NUM_WARM_UP:
            break


def _rates(me: Rank, *, seconds: float, tokens: int, flops: float, steps: int) -> dict[str, Any]:
    """Of each GPU. mfu: FLOPs of the mathematics over what the makers promise; None where that is unknown."""
    peak = peak_flops(me.device)
    per_s = flops / seconds / me.world_size
    return {
        "timed_steps": steps,
        "tokens_per_s": tokens / seconds / me.world_size,
        "flops_per_s": per_s,
        "mfu": None if peak is None else per_s / peak,
    }
