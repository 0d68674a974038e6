"""The train stage around its ranks: what to do, the folder made ready before, export and manifest after."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from transformers import AutoConfig

from hunmin.artifact import Manifest, files_below
from hunmin.errors import ArtifactError, ConfigError, GateError
from hunmin.models.chat_templates import template_sha256
from hunmin.models.config import ModelConfig
from hunmin.models.folder import LINEAGE
from hunmin.models.renderer import Renderer
from hunmin.models.tokenizer import load_tokenizer
from hunmin.progress import Heartbeat, no_heartbeat
from hunmin.schema import Stats
from hunmin.stage import Inputs, Stage, open_stage
from trainer.batches import dealing
from trainer.batches.packs import PackFolder
from trainer.batches.val_subset import val_subset
from trainer.checkpoint import kept
from trainer.checkpoint.checkpoint import Checkpoint, folder_of
from trainer.config import ALL_TASKS, TrainConfig
from trainer.export.card import CardFacts, model_card
from trainer.export.export import export, weights_sha256
from trainer.export.lineage import SCHEMA_VERSION as LINEAGE_VERSION
from trainer.export.lineage import Ancestor, LineageFile, ancestors_of, base_name
from trainer.metrics import metrics_log
from trainer.metrics.metrics_log import said_beside
from trainer.metrics.trackers import check_trackers
from trainer.model.folder_weights import FolderWeights
from trainer.model.lora import Merged, Trained
from trainer.model.packed_model import locate_base, token_id
from trainer.plan import memory
from trainer.plan.defaults import Training


@dataclass(frozen=True)
class Job:
    """What to train, on what, and where to. The same on every rank."""

    config: TrainConfig
    model: ModelConfig
    seed: int
    data_dir: Path
    out_dir: Path
    inputs: Inputs

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.out_dir / "checkpoints"

    @property
    def metrics_file(self) -> Path:
        """Lines of TrainMetrics and ValMetrics."""
        return self.out_dir / "metrics.jsonl"

    @property
    def said_file(self) -> Path:
        """What the first rank says; whoever shows progress repeats it."""
        return said_beside(self.metrics_file)

    @property
    def stop_file(self) -> Path:
        """Made by a starter that was asked to stop and whose ranks are elsewhere."""
        return self.out_dir / ".stop"


def base_folder(job: Job, *, alive: Heartbeat = no_heartbeat) -> Path:
    """Where the initial weights are, or will be; `alive` is called while they come from the hub."""
    if job.model.path is None or job.model.remakes_vocabulary:
        return job.out_dir / "base"
    return locate_base(job.model.path, alive=alive)


def count_steps(packs: PackFolder, config: TrainConfig) -> int:
    """Steps of the whole run.

    Raises:
        GateError: there are no packs.
    """
    if not len(packs):
        raise GateError("data/train holds no packs: nothing to train on; look at data/rejected.parquet")
    if config.num_steps is not None:
        return config.num_steps
    return dealing.steps_per_pass(packs.epoch_sizes, global_batch_size=config.global_batch_size)


def packs_to_ask(job: Job, packs: PackFolder, val_packs: PackFolder) -> np.ndarray:
    """The packs that each validation asks: see `val_subset`."""
    return val_subset(
        val_packs,
        job.config,
        epoch_sizes=packs.epoch_sizes,
        num_steps=count_steps(packs, job.config),
        seed=job.seed,
    )


def begin_training(job: Job) -> tuple[Stage, int]:
    """Make the stage's folder ready, once, before the ranks start; the stage, and the steps of the whole run.

    What another config or other data left in the folder is put aside.

    Raises:
        ConfigError: train.best_by names a task that the validation rows do not have, or a package of
            train.trackers is not installed.
        GateError: there are no packs.
        InputError: the lineage of the base cannot be read.
    """
    _check_best_by(job)
    check_trackers(job.config.trackers)
    if job.config.lora is not None and job.model.remakes_vocabulary:
        raise ConfigError(
            "train.lora leaves the embeddings as they are, so the new rows of model.add_tokens or "
            "model.vocabulary would never be trained; remove train.lora, or those"
        )
    ancestors_of(job.model.path)  # an unreadable lineage would stop the export, after all steps
    num_steps = count_steps(PackFolder(job.data_dir / "train"), job.config)
    return open_stage(job.out_dir, job.inputs), num_steps


def _check_best_by(job: Job) -> None:
    """Before a rank starts: the first validation would be too late to find it.

    Raises:
        ConfigError: see `begin_training`.
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


def _export_rule(job: Job, *, best_step: int | None, exported_step: int) -> str:
    if best_step is None:
        return "last step: no validation"
    if exported_step != best_step:
        return "last step: the checkpoint of the best one was gone"
    of_task = "" if job.config.best_by == ALL_TASKS else f" of {job.config.best_by}"
    return f"lowest validation loss{of_task}"


def planned_memory(job: Job, *, world_size: int, device_type: str) -> dict[str, int]:
    """What the plan says of a rank's memory, in bytes by part; nothing where there is no base to plan for."""
    base = base_folder(job)
    if not (base / "config.json").exists():
        return {}
    training = Training(
        AutoConfig.from_pretrained(base),
        PackFolder(job.data_dir / "train").seq_len,
        world_size,
        device_type=device_type,
        keeps_scores=device_type == "cpu",
    )
    return training.memory(job.config).as_dict()


def finish_training(job: Job, stage: Stage) -> Manifest:
    """Export the best checkpoint by validation loss, else the last, and write the manifest. Once."""
    last_step = kept.newest_valid(job.checkpoints)
    assert last_step is not None, "the last step saves"
    last = Checkpoint(folder_of(job.checkpoints, last_step))
    state = last.state
    packs, val_packs = (PackFolder(job.data_dir / split) for split in ("train", "val"))
    num_steps = count_steps(packs, job.config)
    if state.step != num_steps:
        raise ArtifactError(
            f"{job.checkpoints}: the newest sound checkpoint is of step {state.step} of {num_steps}; "
            "run the same command again to go on from it"
        )
    chosen = kept.to_export(job.checkpoints, last)
    weights = whole_model(job, chosen)
    content_sha256 = weights_sha256(weights)
    tokenizer = load_tokenizer(job.data_dir / "tokenizer")
    counts = {
        "steps": state.step,
        "skipped_steps": state.step - state.num_updates,
        "best_step": state.best_step,
        "best_val_loss": state.best_val_loss,
        "export_step": chosen.state.step,
        "val_packs": len(val_packs),
        "val_packs_asked": len(packs_to_ask(job, packs, val_packs)),
        "num_parameters": memory.count(weights.shapes.values()),
        "num_trained_parameters": memory.count(chosen.shapes.values()),
    }
    card = card_facts(
        job,
        content_sha256=content_sha256,
        counts=counts,
        template_sha256=template_sha256(tokenizer.chat_template),
        export_rule=_export_rule(job, best_step=state.best_step, exported_step=chosen.state.step),
    )
    lineage = LineageFile(schema_version=LINEAGE_VERSION, run=card.run, ancestors=list(card.ancestors))
    export(
        weights,
        base=base_folder(job),
        tokenizer_dir=job.data_dir / "tokenizer",
        stop_ids=Renderer(tokenizer).stop_ids,
        pad_id=token_id(tokenizer.pad_token_id),
        documents={
            "README.md": model_card(card),
            LINEAGE: json.dumps(lineage, ensure_ascii=False, indent=2) + "\n",
        },
        out=job.out_dir / "export",
    )
    folders = [job.out_dir / name for name in ("export", "base")]
    return stage.commit(
        content_sha256=content_sha256,
        counts=counts,
        files=[job.metrics_file, *(path for folder in folders for path in files_below(folder))],
        extra={
            "base": "base" if base_folder(job).parent == job.out_dir else job.model.path,
            "lineage": list(card.ancestors),
            "export": card.export_rule,
            "ranks": last.ranks,
        },
    )


def card_facts(
    job: Job, *, content_sha256: str, counts: dict[str, Any], template_sha256: str, export_rule: str
) -> CardFacts:
    """What the model card and the lineage say of a run whose metrics are complete."""
    ancestors = ancestors_of(job.model.path)
    run = Ancestor(
        run=_run_name(job),
        train_content_sha256=content_sha256,
        data_content_sha256=job.inputs.parents.get("data"),
        base=base_name(job.model.path, ancestors),
        base_sha256=job.inputs.parents.get("model"),
        steps=counts["steps"],
        export_step=counts["export_step"],
    )
    first = ancestors[-1] if ancestors else run
    stats = job.data_dir / "stats.json"
    return CardFacts(
        run=run,
        ancestors=ancestors,
        hub_base=first["base"] if (first["base_sha256"] or "").startswith("hub:") else None,
        config=job.config,
        vocabulary=_vocabulary(job.model),
        seed=job.seed,
        stats=json.loads(stats.read_text(encoding="utf-8")) if stats.exists() else None,
        template_sha256=template_sha256,
        losses=[
            (line["step"], line["loss"])
            for line in metrics_log.read_lines(job.metrics_file)
            if line["kind"] == "val"
        ],
        counts=counts,
        export_rule=export_rule,
    )


def _vocabulary(model: ModelConfig) -> dict[str, Any]:
    """What was declared of the vocabulary, without a machine's folders."""
    told: dict[str, Any] = {}
    if model.remakes_vocabulary and model.tokenizer is not None:
        local = Path(model.tokenizer)
        told["tokenizer"] = local.name if local.is_absolute() or local.exists() else model.tokenizer
    if model.add_tokens:
        told["add_tokens"] = list(model.add_tokens)
    return told


def _run_name(job: Job) -> str:
    """As the run's config says; of a stage outside of a run its folder's name."""
    path = job.out_dir.parent / "config.yaml"
    named = yaml.safe_load(path.read_text(encoding="utf-8")).get("name") if path.exists() else None
    return str(named or job.out_dir.parent.name)


def whole_model(job: Job, checkpoint: Checkpoint) -> Trained:
    """The checkpoint as weights of the model itself: adapters are merged into their base."""
    if job.config.lora is None:
        return checkpoint
    base = FolderWeights(base_folder(job))
    return Merged(checkpoint, base=base, shapes=base.parameters, config=job.config.lora)
