"""Texts as hashed character n-grams: pure numpy, the same numbers on every machine and in every process."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hunmin.hashing import GOLDEN, MURMUR3_64, mixed
from hunmin.rows import DraftRow, Row, said_by

Hashes = npt.NDArray[np.uint64]

_MULTIPLIERS = mixed(np.arange(1, 33, dtype=np.uint64) * np.uint64(GOLDEN), MURMUR3_64) | np.uint64(1)


def shingle_hashes(
    texts: Sequence[str], *, size: int, salts: Sequence[int] | None = None
) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """A hash for each window of `size` characters of each text, in order, repeats included.

    A window's hash is the sum of its code points, each times its place's own odd 64-bit number, mixed: a few
    array operations for all texts together instead of a Python string a window. A shorter text is one window.

    Args:
        texts: any texts without lone surrogates.
        size: characters a window, at most 32.
        salts: 64 bits a text; texts of different salts share no window.

    Returns:
        (windows,) of uint64, and where each text's begin: (len(texts) + 1,). Each text has at least one.
    """
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    counts = np.maximum(1, lengths - size + 1)
    starts = np.concatenate(([0], np.cumsum(counts)))
    # Plus one: a text must differ from the same text with U+0000 behind it. Behind each text stand zeros.
    points = np.frombuffer("".join(texts).encode("utf-32-le"), dtype="<u4")
    padded = np.zeros(len(points) + size * len(texts), dtype=np.uint64)
    gaps = size * np.arange(len(texts))
    padded[np.arange(len(points)) + np.repeat(gaps, lengths)] = points + np.uint64(1)
    firsts = np.cumsum(lengths) - lengths + gaps  # of each text in `padded`
    windows = np.arange(starts[-1]) + np.repeat(firsts - starts[:-1], counts)
    sums = padded[windows] * _MULTIPLIERS[0]
    for place in range(1, size):
        sums += padded[windows + place] * _MULTIPLIERS[place]
    if salts is not None:
        sums += np.repeat(np.array(salts, dtype=np.uint64), counts)
    return mixed(sums, MURMUR3_64), starts


def turns_of(draft: DraftRow | Row, *, thoughts: bool = False) -> list[tuple[str, str]]:
    """What was asked and what was answered, in order: one pair for a row, one a turn for a conversation.

    What a row asks is its input; the instruction counts only where there is no input, because wordings and
    task definitions stand in thousands of rows and say nothing about one of them. A system message is no
    turn; a tool's result is what the answer behind it was asked, and a call is an answer.

    Args:
        thoughts: of an assistant are part of its answer.
    """
    if not draft["messages"]:
        fields = draft["fields"]
        return [(fields["input"] or fields["instruction"] or "", fields["answer"])]
    pairs: list[tuple[str, str]] = []
    asked = ""
    for message in draft["messages"]:
        if message["role"] in ("user", "tool"):
            asked = message["content"]
        elif message["role"] == "assistant":
            thought = message.get("reasoning") if thoughts else None
            pairs.append((asked, f"{thought}\n{said_by(message)}" if thought else said_by(message)))
    return pairs
