"""Supervised fine-tuning: the weighted sum of the answer tokens' negative log-probabilities."""

from pathlib import Path

from trainer.config import TrainConfig
from trainer.objectives import Minimised, Objective, Scored


def minimise(scored: Scored) -> Minimised:
    """-(sum of weight x log-probability)."""
    log_probs_N, weights_N = scored.log_probs, scored.weights
    return Minimised(
        loss=-(log_probs_N * weights_N.to(log_probs_N)).sum(),
        value=-(log_probs_N.detach().double() * weights_N).sum(),
    )


SFT = Objective(minimise)


def make(config: TrainConfig, data_dir: Path) -> Objective:
    """The same for every config and corpus."""
    return SFT


OBJECTIVE = make
