"""Train the classifier on labelled texts that the user names.

    python -m tools.train_harm_model DATA.yaml --out FOLDER        (make harm-model DATA=… OUT=…)

DATA.yaml names, for each head, sources as in a run's config, whose labels are mapped to positive and
negative (docs/safety.md has one). Logistic regression with an L2 penalty, fitted by L-BFGS: the same data
gives the same model.
"""

import argparse
import hashlib
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
import yaml
from pydantic import Field, ValidationError
from safetensors.numpy import save_file

from data_pipeline.config import SourceConfig
from data_pipeline.sources import expand, read
from hunmin.errors import ConfigError, GateError, HunminError, InputError, one_line
from hunmin.hashing import stable_hash
from hunmin.language.script import comparable
from hunmin.rows import DraftRow, Rejected
from hunmin.safety.classifier import (
    CONFIG_NAME,
    WEIGHTS_NAME,
    Features,
    Head,
    head_config,
    model_config,
    sigmoid,
)
from hunmin.section import Section, model_problems, yaml_problem

Part = Literal["train", "val", "heldout"]
LABELS = {"positive": True, "negative": False}


class HarmModelConfig(Section):
    """DATA.yaml: what to learn from, and how the threshold is chosen."""

    heads: dict[str, tuple[SourceConfig, ...]] = Field(min_length=1)
    clean: tuple[SourceConfig, ...] = Field(
        (), description="sources like those to be filtered, taken as harmless: negatives of every head"
    )
    max_clean: int = Field(10_000, ge=1, description="lines of `clean` to learn from, drawn by hash")
    max_clean_share: float = Field(
        0.003, gt=0, lt=1, description="of the clean validation lines, how many may be called harmful"
    )
    seed: int = 0
    val: float = Field(0.15, gt=0, lt=0.5)
    heldout: float = Field(0.2, gt=0, lt=0.5)
    min_precision: float = Field(
        0.85, gt=0, lt=1, description="on the validation part: more than is wanted, new texts give less"
    )
    penalty: float = Field(0.2, gt=0, description="L2: penalty / 2 * |weights|^2 beside the summed loss")
    max_iterations: int = Field(60, ge=1)
    bits: int = Field(18, ge=8, le=24)


class Example(NamedTuple):
    """A labelled text."""

    text: str
    positive: bool
    source: str


class Scores(NamedTuple):
    """How well a yes or no agrees with the labels."""

    precision: float
    recall: float
    f1: float
    n: int
    positives: int


def load_config(path: Path) -> HarmModelConfig:
    """DATA.yaml.

    Raises:
        ConfigError: no YAML, or not what HarmModelConfig says.
    """
    try:
        return HarmModelConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}{yaml_problem(error)}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {one_line(error)}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {model_problems(error)}") from error


def read_examples(sources: Sequence[SourceConfig], *, base: Path) -> tuple[list[Example], Counter[str]]:
    """The labelled texts in file order, and how many records were left out by which reason.

    Raises:
        InputError: a label that is neither positive nor negative.
    """
    examples: list[Example] = []
    rejected: Counter[str] = Counter()
    for index, source in enumerate(sources):
        for unit in expand(source, index=index, base=base):
            for draft in read(unit, source):
                if "reason" in draft:
                    rejected[draft["reason"]] += 1
                else:
                    examples.append(_example(draft, source.name))
    return examples, rejected


def read_clean(config: HarmModelConfig, *, base: Path) -> list[Example]:
    """Lines of the clean sources, as a classifier scores texts by line; the same whatever their order."""
    lines: dict[str, str] = {}
    for index, source in enumerate(config.clean):
        for unit in expand(source, index=index, base=base):
            for draft in read(unit, source):
                for text in _texts(draft):
                    lines.update((line, source.name) for line in text.split("\n") if line.strip())
    drawn = sorted(lines, key=lambda line: (stable_hash("clean", config.seed, line), line))
    return [Example(line, False, lines[line]) for line in drawn[: config.max_clean]]


def _texts(draft: DraftRow | Rejected) -> list[str]:
    if "reason" in draft:
        return []
    fields = [str(text) for text in draft["fields"].values() if text]
    return fields + [message["content"] for message in draft["messages"] or ()]


def _example(draft: DraftRow, source: str) -> Example:
    fields = draft["fields"]
    if fields["label"] not in LABELS:
        raise InputError(
            f"source {source}: label {fields['label']!r}; map every label to positive or negative, as in "
            "labels: {hate: positive, none: negative}"
        )
    text = "\n".join(part for part in (fields["instruction"], fields["input"]) if part)
    return Example(text, LABELS[fields["label"]], source)


def part_of(text: str, config: HarmModelConfig) -> Part:
    """By the hash of the normalized text, so that a repeated text never stands on both sides."""
    share = stable_hash("harm", config.seed, comparable(text)) / 2**64
    if share < config.heldout:
        return "heldout"
    return "val" if share < config.heldout + config.val else "train"


class Matrix(NamedTuple):
    """Sparse binary features of texts: `ids` of all rows one after another, `lengths` of the rows."""

    ids: np.ndarray  # int64 (num_features,)
    lengths: np.ndarray  # int64 (num_texts,)

    def logits(self, weights: np.ndarray, intercept: float) -> np.ndarray:
        """float64 (num_texts,); each row counts as a vector of length one."""
        starts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        return np.add.reduceat(weights[self.ids], starts) * self.lengths**-0.5 + intercept


def matrix(texts: Iterable[str], features: Features) -> Matrix:
    """The features of the texts."""
    rows = [features.ids(text) for text in texts]
    return Matrix(np.concatenate(rows), np.array([len(row) for row in rows]))


def fit(x: Matrix, positive: np.ndarray, *, num_weights: int, config: HarmModelConfig) -> np.ndarray:
    """Weights and, last, the intercept: float64 (num_weights + 1,)."""
    parameters = torch.zeros(num_weights + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [parameters], max_iter=config.max_iterations, history_size=10, line_search_fn="strong_wolfe"
    )
    sign = np.where(positive, 1.0, -1.0)
    scale = x.lengths**-0.5

    def loss_and_grad() -> float:
        weights = parameters.detach().numpy()
        margin = sign * x.logits(weights[:-1], weights[-1])
        wrong = np.exp(-np.logaddexp(0, margin))  # the probability of the other label
        slope = -sign * wrong
        per_id = np.repeat(slope * scale, x.lengths)
        grad = np.append(np.bincount(x.ids, weights=per_id, minlength=num_weights), slope.sum())
        grad[:-1] += config.penalty * weights[:-1]
        parameters.grad = torch.from_numpy(grad)
        return float(np.logaddexp(0, -margin).sum() + config.penalty / 2 * weights[:-1] @ weights[:-1])

    optimizer.step(loss_and_grad)
    return parameters.detach().numpy()


def score(said: np.ndarray, positive: np.ndarray) -> Scores:
    """Precision, recall and F1 of boolean answers; 0 where nothing was said or nothing is there."""
    hits = int((said & positive).sum())
    precision = hits / max(int(said.sum()), 1)
    recall = hits / max(int(positive.sum()), 1)
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return Scores(precision, recall, f1, len(positive), int(positive.sum()))


def choose_threshold(
    logits: np.ndarray,
    positive: np.ndarray,
    *,
    sources: np.ndarray,
    min_precision: float,
    never_above: float = -np.inf,
) -> float:
    """The logit from which on yes is said: the best F1 where the precision holds in every source.

    `sources` (num_texts,) names each text's source; one without positives asks for nothing. The threshold
    must be above the logit `never_above`, for the sake of clean texts.

    Raises:
        GateError: no threshold keeps it.
    """
    order = np.argsort(-logits, kind="stable")
    hit, source = positive[order], sources[order]
    said = np.arange(1, len(order) + 1)
    f1 = 2 * np.cumsum(hit) / (said + positive.sum())
    lowest = np.ones(len(order))
    for name in np.unique(sources[positive]):
        inside = source == name
        precision = np.cumsum(hit & inside) / np.maximum(np.cumsum(inside), 1)
        lowest = np.minimum(lowest, precision)
    f1[(lowest < min_precision) | (logits[order] <= never_above)] = 0
    best = int(np.argmax(f1))
    if f1[best] == 0:
        raise GateError(
            f"no threshold keeps a precision of {min_precision} in every source of the validation part, and "
            "the clean texts below it; give more data, lower min_precision, or raise max_clean_share"
        )
    return float(logits[order[best]])


def in_parts(examples: Iterable[Example], config: HarmModelConfig) -> dict[Part, list[Example]]:
    """The examples of each part."""
    parts: dict[Part, list[Example]] = {"train": [], "val": [], "heldout": []}
    for example in examples:
        parts[part_of(example.text, config)].append(example)
    return parts


def train_head(
    category: str,
    examples: Sequence[Example],
    clean: Sequence[Example],
    *,
    features: Features,
    config: HarmModelConfig,
) -> tuple[Head, dict[str, float]]:
    """A head, and how it does on the validation and the held-out part."""
    parts = in_parts(examples, config)
    clean_parts = in_parts(clean, config)
    for part, found in parts.items():
        if len({example.positive for example in found}) < 2:
            raise InputError(
                f"head {category}: the {part} part ({len(found)} texts) lacks positives or negatives"
            )
    learnt = parts["train"] + clean_parts["train"]
    fitted = fit(
        matrix((e.text for e in learnt), features),
        np.array([e.positive for e in learnt]),
        num_weights=2**features.bits,
        config=config,
    )
    weights, intercept = fitted[:-1].astype(np.float32), float(fitted[-1])

    def logits_of(some: dict[Part, list[Example]]) -> dict[str, np.ndarray]:
        matrices = {part: matrix((e.text for e in found), features) for part, found in some.items() if found}
        return {part: x.logits(weights, intercept) for part, x in matrices.items()}

    logits, clean_logits = logits_of(parts), logits_of(clean_parts)
    positive = {part: np.array([e.positive for e in found]) for part, found in parts.items()}
    threshold = choose_threshold(
        logits["val"],
        positive["val"],
        sources=np.array([e.source for e in parts["val"]]),
        min_precision=config.min_precision,
        never_above=float(np.quantile(clean_logits["val"], 1 - config.max_clean_share))
        if "val" in clean_logits
        else -np.inf,
    )
    metrics: dict[str, float] = {"train_n": len(learnt)}
    for part in ("val", "heldout"):
        for name, value in score(logits[part] >= threshold, positive[part])._asdict().items():
            metrics[f"{part}_{name}"] = round(value, 4)
        if part in clean_logits:
            metrics[f"{part}_clean_share"] = round(float((clean_logits[part] >= threshold).mean()), 5)
    return Head(category, weights, intercept, sigmoid(threshold)), metrics


def data_sha256(examples: Iterable[Example]) -> str:
    """Of the texts and labels in order, so that it says what was learnt from, not where it lay."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(f"{example.text}\0{int(example.positive)}\n".encode())
    return digest.hexdigest()


def train(config: HarmModelConfig, *, base: Path, out: Path) -> dict[str, dict[str, float]]:
    """Train all heads and write the folder; the metrics of each head."""
    features = Features(bits=config.bits)
    weights, heads, metrics, digests = {}, {}, {}, {}
    clean = read_clean(config, base=base)
    for category, sources in config.heads.items():
        examples, rejected = read_examples(sources, base=base)
        for reason, count in sorted(rejected.items()):
            print(f"{category}: {count} records left out: {reason}")
        head, metrics[category] = train_head(category, examples, clean, features=features, config=config)
        weights[category], digests[category] = head.weights, data_sha256([*examples, *clean])
        heads[category] = head_config(head, metrics[category])
    out.mkdir(parents=True, exist_ok=True)
    save_file(weights, out / WEIGHTS_NAME)
    text = model_config(features, heads, data_sha256=digests, training=config.model_dump(mode="json"))
    (out / CONFIG_NAME).write_text(text, encoding="utf-8")
    return metrics


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: exit code 0, or that of the error."""
    parser = argparse.ArgumentParser(prog="harm-model", description="Train a classifier of harmful text.")
    parser.add_argument("data", type=Path, help="a YAML file with the labelled sources of each head")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)  # sums in one order: the same model on any machine
    start = time.perf_counter()
    try:
        metrics = train(load_config(given.data), base=given.data.parent, out=given.out)
    except HunminError as error:
        print(f"harm-model: {error}", file=sys.stderr)
        return error.exit_code
    for category, values in metrics.items():
        print(f"{category}: " + ", ".join(f"{name} {value}" for name, value in values.items()))
    print(f"harm-model: {given.out}, {time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
