"""Texts as hashed character n-grams: pure numpy, the same numbers on every machine and in every process."""

import numpy as np
import numpy.typing as npt

from hunmin.hashing import GOLDEN, MURMUR3_64, mixed
from hunmin.rows import DraftRow, said_by

Hashes = npt.NDArray[np.uint64]

_MULTIPLIERS = mixed(np.arange(1, 33, dtype=np.uint64) * np.uint64(GOLDEN), MURMUR3_64) | np.uint64(1)


def shingle_hashes(text: str, *, size: int, salt: int = 0) -> Hashes:
    """A hash for each window of `size` characters, in order, repeats included.

    A window's hash is the sum of its code points, each times its place's own odd 64-bit number, mixed: one
    vectorised correlation instead of a Python string a window. A shorter text is one window.

    Args:
        text: any text without lone surrogates.
        size: characters a window, at most 32.
        salt: 64 bits; texts of different salts share no window.

    Returns:
        (max(1, len(text) - size + 1),) of uint64.
    """
    # Plus one: a text must differ from the same text with U+0000 behind it.
    points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4").astype(np.uint64) + np.uint64(1)
    if not len(points):
        points = np.zeros(1, dtype=np.uint64)  # the empty text has a window too
    sums = np.correlate(points, _MULTIPLIERS[: min(size, len(points))], mode="valid")
    return mixed(sums + np.uint64(salt), MURMUR3_64)


def turns_of(draft: DraftRow, *, thoughts: bool = False) -> list[tuple[str, str]]:
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
