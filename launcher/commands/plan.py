"""`hunmin plan`: what a training would take. Reads, computes, prints; starts and changes nothing."""

import json
import os
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hunmin import artifact
from hunmin.models.folder import locate_model
from hunmin.shards import listed_shards
from launcher.commands.run_folder import stage_command
from launcher.config import RunConfig, load

if TYPE_CHECKING:
    from trainer.plan.plan import Plan

MIB = 2**20
SUMS = ("states", "peak", "host")  # of the parts of a rank's memory


def plan_of(config_path: Path, overrides: list[str], run_dir: Path) -> "Plan":
    """The plan of a config, with the packs of its run folder where data/ is finished.

    Raises:
        ConfigError: the config is wrong.
        InputError: the model, or its other tokenizer, is not on this machine, or they do not fit.
        ArtifactError: the manifest of data/ is damaged.
    """
    config, base = load(config_path, overrides)
    return plan_of_run(config, base, run_dir)


def plan_of_run(config: RunConfig, base: Path, run_dir: Path) -> "Plan":
    """As plan_of, of a config that is loaded."""
    import torch  # seconds: a wrong config is told before

    from trainer.plan.defaults import room_of
    from trainer.plan.plan import plan

    ranks = config.cluster.num_workers
    on_gpu, gpus = config.cluster.gpus_per_worker > 0, torch.cuda.device_count()
    elsewhere = "RAY_ADDRESS" in os.environ  # its nodes share the ranks, nobody knows how many each takes
    here = min(ranks, max(1, gpus)) if on_gpu else 1 if elsewhere else ranks
    device = torch.device("cuda" if on_gpu else "cpu")
    return plan(
        config.train,
        architecture_of(config, base),
        seq_len=config.data.seq_len,
        world_size=ranks,
        device_type=device.type,
        epoch_sizes=_epoch_sizes(run_dir),
        room=room_of(config.train, device=None if on_gpu and not gpus else device, neighbours=here),
    )


def _epoch_sizes(run_dir: Path) -> tuple[int, ...] | None:
    """Packs of the train split in each epoch; None where the data stage is not finished."""
    data = run_dir / "data"
    manifest = artifact.load_manifest(data)
    if manifest is None:
        return None
    packs: Counter[int] = Counter()
    for shard in listed_shards(data, manifest, "train", cure=stage_command(run_dir, "data")):
        packs[shard.epoch] += shard.num_packs
    return tuple(size for _, size in sorted(packs.items()))


def require_fit(plan: "Plan") -> None:
    """Refuse a training that needs more memory than is known to be there.

    Raises:
        GateError: what it needs, what there is, what would fit.
    """
    from trainer.plan.remedies import refusal

    if plan.misfit is not None and plan.must_fit:
        raise refusal(plan.misfit)


def architecture_of(config: RunConfig, base: Path) -> Any:
    """The configuration of the model that is trained; its weights are not read."""
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
        ("micro-batch", _micro_batch(plan)),
        ("memory of a rank", f"{_size(held['peak'])} at most (estimated){_room(plan)}, of which"),
        *((f"  {name}", _size(size)) for name, size in held.items() if size and name not in SUMS),
        ("  on the host", f"{_size(held['host'])} at most, with the copy that saving makes"),
        ("a checkpoint", _size(plan.checkpoint_bytes)),
        ("the export", _size(plan.export_bytes)),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {value}" for name, value in rows]
    said = [*plan.warnings, *([plan.misfit] if plan.misfit and not plan.must_fit else [])]
    return "\n".join(
        [
            *lines,
            *(f"warning: {line}" for line in said),
            "",
            "DeepSpeed is told:",
            json.dumps(plan.deepspeed, indent=2),
        ]
    )


def _micro_batch(plan: "Plan") -> str:
    packs = "1 pack" if plan.micro_batch_size == 1 else f"{plan.micro_batch_size} packs"
    again = {"none": "no layer", "all": "every layer"}.get(
        plan.activation_checkpointing, "some of each layer"
    )
    by = f" (chosen by memory: {', '.join(plan.chosen)})" if plan.chosen else ""
    return f"{packs}, {again} computed again in the backward{by}"


def _room(plan: "Plan") -> str:
    room = plan.room["device"]
    return "" if room is None else f", there are {_size(room)}"


def _size(num_bytes: int) -> str:
    return f"{num_bytes / MIB:,.1f} MiB"
