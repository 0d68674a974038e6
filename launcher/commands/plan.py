"""`hunmin plan`: what a training would take. Reads, computes, prints; starts and changes nothing."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hunmin import artifact
from hunmin.models.folder import locate_model
from hunmin.shards import listed_shards
from launcher.config import RunConfig, load

if TYPE_CHECKING:
    from trainer.plan.plan import Plan

MIB = 2**20


def plan_of(config_path: Path, overrides: list[str], run_dir: Path) -> "Plan":
    """The plan of a config, with the packs of its run folder where data/ is finished.

    Raises:
        ConfigError: the config is wrong.
        InputError: the model, or its other tokenizer, is not on this machine, or they do not fit.
        ArtifactError: the manifest of data/ is damaged.
    """
    config, base = load(config_path, overrides)
    from trainer.plan.plan import plan  # seconds: a wrong config is told before

    return plan(
        config.train,
        _architecture(config, base),
        seq_len=config.data.seq_len,
        world_size=config.cluster.num_workers,
        device_type="cuda" if config.cluster.gpus_per_worker else "cpu",
        epoch_sizes=_epoch_sizes(run_dir, config_path),
    )


def _epoch_sizes(run_dir: Path, config_path: Path) -> tuple[int, ...] | None:
    """Packs of the train split in each epoch; None where the data stage is not finished."""
    data = run_dir / "data"
    manifest = artifact.load_manifest(data)
    if manifest is None:
        return None
    cure = f"hunmin data {config_path} --run {run_dir}"
    packs: Counter[int] = Counter()
    for shard in listed_shards(data, manifest, "train", cure=cure):
        packs[shard.epoch] += shard.num_packs
    return tuple(size for _, size in sorted(packs.items()))


def _architecture(config: RunConfig, base: Path) -> Any:
    from transformers import AutoConfig

    from hunmin.models.tokenizer import chosen_tokenizer, load_tokenizer
    from trainer.model.embeddings import num_embeddings
    from trainer.model.packed_model import scratch_config

    model = config.model
    if model.from_scratch is not None:
        return scratch_config(model.from_scratch, vocab_size=model.from_scratch.vocab_size)
    assert model.path is not None, "one of the two"
    folder = locate_model(model.path, base=base, weights=False)
    architecture = AutoConfig.from_pretrained(folder)
    if model.remakes_vocabulary:
        text = architecture.get_text_config()
        own, chosen = load_tokenizer(folder), chosen_tokenizer(model, base=base, quiet=True)
        text.vocab_size = num_embeddings(chosen, own, num_rows=text.vocab_size)
    return architecture


def as_json(plan: "Plan") -> str:
    """The plan as one JSON object."""
    return json.dumps(asdict(plan))


def as_text(plan: "Plan") -> str:
    """The plan for a reader; DeepSpeed's settings last, as JSON that can be copied."""
    unknown = "known when data/ exists: hunmin data"
    steps = unknown
    if plan.num_steps is not None:
        packs = "" if plan.num_packs is None else f", {plan.num_packs:,} packs"
        steps = f"{plan.num_steps:,}, {plan.warmup_steps:,} of them warm-up{packs}"
    held = plan.memory
    rows = [
        ("parameters", f"{plan.num_parameters:,}, of which {plan.num_trained_parameters:,} are trained"),
        ("ranks", f"{plan.world_size}, each {plan.accum_steps} micro-batches a step, in {plan.precision}"),
        ("steps", steps),
        ("memory of a rank", f"{_size(held['peak'])} at most (estimated), of which"),
        *((f"  {name}", _size(held[name])) for name in held if name not in ("states", "peak")),
        ("a checkpoint", _size(plan.checkpoint_bytes)),
        ("the export", _size(plan.export_bytes)),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {value}" for name, value in rows]
    return "\n".join([*lines, "", "DeepSpeed is told:", json.dumps(plan.deepspeed, indent=2)])


def _size(num_bytes: int) -> str:
    return f"{num_bytes / MIB:,.1f} MiB"
