"""The `train` section of a config."""

import difflib
from collections.abc import Collection
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from data_pipeline.artifact import sha256_json
from data_pipeline.config import ModelConfig, Section, content_of, execution
from data_pipeline.errors import ConfigError

STAGE_VERSION = 1  # raised by hand when the same config would give other weights
ALL_TASKS = "all"


class TrainConfig(Section):
    """How the model is trained. Lengths of time are in optimizer steps unless their name says otherwise."""

    global_batch_size: int = Field(16, ge=1, description="packs per optimizer step, over all ranks")
    micro_batch_size: int = Field(1, ge=1, description="packs per rank per forward")
    num_steps: int | None = Field(None, ge=1, description="default: every pack of every epoch once")
    learning_rate: float = Field(2e-5, gt=0, description="the peak, after warm-up")
    weight_decay: float = Field(0.01, ge=0, description="on matrices only")
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = Field(1e-8, gt=0)
    warmup_ratio: float = Field(0.1, ge=0, le=1, description="share of the steps")
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    min_lr_ratio: float = Field(0.0, ge=0, le=1, description="the last learning rate / the peak")
    max_grad_norm: float = Field(1.0, gt=0, description="clip the gradient's global norm to this")
    max_skipped_steps: int = Field(10, ge=0, description="consecutive updates that may be not finite")
    val_interval: int = Field(50, ge=1)
    best_by: str = Field(ALL_TASKS, description="whose validation loss picks the export: all, or a task")
    save_interval: int = execution(100, ge=1)
    keep: int = execution(2, ge=1, description="newest checkpoints kept, beside the best")
    tensorboard: bool = execution(True)
    collective_timeout_s: float = execution(1800.0, gt=0, description="a rank silent for this long is dead")

    @model_validator(mode="after")
    def _betas_below_one(self) -> Self:
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas {self.betas} must lie in [0, 1)")
        return self


def check_best_by(best_by: str, tasks: Collection[str]) -> None:
    """Refuse a task whose validation loss cannot pick the export, for no source has it.

    Raises:
        ConfigError: names the tasks that there are.

    """
    if best_by == ALL_TASKS or best_by in tasks:
        return
    near = difflib.get_close_matches(best_by, [ALL_TASKS, *tasks], n=1)
    hint = f"did you mean {near[0]}?" if near else f"name {ALL_TASKS}, or one of: {', '.join(sorted(tasks))}"
    raise ConfigError(f"train.best_by: no source has the task {best_by!r}; {hint}")


def content_sha256(train: TrainConfig, *, model: ModelConfig, seed: int) -> str:
    """What the weights depend on besides the data: the content fields of the sections and the seed."""
    value: dict[str, Any] = {"train": content_of(train), "model": content_of(model), "seed": seed}
    return sha256_json(value)
