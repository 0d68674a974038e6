"""The model card of an export: README.md as the hub reads it, a pure function of the run, without dates."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from hunmin.markdown import table
from hunmin.schema import Stats
from trainer.config import TrainConfig
from trainer.export.lineage import FROM_SCRATCH, Ancestor

MAX_LOSSES = 20  # lines of validation losses shown


@dataclass(frozen=True)
class CardFacts:
    """What a card is written from."""

    run: Ancestor  # this run, as its descendants will see it
    ancestors: Sequence[Ancestor]  # nearest first
    hub_base: str | None  # the hub id that it all began with
    config: TrainConfig
    vocabulary: Mapping[str, Any]  # what was changed about the tokenizer
    seed: int
    stats: Stats | None  # data/stats.json, where the data has one
    template_sha256: str
    losses: Sequence[tuple[int, float]]  # (step, nats per trained token) of each validation
    counts: Mapping[str, Any]  # of the train manifest
    export_rule: str  # how the exported step was chosen


def model_card(facts: CardFacts) -> str:
    """The card's text: YAML front matter, then Markdown."""
    sections = [
        f"# {facts.run['run']}\n\n{_base(facts)}",
        f"## Corpus\n\n{_corpus(facts.stats)}",
        f"## Training\n\n{_training(facts)}",
        f"## Validation loss\n\n{_losses(facts)}",
        f"## Lineage\n\n{_lineage(facts)}",
        f"## How to load\n\n{_LOAD}",
        f"## Limits\n\n{_LIMITS}",
        f"## Provenance\n\n{_provenance(facts)}",
    ]
    front = yaml.safe_dump(_front_matter(facts), allow_unicode=True, sort_keys=False)
    return f"---\n{front}---\n\n" + "\n\n".join(sections) + "\n"


def _front_matter(facts: CardFacts) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if facts.hub_base is not None:
        out["base_model"] = facts.hub_base
    if facts.stats is not None:
        languages = [name for name in sorted(facts.stats["tokenizer"]) if len(name) == 2]
        licences = sorted({source["licence"].lower() for source in facts.stats["sources"].values()})
        out |= {"language": languages} if languages else {}
        out |= {"license": licences[0] if len(licences) == 1 else licences} if licences else {}
        out["datasets"] = sorted(facts.stats["sources"])
    return out | {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["hunmin", "instruction-tuning", *(["lora"] if facts.config.lora else [])],
    }


def _base(facts: CardFacts) -> str:
    base, parameters = facts.run["base"], facts.counts["num_parameters"]
    began = "initialised at random" if base == FROM_SCRATCH else f"trained on from `{base}`"
    lines = [f"An instruction-following model of {parameters:,} parameters, {began}."]
    if facts.counts["num_trained_parameters"] != parameters:
        lines.append(
            f"{facts.counts['num_trained_parameters']:,} parameters were trained, as adapters, and merged."
        )
    if facts.vocabulary:
        said = ", ".join(
            f"{key} `{json.dumps(value, ensure_ascii=False)}`" for key, value in facts.vocabulary.items()
        )
        lines.append(f"Its vocabulary is not the base's: {said}.")
    return " ".join(lines)


def _corpus(stats: Stats | None) -> str:
    if stats is None:
        return "The data of this run has no statistics."
    sources = [
        (name, f"{one['records']:,}", f"{one['kept']:,}", one["licence"])
        for name, one in stats["sources"].items()
    ]
    tasks = [
        (
            name,
            *(f"{one['rows'].get(split, 0):,}" for split in ("train", "val", "heldout")),
            f"{one['trained_tokens']:,}",
        )
        for name, one in stats["tasks"].items()
    ]
    return "\n\n".join(
        [
            table(("source", "records", "kept", "licence"), sources),
            table(("task", "train rows", "validation", "held out", "trained tokens"), tasks),
            f"Sequence length {stats['seq_len']:,} tokens, {stats['epochs']} epoch(s) made.",
        ]
    )


def _warmup(config: TrainConfig) -> str:
    if config.warmup_steps is not None:
        return f"{config.warmup_steps:,} steps"
    return f"{config.warmup_ratio:g} of the steps"


def _training(facts: CardFacts) -> str:
    config = facts.config
    settings = [
        ("optimizer steps", f"{facts.counts['steps']:,}"),
        ("steps without an update", f"{facts.counts['skipped_steps']:,}"),
        ("packs per step", config.global_batch_size),
        ("learning rate", f"{config.learning_rate:g}, {config.schedule}"),
        ("warm-up", _warmup(config)),
        ("weight decay", f"{config.weight_decay:g}"),
        ("loss weighting", _loss_weighting(facts)),
        (
            "adapters",
            "none" if config.lora is None else f"rank {config.lora.rank}, alpha {config.lora.alpha:g}",
        ),
        ("seed", facts.seed),
    ]
    return table(("setting", "value"), settings)


def _loss_weighting(facts: CardFacts) -> str:
    weights = facts.stats.get("weights") if facts.stats else None
    if weights is None:
        return f"each {facts.config.loss_weighting} the same"
    return (
        f"each {facts.config.loss_weighting} by its row's weight: {weights['rendered_rows']:,} rendered rows "
        f"weigh other than 1, the weights go from {weights['min']:g} to {weights['max']:g}"
    )


def _losses(facts: CardFacts) -> str:
    exported = f"Exported: step {facts.run['export_step']} ({facts.export_rule})."
    if not facts.losses:
        return f"There was no validation. {exported}"
    every = -(-len(facts.losses) // MAX_LOSSES)
    shown = {*facts.losses[::every], facts.losses[-1]}
    shown |= {one for one in facts.losses if one[0] == facts.run["export_step"]}
    rows = [(step, f"{loss:.4f}") for step, loss in sorted(shown)]
    return f"{table(('step', 'nats per trained token'), rows)}\n\n{exported}"


def _lineage(facts: CardFacts) -> str:
    lines = [
        f"{number}. `{one['run']}`: {one['steps']:,} steps from `{one['base']}`, "
        f"step {one['export_step']} exported; weights `{one['train_content_sha256'][:12]}`, "
        f"data `{(one['data_content_sha256'] or 'unknown')[:12]}`"
        for number, one in enumerate((facts.run, *facts.ancestors), start=1)
    ]
    return "\n".join(["Nearest first:", "", *lines])


def _provenance(facts: CardFacts) -> str:
    rows = [
        ("weights (names, shapes, fp32 values)", facts.run["train_content_sha256"]),
        ("data", facts.run["data_content_sha256"] or "unknown"),
        ("base", facts.run["base_sha256"] or "none"),
        ("chat template", facts.template_sha256),
    ]
    return table(("what", "sha256"), [(what, f"`{value}`") for what, value in rows])


_LOAD = """\
```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("path/to/this/folder")
tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
messages = [{"role": "user", "content": "…"}]
ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")
print(tokenizer.decode(model.generate(**ids, max_new_tokens=256)[0]))
```"""

_LIMITS = """\
Trained to follow instructions like those of the corpus above; on other tasks, domains and languages it may
be no better than its base, or worse. It can state what is false, and repeat biases of its base and corpus.
The licences of the base and of every source apply to its use. Its scores stand in the run's report."""
