"""How fast a rank goes: seconds of a step, work and waiting told apart, the time left, FLOPs."""

import statistics
import time
from collections import deque
from pathlib import Path

from transformers import AutoConfig

from trainer.config import TrainConfig
from trainer.engine.ranks import Rank
from trainer.health.stragglers import busy_seconds
from trainer.plan.flops import peak_flops, step_flops

RECENT = 20  # steps whose mean tells the time left


class StepTimes:
    """Times the steps of a run; `peak_flops` is what all ranks' GPUs can do in a second, None on a CPU."""

    def __init__(self, base: Path, config: TrainConfig, me: Rank, num_steps: int):
        self.flops = step_flops(AutoConfig.from_pretrained(base), config.lora)
        peak = peak_flops(me.device)
        self.peak_flops = None if peak is None else peak * me.world_size
        self._num_steps = num_steps
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._last: tuple[int, float] | None = None
        self._start = self._busy = 0.0

    def start(self) -> None:
        """A step begins."""
        self._start, self._busy = time.perf_counter(), busy_seconds()

    def busy_s(self) -> float:
        """Seconds since the step began in which this rank worked."""
        return busy_seconds() - self._busy

    def end(self, step: int) -> float:
        """The step's seconds, also remembered with what came since the step before: validation, saving."""
        now = time.perf_counter()
        if self._last is not None:
            self._recent.append((now - self._last[1]) / (step - self._last[0]))
        self._last = (step, now)
        return now - self._start

    def time_left_s(self, step: int) -> float:
        """Seconds until the last step. The mean: saving and validation take part."""
        return (self._num_steps - step) * (statistics.fmean(self._recent) if self._recent else 0.0)
