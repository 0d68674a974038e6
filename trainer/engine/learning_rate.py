"""The learning rate as a pure function of the step."""

import math

from trainer.config import TrainConfig


def learning_rate(step: int, *, num_steps: int, config: TrainConfig) -> float:
    """Learning rate of the update that makes step `step` (0-based) of `num_steps`.

    Warm-up rises linearly and reaches the peak with its last step; then cosine or line down to
    min_lr_ratio * peak at the last step, or constant. Parameters with a peak of their own
    (train.learning_rates) follow the same curve.
    """
    num_warmup = warmup_steps(num_steps, config)
    if step < num_warmup:
        return config.learning_rate * (step + 1) / num_warmup
    if config.schedule == "constant":
        return config.learning_rate
    done = (step - num_warmup + 1) / (num_steps - num_warmup + 1)  # never 1: the last update counts too
    left = (1 + math.cos(math.pi * done)) / 2 if config.schedule == "cosine" else 1 - done
    return config.learning_rate * (config.min_lr_ratio + (1 - config.min_lr_ratio) * left)


def warmup_steps(num_steps: int, config: TrainConfig) -> int:
    """Steps of the warm-up: as declared, at most all; else the declared share, rounded up."""
    if config.warmup_steps is not None:
        return min(config.warmup_steps, num_steps)
    return math.ceil(config.warmup_ratio * num_steps)
