"""The `train` section of a config."""

import difflib
import re
from collections.abc import Collection
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from hunmin.errors import ConfigError
from hunmin.models.config import ModelConfig
from hunmin.models.folder import model_sha256
from hunmin.section import Section, execution
from hunmin.stage import Inputs

STAGE_VERSION = 1  # raised by hand when the same config would give other weights
ALL_TASKS = "all"


class LoraConfig(Section):
    """Low-rank adapters (Hu et al., 2021) in place of full fine-tuning; the export is merged."""

    rank: int = Field(16, ge=1)
    alpha: float = Field(32.0, gt=0, description="the adapter's output is scaled by alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1)
    target_modules: tuple[str, ...] | Literal["all-linear"] = Field(
        "all-linear", description="names of the layers that get adapters; all-linear: every one but the head"
    )


class ZeroConfig(Section):
    """What DeepSpeed's ZeRO-3 is told. Numbers are elements. Only float order depends on them."""

    overlap_comm: bool = execution(True, description="reduce gradients beside the backward; on GPUs only")
    max_live_parameters: int = execution(1_000_000_000, ge=1, description="gathered at a time")
    prefetch_bucket_size: int = execution(50_000_000, ge=0)
    reduce_bucket_size: int = execution(50_000_000, ge=1, description="of gradients, held for the whole run")
    sub_group_size: int = execution(1_000_000_000, ge=1, description="parameters a call of the optimizer")
    param_persistence_threshold: int = execution(0, ge=0, description="smaller parameters stay gathered")
    hpz_partition_size: int = execution(1, ge=1, description="ranks of a node that share a second partition")
    offload_optimizer: bool = execution(False, description="masters and moments in CPU memory; GPUs only")
    offload_param: bool = execution(False, description="partitions in CPU memory as well; GPUs only")


class TrainConfig(Section):
    """How the model is trained. Lengths of time are in optimizer steps unless their name says otherwise."""

    global_batch_size: int = Field(16, ge=1, description="packs per optimizer step, over all ranks")
    micro_batch_size: int = Field(1, ge=1, description="packs per rank per forward")
    num_steps: int | None = Field(None, ge=1, description="default: every pack of every epoch once")
    learning_rate: float = Field(2e-5, gt=0, description="the peak, after warm-up")
    weight_decay: float = Field(0.01, ge=0, description="on matrices only")
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = Field(1e-8, gt=0)
    learning_rates: dict[str, float] = Field(
        {}, description="peaks of their own: regular expression on a parameter's name -> learning rate"
    )
    warmup_ratio: float = Field(0.1, ge=0, le=1, description="share of the steps")
    warmup_steps: int | None = Field(None, ge=0, description="instead of warmup_ratio")
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    min_lr_ratio: float = Field(0.0, ge=0, le=1, description="the last learning rate / the peak")
    max_grad_norm: float = Field(1.0, gt=0, description="clip the gradient's global norm to this")
    max_skipped_steps: int = Field(10, ge=0, description="consecutive updates that may be skipped")
    max_loss_rise: float | None = Field(
        4.0, gt=0, description="nats above the median of recent steps from which an update is skipped"
    )
    loss_weighting: Literal["token", "sample", "task"] = Field(
        "token", description="what weighs the same in a step: each trained token, each row, or each task"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="of forward and backward; auto: bf16 on a GPU, fp32 on a CPU"
    )
    activation_checkpointing: bool = Field(False, description="recompute layers in the backward")
    max_logits_mb: int = Field(256, ge=1, description="the head works through its positions in such chunks")
    sequence_parallel_size: int = Field(1, ge=1, description="ranks that share the tokens of one pack")
    lora: LoraConfig | None = None
    zero: ZeroConfig = Field(default_factory=lambda: ZeroConfig.model_validate({}))
    val_interval: int = Field(50, ge=1)
    best_by: str = Field(ALL_TASKS, description="whose validation loss picks the export: all, or a task")
    save_interval: int = execution(100, ge=1)
    keep: int = execution(2, ge=1, description="newest checkpoints kept, beside the best")
    overlap_save: bool = execution(True, description="write a checkpoint while the next steps compute")
    tensorboard: bool = execution(True)
    trackers: tuple[Literal["wandb", "mlflow", "trackio"], ...] = execution(())
    num_samples: int = execution(2, ge=0, description="validation rows answered at each validation")
    max_restarts: int = execution(2, ge=0, description="times that lost ranks are started again")
    hang_timeout_s: float = execution(
        600.0, gt=0, description="without a sign of life, ranks print stacks and end"
    )
    collective_timeout_s: float = execution(1800.0, gt=0, description="a rank silent for this long is dead")

    @model_validator(mode="after")
    def _betas_below_one(self) -> Self:
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas {self.betas} must lie in [0, 1)")
        return self

    @model_validator(mode="after")
    def _learning_rates_fit(self) -> Self:
        for pattern, rate in self.learning_rates.items():
            if not rate > 0:
                raise ValueError(f"learning_rates: {rate} for {pattern!r} must be above 0")
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"learning_rates: {pattern!r} is no regular expression ({error})") from error
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


def stage_inputs(
    config: TrainConfig, *, model: ModelConfig, seed: int, base: Path, data_sha256: str
) -> Inputs:
    """What `train/` depends on, whoever starts the ranks.

    Args:
        config: the `train` section.
        model: the `model` section, its path as the config has it.
        seed: of the run.
        base: the folder that relative paths start from.
        data_sha256: content of `data/`.

    Raises:
        InputError: there is no such model.
        EnvironmentFailure: the hub cannot be reached.
    """
    parents = {"data": data_sha256}
    if model.path is not None:
        parents["model"] = model_sha256(model.path, base=base)
    return Inputs.of(STAGE_VERSION, parents=parents, seed=seed, model=model, train=config)
