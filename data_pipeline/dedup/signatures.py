"""Near duplicates, the part that looks at one row: MinHash signatures of what is asked and what is answered.

The two halves are kept apart, because a row is one too many only where both are alike. A passage of 2,000
characters with two different answers, one refusal of ten different requests, one review called good and
called bad are all more than 90 % alike as whole texts, and none of them is a duplicate.
"""

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data_pipeline.dedup.shingles import Hashes, shingle_hashes, turns_of
from data_pipeline.dedup.spellings import without_particles, words_of
from hunmin.hashing import MURMUR3_32, MURMUR3_64, mixed, stable_hash
from hunmin.language.script import comparable
from hunmin.rows import DraftRow, Row

HALF_PERM = 64  # permutations a half; a similarity is known to +- 0.05 (one sigma, at 0.8)
NUM_PERM = 2 * HALF_PERM
SHINGLE_CHARS = 4
MIN_CHARS = 20  # shorter texts are near only where they are equal: one letter may turn the meaning
NEAR_COLUMNS = [
    ("signature", pa.list_(pa.uint32())),
    ("near_words", pa.uint64()),  # `content_words`
]

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_OPERATOR = re.compile(r"[+*=<>%^×÷±≤≥≠]")
_HALVES = ("asked", "answered")


def _forms(draft: DraftRow | Row) -> list[str]:
    turns = turns_of(draft, thoughts=True)  # two ways to one answer are no duplicates
    return [comparable("\n".join(turn[half] for turn in turns)) for half in (0, 1)]


def signatures(drafts: Sequence[DraftRow | Row]) -> npt.NDArray[np.uint32]:
    """(rows, NUM_PERM) MinHash values: HALF_PERM of what is asked, then HALF_PERM of what is answered.

    The share of equal values in a half estimates the Jaccard similarity of the halves' shingles. It is 0 but
    for accidents where the guard differs (see `guard`), and 1 or 0 for texts below MIN_CHARS.
    """
    halves = [(half, form) for draft in drafts for half, form in zip(_HALVES, _forms(draft), strict=True)]
    short = [len(form) < MIN_CHARS for _, form in halves]
    hashes, starts = shingle_hashes(
        ["" if is_short else form for (_, form), is_short in zip(halves, short, strict=True)],
        size=SHINGLE_CHARS,
        salts=[stable_hash(half, "guard", guard(form)) for half, form in halves],
    )
    for index in np.flatnonzero(short):  # such a text is one shingle, as a whole
        half, form = halves[index]
        hashes[starts[index]] = stable_hash(half, "short", form)
    minima = permuted_minima((hashes >> np.uint64(32)).astype(np.uint32), starts)
    return minima.reshape(len(drafts), NUM_PERM)


def near_columns(drafts: Sequence[DraftRow | Row]) -> dict[str, pa.Array]:
    """NEAR_COLUMNS of rows."""
    values = pa.array(signatures(drafts).ravel())
    ends = pa.array(range(0, len(values) + 1, NUM_PERM), pa.int32())
    return {
        "signature": pa.ListArray.from_arrays(ends, values),
        "near_words": pa.array([content_words(draft) for draft in drafts], pa.uint64()),
    }


def content_words(draft: DraftRow | Row) -> int | None:
    """A hash of the words that are asked about, without particles, where the answer is no more than a label.

    Answers of a label task are all equal, so that one word of what is asked decides: 찬물 or 더운물.
    None where the answer (MIN_CHARS or more) says itself what the row is about.
    """
    asked, answered = _forms(draft)
    if len(answered) >= MIN_CHARS:
        return None
    return stable_hash("words", without_particles(words_of(asked)))


def guard(text: str) -> str:
    """What must be equal in near duplicates: the multiset of numbers, and of signs of arithmetic.

    "3 + 4" and "3 + 5" differ in one character of many, and in everything that matters.
    """
    return " ".join([*sorted(_NUMBER.findall(text)), *sorted(_OPERATOR.findall(text))])


def permuted_minima(values: npt.NDArray[np.uint32], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
    """Datasketch's "affine32" MinHash of values that are hashes already (a test holds that they are equal).

    Its own update takes a Python call a shingle and is many times slower; docs/deduplication.md has figures.

    Args:
        values: of all texts, one after another.
        starts: (texts + 1,), where each text's values begin; none is without.

    Returns:
        (texts, HALF_PERM).
    """
    lowest = np.empty((len(starts) - 1, HALF_PERM), dtype=np.uint32)
    values = mixed(values, MURMUR3_32)  # as datasketch does before it permutes
    permuted = np.empty_like(values)
    for place, (multiplier, offset) in enumerate(zip(*_permutations(), strict=True)):
        np.multiply(values, multiplier, out=permuted)
        permuted += offset
        if len(values):
            lowest[:, place] = np.minimum.reduceat(permuted, starts[:-1])
    return lowest


@cache
def _permutations() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """(HALF_PERM,) each: an odd factor and an offset, as datasketch draws them for seed 1."""
    draw = np.random.RandomState(1)
    halved, offset = (draw.randint(0, high, HALF_PERM, dtype=np.uint32) for high in (2**31, 2**32))
    return halved * np.uint32(2) + np.uint32(1), offset


def banding(threshold: float) -> tuple[int, int]:
    """(bands, values a band): pairs that share a band are compared.

    Taken are the longest bands by which a pair at the threshold is found with a probability of 0.99.
    """
    lengths = range(1, HALF_PERM + 1)
    found = [n for n in lengths if 1 - (1 - threshold**n) ** (HALF_PERM // n) >= 0.99]
    longest = max(found, default=1)
    return HALF_PERM // longest, longest


def band_keys(signatures: npt.NDArray[np.uint32], *, threshold: float) -> Hashes:
    """(rows, bands): a hash of each band of the whole texts' MinHash values.

    The smaller of two halves' values is the value of their union. Whole texts are as much alike as the halves
    on average, so where both halves are at the threshold, the whole is. Bands of the halves would be no use:
    the answers of a label task are all equal.

    Args:
        signatures: (rows, NUM_PERM).
    """
    bands, length = banding(threshold)
    whole = signatures.reshape(-1, 2, HALF_PERM).min(axis=1)[:, : bands * length]
    points = whole.reshape(-1, bands, length).astype(np.uint64)
    total = np.broadcast_to(np.arange(bands, dtype=np.uint64), points.shape[:2])
    for place in range(length):
        total = mixed(total ^ points[:, :, place], MURMUR3_64)
    return total


def similarity(one: npt.NDArray[np.uint32], other: npt.NDArray[np.uint32]) -> npt.NDArray[np.float32]:
    """(pairs,) estimated Jaccard similarity of the half that is less alike; both (pairs, NUM_PERM)."""
    equal = (one == other).reshape(-1, 2, HALF_PERM)
    return equal.mean(axis=2, dtype=np.float32).min(axis=1)
