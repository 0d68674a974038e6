from itertools import pairwise

import pytest

from trainer.config import TrainConfig
from trainer.engine.learning_rate import learning_rate


def rates(num_steps: int, **config) -> list[float]:
    section = TrainConfig(learning_rate=1.0, **config)
    return [learning_rate(step, num_steps=num_steps, config=section) for step in range(num_steps)]


def test_warm_up_is_linear_and_reaches_the_peak() -> None:
    assert rates(10, warmup_ratio=0.4)[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates(10, warmup_ratio=0.0)[0] < 1.0


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_decay_falls_and_never_wastes_the_last_step(schedule: str) -> None:
    values = rates(10, warmup_ratio=0.1, schedule=schedule)
    assert values[0] == 1.0
    assert all(a > b for a, b in pairwise(values))
    assert values[-1] > 0


def test_written_out() -> None:
    assert rates(5, warmup_ratio=0.2, schedule="linear") == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])
    assert rates(4, warmup_ratio=0.0, schedule="cosine", min_lr_ratio=0.5)[1] == pytest.approx(
        0.5 + 0.5 * 0.6545084971874737  # (1 + cos(2 pi / 5)) / 2
    )
    assert rates(3, warmup_ratio=0.0, schedule="constant") == [1.0, 1.0, 1.0]


def test_one_step() -> None:
    assert rates(1) == [1.0]
