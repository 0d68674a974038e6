"""What answers repeat of the train split word for word: long spans of tokens, and personal data.

The train split is read once, shard by shard, at numpy's speed; only hashes of the answers' spans are held.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hunmin.artifact import verify
from hunmin.hashing import GOLDEN, SPLITMIX_64, mixed
from hunmin.safety.nobodys import as_compared
from hunmin.shards import read_shards

SPAN_TOKENS = 50  # of a span that counts as repeated, as Carlini et al. (2023) count it

_FIRST_BITS = 24

Ids = NDArray[np.int64]
Hashes = NDArray[np.uint64]


def span_hashes(ids: Ids, length: int) -> Hashes:
    """A 64-bit hash of every span of `length` tokens, by its first; empty where there are fewer.

    Made by joining shorter spans' hashes, so it costs the logarithm of the length. Two different spans of a
    run meet by chance about once in ten million runs of a billion train tokens.
    """
    hashes = mixed(ids.astype(np.uint64) + np.uint64(GOLDEN), SPLITMIX_64)
    width = 1
    while width < length:
        step = min(width, length - width)  # spans at a distance of `step` overlap or touch
        hashes = mixed(hashes[: max(len(hashes) - step, 0)] * np.uint64(GOLDEN) + hashes[step:], SPLITMIX_64)
        width += step
    return hashes


def longest_repeats(
    answers: Sequence[Ids], prompts: Sequence[Ids], train: Iterable[Ids], *, length: int = SPAN_TOKENS
) -> list[int]:
    """Tokens of the longest span of each answer that stands in the train split; 0 below `length`.

    Spans that stand in the answer's own prompt do not count: it may have copied them from there.

    Args:
        answers, prompts: ids of each, without special tokens.
        train: ids of the train split, in pieces.
    """
    spans = [span_hashes(answer, length) for answer in answers]
    own = [
        hashes[~np.isin(hashes, span_hashes(prompt, length))]
        for hashes, prompt in zip(spans, prompts, strict=True)
    ]
    wanted = np.unique(np.concatenate([np.empty(0, np.uint64), *own]))
    seen = np.zeros(len(wanted), dtype=bool)
    # By their first bits nearly all spans of the train split are seen to be none of them.
    begins = np.zeros(1 << _FIRST_BITS, dtype=bool)
    begins[wanted >> np.uint64(64 - _FIRST_BITS)] = True
    for ids in train if len(wanted) else ():
        hashes = span_hashes(ids, length)
        hashes = hashes[begins[hashes >> np.uint64(64 - _FIRST_BITS)]]
        places = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
        seen[places[wanted[places] == hashes]] = True
    repeated = wanted[seen]
    runs = [
        _longest_run(np.isin(hashes, repeated) & np.isin(hashes, kept))
        for hashes, kept in zip(spans, own, strict=True)
    ]
    return [run + length - 1 if run else 0 for run in runs]


def _longest_run(marks: NDArray[np.bool_]) -> int:
    """The most marks in a row."""
    ends = np.flatnonzero(np.diff(np.concatenate([[0], marks.astype(np.int8), [0]])))
    return int((ends[1::2] - ends[::2]).max(initial=0))


def train_ids(data_dir: Path) -> Iterator[Ids]:
    """The packs of the train split over all epochs, a shard at a time.

    Raises:
        ArtifactError: a shard is missing or differs from what the data stage wrote.
    """
    verify(data_dir, cure="hunmin data CONFIG", only=("train/",))
    for table in read_shards(data_dir / "train"):
        for chunk in table.column("input_ids").chunks:
            yield chunk.flatten().to_numpy().astype(np.int64)


def found_in_train(values: Collection[str], data_dir: Path, tokenizer: Any) -> set[str]:
    """Those of the values that stand in a train row, but for separators and case.

    Decodes the train split, which takes some seconds a million tokens; nothing where there are no values.
    """
    forms = {value: as_compared(value) for value in values}
    found: set[str] = set()
    for ids in train_ids(data_dir) if forms else ():
        text = as_compared(tokenizer.decode(ids.tolist(), skip_special_tokens=True))
        found |= {value for value, form in forms.items() if form in text}
    return found
