"""The `eval` section of a config."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from hunmin.hashing import sha256_file, sha256_json
from hunmin.models.config import ModelConfig
from hunmin.models.folder import model_sha256
from hunmin.registry import members
from hunmin.section import Section, execution, later_content, resolve_path
from hunmin.stage import Inputs

STAGE_VERSION = 5
REPORT_STAGE_VERSION = 5

AUTO = "auto"
ENGINES = members(Path(__file__).parent / "engines")  # every module there is an engine
if TYPE_CHECKING:
    EngineName = str
else:
    EngineName = Literal[(AUTO, *ENGINES)]

System = Literal["base", "majority", "copy", "first_sentence"]


class GoalConfig(Section):
    """A claim named before the run: on this task and metric the tuned model beats these systems.

    It is met where, over at least `min_samples` held-out samples, tuned minus each system is at least
    `margin` and its paired 95 % interval lies above zero.
    """

    task: str = Field(description="task whose held-out samples are scored")
    metric: str = Field(description="metric of that task, such as accuracy")
    margin: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="least lead over each system, in the metric's unit: 0.15 of a ratio, 15 of a %",
    )
    over: tuple[System, ...] = Field(
        default=("base", "majority", "copy", "first_sentence"),
        min_length=1,
        description="systems that the tuned model is to beat",
    )
    min_samples: int = Field(
        default=100,
        ge=2,
        le=10**9,
        description="held-out samples that the claim needs; with fewer it is not met",
    )


class EvalConfig(Section):
    """How held-out rows are asked and scored.

    `batch_size`, `num_threads` and `engine` are content, not execution: which rows share a batch, how many
    threads add up a sum, and whose kernels do it, move logits in their last bits.
    """

    max_new_tokens: int = Field(default=256, ge=1, le=2**24, description="tokens of an answer at most")
    temperature: float = Field(
        default=0.0,
        ge=0,
        le=1_000,
        description="0: always the likeliest token; above 0: drawn with the seed, num_answers times",
    )
    batch_size: int = Field(default=16, ge=1, le=2**16, description="samples that are answered together")
    num_threads: int = Field(default=1, ge=1, le=4_096, description="CPU threads of each answering process")
    engine: EngineName = Field(
        default=AUTO,
        description="what answers: hf (transformers), vllm, vllm_server; auto: vLLM where it is and GPUs are",
    )
    vllm_python: str | None = execution(
        None,
        min_length=1,
        description="Python of an environment that has vLLM, for engine vllm_server: .venv-vllm/bin/python",
    )
    max_samples_per_task: int | None = Field(
        default=None,
        ge=1,
        le=10**9,
        description="held-out samples that are asked of a task at most, drawn by seed; absent: all",
    )
    unseen_wordings: int = Field(
        default=50,
        ge=0,
        le=10**9,
        description="samples of a task that the tuned model answers in a held-out wording too, at most",
    )
    robustness: int | None = later_content(
        None,
        ge=0,
        le=10**6,
        description="samples of a task asked in other words; absent: 16, at most doubling all that is asked",
    )
    wrappers: int = later_content(
        0,
        ge=0,
        le=10**6,
        description="samples of a task that are asked with worked examples, for steps, and below a role",
    )
    safety: int = later_content(
        24,
        ge=0,
        le=1_000,
        description="questions of each kind that the safety of answers is measured by, at most; 0: none",
    )
    safety_classifier: str | None = execution(
        None,
        min_length=1,
        description="folder of a classifier (make harm-model) that judges answers beside the word lists",
    )
    bootstrap_samples: int = Field(
        default=1000,
        ge=1,
        le=10**6,
        description="resamples of the bootstrap that the intervals of scores come from",
    )
    num_answers: int = later_content(
        1,
        ge=1,
        le=1_000,
        description="answers to each sample, at a temperature above 0: mean and spread of metrics, pass@k",
    )
    own_history: int = later_content(
        0,
        ge=0,
        le=10**9,
        description="conversations of a task that are asked again turn by turn on the model's own answers",
    )
    run_code: bool = later_content(
        False,
        description="run the code that models write, in a sandbox, against tests in the request (pass_at_1)",
    )
    goals: tuple[GoalConfig, ...] = Field(
        default=(), description="what the run is to show, checked at its end"
    )
    num_actors: int | None = execution(
        None,
        ge=1,
        le=65_536,
        description="processes that answer at a time, at most; absent: one for each GPU (group), 2 on CPUs",
    )

    @model_validator(mode="after")
    def _several_answers_differ(self) -> "EvalConfig":
        if self.num_answers > 1 and self.temperature == 0:
            raise ValueError(
                f"num_answers is {self.num_answers}, but at temperature 0 all answers are equal; "
                "set temperature: 0.7, or num_answers: 1"
            )
        return self


def stage_inputs(
    config: EvalConfig, *, model: ModelConfig, seed: int, base: Path, data_sha256: str, train_sha256: str
) -> Inputs:
    """What `eval/` depends on; the arguments are those of the train stage, and both stages' contents."""
    parents = {"data": data_sha256, "train": train_sha256}
    if model.path is not None:
        parents["model"] = model_sha256(model.path, base=base)
    if config.safety and config.safety_classifier is not None:
        folder = resolve_path(config.safety_classifier, base)
        files = {path.name: sha256_file(path) for path in sorted(folder.glob("*.*"))}
        parents["safety_classifier"] = sha256_json(files)
    return Inputs.of(STAGE_VERSION, parents=parents, seed=seed, eval=config)


def report_inputs(*, name: str, seed: int, parents: dict[str, str]) -> Inputs:
    """What `report/` depends on: the content of every other stage, and of what else it shows, by name."""
    return Inputs.of(REPORT_STAGE_VERSION, parents=parents, name=name, seed=seed)
