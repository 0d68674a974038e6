"""A linear classifier over hashed character n-grams: harm that no word list names.

Needs numpy only, and no pickle: a folder with model.safetensors (one weight vector a head) and config.json.
Made by `python -m tools.train_harm_model`.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from hunmin.errors import InputError, one_line
from hunmin.hashing import GOLDEN
from hunmin.safety.detector import Hit
from hunmin.safety.disguises import canonical

FORMAT_VERSION = 1
WEIGHTS_NAME, CONFIG_NAME = "model.safetensors", "config.json"

_SPACE = re.compile(r"\s+")
_LONG_RUN = re.compile(r"(.)\1{2,}")
_MULTIPLIER = np.uint64(GOLDEN)
_MIXER = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True)
class Features:
    """What the classifier looks at: n-grams of characters and of jamo, both from - to, in 2**bits buckets."""

    chars: tuple[int, int] = (1, 4)
    jamo: tuple[int, int] = (1, 6)
    bits: int = 18

    def ids(self, text: str) -> np.ndarray:
        """The buckets of a text, each once, ascending: int64 (num_features,). Never empty."""
        text = _LONG_RUN.sub(r"\1\1", _SPACE.sub(" ", f" {canonical(text).lower()} "))
        hashes = [
            *_hashes(text, self.chars, salt=1),
            *_hashes(unicodedata.normalize("NFD", text), self.jamo, salt=2),
        ]
        buckets = np.concatenate(hashes) >> np.uint64(64 - self.bits)
        return np.unique(buckets).astype(np.int64)


def _hashes(text: str, lengths: tuple[int, int], *, salt: int) -> list[np.ndarray]:
    """64-bit hashes of the n-grams, an array for each n: a rolling polynomial, then mixed."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    rolling = codes + np.uint64(salt << 32)
    out = []
    for length in range(1, lengths[1] + 1):
        if length > 1:
            if len(rolling) < 2:
                break
            rolling = rolling[:-1] * _MULTIPLIER + codes[length - 1 :]
        if length >= lengths[0]:
            mixed = (rolling ^ (rolling >> np.uint64(32))) * _MIXER
            out.append((mixed ^ (mixed >> np.uint64(29))) * _MULTIPLIER)
    return out or [rolling]


@dataclass(frozen=True)
class Head:
    """One question to a text; its `category` is harmful, bias, bias:gender or the like."""

    category: str
    weights: np.ndarray  # float32 (2**bits,)
    intercept: float
    threshold: float  # of the probability


class Classifier:
    """Scores texts; as a detector it tells the categories at or above their thresholds.

    A long text is as harmful as its worst paragraph, so each line is scored by itself.
    """

    def __init__(self, features: Features, heads: Sequence[Head]) -> None:
        self.features = features
        self.heads = tuple(heads)

    def scores(self, text: str) -> list[float]:
        """The probability of each head, the highest of any line."""
        lines = [line for line in text.split("\n") if line.strip()]
        found = [self._line_scores(line) for line in lines]
        return [max(column) for column in zip(*found, strict=True)] if found else [0.0] * len(self.heads)

    def _line_scores(self, line: str) -> list[float]:
        ids = self.features.ids(line)
        scale = len(ids) ** -0.5
        return [sigmoid(float(head.weights[ids].sum()) * scale + head.intercept) for head in self.heads]

    def find(self, text: str) -> list[Hit]:
        """A hit per head that says yes, its score as the term."""
        pairs = zip(self.heads, self.scores(text), strict=True)
        return [Hit(head.category, f"score {score:.2f}") for head, score in pairs if score >= head.threshold]


def sigmoid(logit: float) -> float:
    """The probability of a logit, in the range that exp can take."""
    return float(1 / (1 + np.exp(-np.clip(logit, -500, 500))))


def head_config(head: Head, metrics: dict[str, float]) -> dict[str, object]:
    """What config.json says of a head."""
    return {"intercept": head.intercept, "threshold": head.threshold, "metrics": metrics}


def model_config(features: Features, heads: dict[str, dict[str, object]], **more: object) -> str:
    """config.json: what `load_classifier` reads, and whatever else the training wants to tell."""
    config = {"format_version": FORMAT_VERSION, "features": asdict(features), "heads": heads, **more}
    return json.dumps(config, ensure_ascii=False, indent=2) + "\n"


def load_classifier(
    folder: Path, *, threshold: float | None = None, key: str = "data.safety.classifier"
) -> Classifier:
    """The classifier of a folder; `threshold`, where given, instead of the ones chosen at its training.

    `key` of the config names the folder, for messages.

    Raises:
        InputError: the folder is not one that the training writes.
    """
    cure = f"make it with: make harm-model DATA=harm.yaml OUT=FOLDER, or remove {key}"
    for path in (folder, folder / CONFIG_NAME, folder / WEIGHTS_NAME):
        if not path.exists():
            raise InputError(
                f"{key}: {path} does not exist; needed is a folder with {CONFIG_NAME} and "
                f"{WEIGHTS_NAME}; {cure}"
            )
    try:
        config = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
        weights = load_file(folder / WEIGHTS_NAME)
        if config["format_version"] != FORMAT_VERSION:
            raise InputError(
                f"{folder}: format_version {config['format_version']}, needed {FORMAT_VERSION}; {cure}"
            )
        given = config["features"]
        features = Features(tuple(given["chars"]), tuple(given["jamo"]), given["bits"])
        heads = [
            Head(name, weights[name], float(head["intercept"]), threshold or float(head["threshold"]))
            for name, head in config["heads"].items()
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise InputError(
            f"{folder}: no classifier can be read there ({type(error).__name__}: {one_line(error)}); {cure}"
        ) from error
    for head in heads:
        if head.weights.shape != (2**features.bits,):
            raise InputError(
                f"{folder}: head {head.category} has weights of shape {head.weights.shape}, "
                f"needed ({2**features.bits},); {cure}"
            )
    return Classifier(features, heads)
