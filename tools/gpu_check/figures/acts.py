"""What a rank does: it meets the others and measures what it is asked. Loads torch and the trainer."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.gpu_check.figures import exact, plain, speed
from tools.gpu_check.figures.ours import Setting
from tools.gpu_check.figures.rank import Emit, Given
from trainer.config import TrainConfig
from trainer.engine.ranks import Rank, join_ranks

TIMEOUT_S = 300.0  # in which ranks must answer each other
LEARNING_RATE = 1e-4
ACTS: Mapping[str, Callable[[Given, Setting, Rank, Emit], object]] = {
    "gradient": exact.gradient,
    "packed": exact.packed,
    "resume": exact.resume,
    "speed": speed.speed,
    "speed_and_resume": speed.speed_and_resume,
    "plain": plain.speed,
}


def act(given: Given, emit: Emit) -> None:
    """Measure; `done` is emitted last. Collective."""
    asked = given.measurement
    config = TrainConfig.model_validate(
        {
            "micro_batch_size": asked.micro_batch_size,
            "global_batch_size": asked.packs_per_rank * int(os.environ["WORLD_SIZE"]),
            "learning_rate": LEARNING_RATE,
            **asked.settings,
        }
    )
    with join_ranks(
        timeout_s=TIMEOUT_S,
        precision=config.precision,
        sequence_parallel_size=config.sequence_parallel_size,
    ) as me:
        emit(me.description)
        ACTS[asked.act](given, Setting(config, Path(given.model), Path(given.packs)), me, emit)
        assert "ray" not in sys.modules, "no measurement needs Ray"
    emit({"done": True})
