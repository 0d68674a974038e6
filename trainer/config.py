"""The `train` section of a config."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from hunmin.errors import ConfigError, did_you_mean
from hunmin.models.config import ModelConfig
from hunmin.models.folder import model_sha256
from hunmin.registry import members
from hunmin.section import Section, chosen_content, execution, later_content
from hunmin.stage import Inputs

STAGE_VERSION = 1  # raised by hand when the same config would give other weights
ALL_TASKS = "all"
MAX_LEARNING_RATE = 100
Recompute = Literal["none", "selective", "all"]
OBJECTIVES = members(Path(__file__).parent / "objectives")  # every module there is an objective
if TYPE_CHECKING:
    ObjectiveName = str
else:
    ObjectiveName = Literal[OBJECTIVES]


class LoraConfig(Section):
    """Low-rank adapters (Hu et al., 2021) in place of full fine-tuning; the export is merged."""

    rank: int = Field(
        16, ge=1, le=65_536, description="rank of the adapters: a higher one has more parameters to train"
    )
    alpha: float = Field(32.0, gt=0, le=1e6, description="the adapter's output is scaled by alpha / rank")
    dropout: float = Field(
        0.0, ge=0, lt=1, description="share of an adapter's inputs that training sets to zero at random"
    )
    target_modules: tuple[str, ...] | Literal["all-linear"] = Field(
        "all-linear", description="names of layers that get adapters; all-linear: all but the output layer"
    )


LEAST_BUCKET = 50_000_000  # elements


class ZeroSizes(NamedTuple):
    """Sizes of ZeRO-3's work, in elements."""

    prefetch_bucket_size: int
    reduce_bucket_size: int
    param_persistence_threshold: int


class ZeroConfig(Section):
    """What DeepSpeed's ZeRO-3 is told. Numbers are elements. Only reduce_dtype rounds."""

    overlap_comm: bool = execution(
        True, description="reduce gradients while the backward goes on; on GPUs only"
    )
    max_live_parameters: int = execution(
        1_000_000_000, ge=1, le=10**13, description="parameters that a rank holds whole at a time, at most"
    )
    prefetch_bucket_size: int | None = execution(
        None,
        ge=0,
        le=10**13,
        description="parameters gathered before they are needed, at most; absent: by model, from 50 million",
    )
    reduce_bucket_size: int | None = execution(
        None,
        ge=1,
        le=10**13,
        description="gradients reduced together, in a buffer held all the time; absent: as for the prefetch",
    )
    sub_group_size: int = execution(
        1_000_000_000,
        ge=1,
        le=10**13,
        description="parameters that one call of the optimizer updates, at most",
    )
    param_persistence_threshold: int | None = execution(
        None,
        ge=0,
        le=10**13,
        description="parameters smaller than this are kept whole on every rank; absent: norms and biases",
    )
    reduce_dtype: Literal["fp32", "bf16"] = later_content(
        "fp32", description="numbers in which a bf16 training's gradients travel; bf16: half the traffic"
    )
    hpz_partition_size: int = execution(
        1,
        ge=1,
        le=65_536,
        description="ranks of a node that share a second copy of the parameters; 1: no such copy",
    )
    offload_optimizer: bool = execution(
        False, description="keep fp32 weights and AdamW's moments in CPU memory; on GPUs only"
    )
    offload_param: bool = execution(
        False, description="keep the parts of the parameters in CPU memory; on GPUs only"
    )

    def sizes(self, hidden_size: int) -> "ZeroSizes":
        """The sizes that follow the model's width where the config is silent.

        A bucket holds a projection of the model, hidden_size squared as transformers takes it, and never
        under 50 million elements, below which the latency of a collective counts. Kept whole are vectors,
        norms and biases alike (10 hidden_size, as transformers takes it): they are a thousandth of a model,
        and gathering each of them costs a collective a layer.
        """
        bucket = max(LEAST_BUCKET, hidden_size**2)
        prefetch, reduced, kept = (
            self.prefetch_bucket_size,
            self.reduce_bucket_size,
            self.param_persistence_threshold,
        )
        return ZeroSizes(
            prefetch_bucket_size=bucket if prefetch is None else prefetch,
            reduce_bucket_size=bucket if reduced is None else reduced,
            param_persistence_threshold=10 * hidden_size if kept is None else kept,
        )


class TrainConfig(Section):
    """How the model is trained. Lengths of time are in optimizer steps unless their name says otherwise."""

    global_batch_size: int = Field(
        16, ge=1, le=2**20, description="packs in an optimizer step, over all ranks"
    )
    micro_batch_size: int | None = chosen_content(
        1,
        ge=1,
        le=2**16,
        description="packs that a rank computes at once; absent: by memory on a GPU, 1 on a CPU",
    )
    num_steps: int | None = Field(
        None,
        ge=1,
        le=10**9,
        description="optimizer steps of the run; absent: as many as take every pack of every epoch once",
    )
    learning_rate: float = Field(
        2e-5, gt=0, le=MAX_LEARNING_RATE, description="peak of the learning rate, at the end of the warm-up"
    )
    weight_decay: float = Field(0.01, ge=0, le=100, description="weight decay of AdamW, on matrices only")
    betas: tuple[float, float] = Field(
        default=(0.9, 0.999), description="decay rates of AdamW's two moments, each from 0 to below 1"
    )
    eps: float = Field(
        1e-8, gt=0, le=1, description="AdamW's epsilon: it keeps an update from a division by zero"
    )
    learning_rates: dict[str, float] = Field(
        {}, description="other peaks for parts of the model, by regular expression on a parameter's name"
    )
    warmup_ratio: float = Field(
        0.1, ge=0, le=1, description="share of the steps in which the learning rate rises to its peak"
    )
    warmup_steps: int | None = Field(
        None, ge=0, le=10**9, description="steps in which it rises; absent: by warmup_ratio"
    )
    schedule: Literal["cosine", "linear", "constant"] = Field(
        default="cosine", description="how the learning rate falls after the warm-up"
    )
    min_lr_ratio: float = Field(
        0.0, ge=0, le=1, description="share of the peak to which cosine and linear fall"
    )
    max_grad_norm: float = Field(
        1.0,
        gt=0,
        le=1e9,
        description="largest global norm of the gradient; a larger one is scaled down to it",
    )
    max_skipped_steps: int = Field(
        10, ge=0, le=10**9, description="updates in a row that may be skipped; one more ends the run"
    )
    max_loss_rise: float | None = Field(
        4.0,
        gt=0,
        le=1e9,
        description="skip an update if its loss is so many nats above the recent median; null: never",
    )
    objective: ObjectiveName = later_content(
        "sft", description="what is minimised; sft: the loss of answer tokens"
    )
    router_aux_loss_coef: float | None = later_content(
        None,
        ge=0,
        le=1e3,
        description="weight of a mixture of experts' router loss; absent: as the model's own config has it",
    )
    loss_weighting: Literal["token", "sample", "task"] = Field(
        "token", description="what weighs the same in a step: each trained token, row (sample) or task"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="numbers of forward and backward; auto: bf16 on a GPU, fp32 on a CPU"
    )
    activation_checkpointing: bool | Recompute | None = chosen_content(
        False,
        description="what the backward computes again; absent: by memory on a GPU, none on a CPU; true: all",
    )
    kernels: Literal["auto", "liger", "torch"] = later_content(
        "torch", description="norms and MLPs by torch, or fused by Liger; auto: where it runs, on GPUs"
    )
    deterministic: bool = later_content(
        True, description="equal sums in every run of the same ranks; false: faster kernels on a GPU"
    )
    max_logits_mb: int = Field(
        256, ge=1, le=2**24, description="MiB of logits that are computed at a time, at most"
    )
    sequence_parallel_size: int = Field(
        1,
        ge=1,
        le=65_536,
        description="ranks that share the tokens of a pack; must divide ranks and attention heads",
    )
    lora: LoraConfig | None = None
    zero: ZeroConfig = Field(default_factory=lambda: ZeroConfig.model_validate({}))
    val_interval: int = Field(
        50,
        ge=1,
        le=10**9,
        description="steps from one validation to the next; the last step is always validated",
    )
    val_share: float | None = later_content(
        0.05,
        gt=0,
        le=1,
        description="validations cost at most this share of the training: fewer packs are asked; null: all",
    )
    best_by: str = Field(
        ALL_TASKS, description="validation loss that picks the exported model: all, or the name of a task"
    )
    memory_gb: float | None = execution(
        None, gt=0, le=1e6, description="GiB that a rank may take; absent: what its GPU or machine has"
    )
    must_fit: bool = execution(
        True, description="refuse a training that needs more memory than there is; false: only say so"
    )
    save_interval: int = execution(
        100,
        ge=1,
        le=10**9,
        description="steps from one checkpoint to the next; last step and best weights are saved always",
    )
    keep: int = execution(2, ge=1, le=10**6, description="newest checkpoints that are kept, beside the best")
    overlap_save: bool = execution(True, description="write a checkpoint while the next steps compute")
    tensorboard: bool = execution(
        True, description="write curves for TensorBoard, to train/tensorboard in the run folder"
    )
    trackers: tuple[Literal["wandb", "mlflow", "trackio"], ...] = execution(
        (), description="where else the curves go; each needs its package; see docs/training.md"
    )
    num_samples: int = execution(
        2,
        ge=0,
        le=10_000,
        description="validation rows that the model answers at each validation, for the report",
    )
    max_restarts: int = execution(
        2, ge=0, le=10_000, description="times that the ranks are started again after some were lost"
    )
    hang_timeout_s: float = execution(
        600.0,
        gt=0,
        le=10**7,
        description="seconds without a sign of life, after which a rank writes its stacks and ends",
    )
    collective_timeout_s: float = execution(
        1800.0,
        gt=0,
        le=10**7,
        description="seconds that ranks wait for a silent one, before it counts as lost",
    )

    @property
    def packs_at_once(self) -> int:
        """Packs in a micro-batch: as set or chosen, else one."""
        return self.micro_batch_size or 1

    @property
    def recompute(self) -> Recompute:
        """What is computed again in the backward: as set or chosen, else none."""
        told = self.activation_checkpointing
        return told if isinstance(told, str) else "all" if told else "none"

    @model_validator(mode="after")
    def _betas_below_one(self) -> Self:
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas {self.betas} must lie in [0, 1)")
        return self

    @model_validator(mode="after")
    def _learning_rates_fit(self) -> Self:
        for pattern, rate in self.learning_rates.items():
            if not 0 < rate <= MAX_LEARNING_RATE:
                raise ValueError(
                    f"learning_rates: {rate} for {pattern!r} must be above 0, and at most {MAX_LEARNING_RATE}"
                )
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
    there = f"name {ALL_TASKS}, or one of: {', '.join(sorted(tasks))}"
    hint = did_you_mean(best_by, [ALL_TASKS, *tasks], there)
    raise ConfigError(f"train.best_by: no source has the task {best_by!r}; {hint}")


def stage_inputs(
    config: TrainConfig, *, model: ModelConfig, seed: int, base: Path, data_sha256: str
) -> Inputs:
    """What `train/` depends on, whoever starts the ranks; the model's path as the config has it.

    Raises:
        InputError: there is no such model.
        EnvironmentFailure: the hub cannot be reached.
    """
    parents = {"data": data_sha256}
    if model.path is not None:
        parents["model"] = model_sha256(model.path, base=base)
    return Inputs.of(STAGE_VERSION, parents=parents, seed=seed, model=model, train=config)
