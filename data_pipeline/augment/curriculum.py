"""Which tasks take part in which epoch, and with what share of their rows."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from data_pipeline.augment.mix import draw_copies
from data_pipeline.config import CurriculumStage
from hunmin.errors import ConfigError, did_you_mean


def shares_of_epoch(curriculum: Sequence[CurriculumStage], epoch: int) -> Mapping[str, float] | None:
    """The share of each task's rows in an epoch; a task that is absent has none. None: all have all."""
    first = 0
    for stage in curriculum:
        if first <= epoch < first + stage.epochs:
            return stage.tasks
        first += stage.epochs
    return None


def draw_kept_rows(num_rows: int, share: float, *, seed: int, task: str, epoch: int) -> np.ndarray:
    """Which of a task's rows take part: bool (num_rows,), for rows sorted by the length of their answers.

    Spread evenly over that order; the epochs of one share go round through all rows (mix.copies).
    """
    rows = round(num_rows * share)
    return draw_copies(num_rows, rows, seed=seed, source=f"task {task}", epoch=epoch) > 0


def check_curriculum(curriculum: Sequence[CurriculumStage], tasks: Collection[str]) -> None:
    """Refuse a task that no source has.

    Raises:
        ConfigError: names the tasks that there are.
    """
    for number, stage in enumerate(curriculum):
        for task in stage.tasks:
            if task not in tasks:
                hint = did_you_mean(task, tasks, f"name one of: {', '.join(sorted(tasks))}")
                raise ConfigError(f"data.mix.curriculum.{number}: no source has the task {task!r}; {hint}")
