"""The train stage around its ranks: what to do, the folder made ready before, export and manifest after."""

import json
from dataclasses import dataclass
from pathlib import Path

from data_pipeline.artifact import Manifest, clear, commit, files_below, write_json
from data_pipeline.config import ModelConfig
from data_pipeline.errors import ArtifactError, ConfigError, GateError
from data_pipeline.packing.template import Renderer, load_tokenizer
from data_pipeline.progress import say
from data_pipeline.schema import Stats
from trainer import batches, checkpoint
from trainer.checkpoint import Checkpoint
from trainer.config import ALL_TASKS, STAGE_VERSION, TrainConfig
from trainer.export import count_parameters, export, weights_sha256
from trainer.lora import Merged, Trained
from trainer.model import FolderWeights, locate_base, token_id
from trainer.packs import PackFolder


@dataclass(frozen=True)
class Job:
    """What to train, on what, and where to. The same on every rank."""

    config: TrainConfig
    model: ModelConfig
    seed: int
    data_dir: Path
    out_dir: Path
    parents: dict[str, str]
    config_sha256: str

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.out_dir / "checkpoints"

    @property
    def metrics_file(self) -> Path:
        """Lines of TrainMetrics and ValMetrics."""
        return self.out_dir / "metrics.jsonl"

    @property
    def stop_file(self) -> Path:
        """Made by a starter that was asked to stop and whose ranks are elsewhere."""
        return self.out_dir / ".stop"


def base_folder(job: Job) -> Path:
    """Where the initial weights are, or will be."""
    return job.out_dir / "base" if job.model.path is None else locate_base(job.model.path)


def count_steps(packs: PackFolder, config: TrainConfig) -> int:
    """Steps of the whole run.

    Raises:
        GateError: there are no packs.

    """
    if not len(packs):
        raise GateError("data/train holds no packs: nothing to train on; look at data/rejected.parquet")
    if config.num_steps is not None:
        return config.num_steps
    return batches.steps_per_pass(packs.epoch_sizes, global_batch_size=config.global_batch_size)


def begin(job: Job) -> int:
    """Make the stage's folder ready, once, before the ranks start; what another config or other data left
    in it goes.

    Returns:
        The steps of the whole run.

    Raises:
        ConfigError: train.best_by names a task that the validation rows do not have.
        GateError: there are no packs.

    """
    _check_best_by(job)
    identity = {"config": job.config_sha256, "parents": job.parents, "stage_version": STAGE_VERSION}
    path = job.out_dir / "identity.json"
    if not path.exists() or json.loads(path.read_text()) != identity:
        if path.exists():
            say(f"train: {job.out_dir} holds checkpoints of another config or other data; starting anew")
        clear(job.out_dir)
        write_json(path, identity)
    return count_steps(PackFolder(job.data_dir / "train"), job.config)


def _check_best_by(job: Job) -> None:
    """Before a rank starts: the first validation would be too late to find it.

    Raises:
        ConfigError: see `begin`.

    """
    if job.config.best_by == ALL_TASKS:
        return
    stats: Stats = json.loads((job.data_dir / "stats.json").read_text())
    watched = sorted(name for name, task in stats["tasks"].items() if task["rows"].get("val", 0))
    if job.config.best_by not in watched:
        raise ConfigError(
            f"train.best_by: {job.config.best_by} has no validation rows; tasks that have some: "
            f"{', '.join(watched) or 'none'}; name one, or {ALL_TASKS}, or raise data.split.val"
        )


def _export_rule(job: Job, best_step: int | None) -> str:
    if best_step is None:
        return "last step: no validation"
    of_task = "" if job.config.best_by == ALL_TASKS else f" of {job.config.best_by}"
    return f"lowest validation loss{of_task}"


def finish(job: Job, *, seconds: float) -> Manifest:
    """Export the best checkpoint by validation loss, else the last, and write the manifest. Once."""
    last_step = checkpoint.newest_valid(job.checkpoints)
    assert last_step is not None, "the last step saves"
    last = Checkpoint(checkpoint.folder_of(job.checkpoints, last_step))
    state = last.state
    num_steps = count_steps(PackFolder(job.data_dir / "train"), job.config)
    if state.step != num_steps:
        raise ArtifactError(
            f"{job.checkpoints}: the newest sound checkpoint is of step {state.step} of {num_steps}; "
            "run the same command again to go on from it"
        )
    chosen = last
    if state.best_step is not None and state.best_step != state.step:
        chosen = Checkpoint(checkpoint.folder_of(job.checkpoints, state.best_step))
        chosen.verify()
    weights = whole_model(job, chosen)
    tokenizer = load_tokenizer(job.data_dir / "tokenizer")
    export(
        weights,
        base=base_folder(job),
        tokenizer_dir=job.data_dir / "tokenizer",
        stop_ids=Renderer(tokenizer).stop_ids,
        pad_id=token_id(tokenizer.pad_token_id),
        out=job.out_dir / "export",
    )
    folders = [job.out_dir / name for name in ("export", "base")]
    return commit(
        job.out_dir,
        stage="train",
        stage_version=STAGE_VERSION,
        parents=job.parents,
        config_sha256=job.config_sha256,
        content_sha256=weights_sha256(weights),
        counts={
            "steps": state.step,
            "skipped_steps": state.step - state.num_updates,
            "best_step": state.best_step,
            "best_val_loss": state.best_val_loss,
            "export_step": chosen.state.step,
            "num_parameters": count_parameters(weights),
            "num_trained_parameters": count_parameters(chosen),
        },
        files=[job.metrics_file, *(path for folder in folders for path in files_below(folder))],
        seconds=seconds,
        extra={
            "base": "base" if job.model.path is None else job.model.path,
            "export": _export_rule(job, state.best_step),
            "ranks": last.ranks,
        },
    )


def whole_model(job: Job, checkpoint: Checkpoint) -> Trained:
    """The checkpoint as weights of the model itself: adapters are merged into their base."""
    if job.config.lora is None:
        return checkpoint
    base = FolderWeights(base_folder(job))
    return Merged(checkpoint, base=base, shapes=base.shapes, config=job.config.lora)
