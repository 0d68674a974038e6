"""Near duplicates, the part that looks at one row: MinHash signatures of what is asked and what is answered.

The two halves are kept apart, because a row is one too many only where both are alike. A passage of 2,000
characters with two different answers, one refusal of ten different requests, one review called good and
called bad are all more than 90 % alike as whole texts, and none of them is a duplicate.
"""

import re
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from datasketch import MinHash

from data_pipeline.dedup.shingles import Hashes, shingle_hashes, turns_of
from hunmin.hashing import MURMUR3_32, MURMUR3_64, mixed, stable_hash
from hunmin.language.script import comparable
from hunmin.rows import DraftRow

HALF_PERM = 64  # permutations a half; a similarity is known to +- 0.05 (one sigma, at 0.8)
NUM_PERM = 2 * HALF_PERM
SHINGLE_CHARS = 4
MIN_CHARS = 20  # shorter texts are near only where they are equal: one letter may turn the meaning
NEAR_COLUMNS = [("signature", pa.list_(pa.uint32()))]

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_OPERATOR = re.compile(r"[+*=<>%^×÷±≤≥≠]")
_BLOCK = 4096  # shingles at a time: (64, 4096) of uint32 stay in the cache


def _halves(draft: DraftRow) -> list[str]:
    turns = turns_of(draft, thoughts=True)  # two ways to one answer are no duplicates
    return [comparable("\n".join(turn[half] for turn in turns)) for half in (0, 1)]


def signature(draft: DraftRow) -> list[int]:
    """MinHash values of a row: HALF_PERM of what is asked, then HALF_PERM of what is answered, each a uint32.

    The share of equal values in a half estimates the Jaccard similarity of the halves' shingles. It is 0 but
    for accidents where the guard differs (see `guard`), and 1 or 0 for texts below MIN_CHARS.
    """
    asked, answered = _halves(draft)
    return [*_minhash(asked, "asked").tolist(), *_minhash(answered, "answered").tolist()]


def guard(text: str) -> str:
    """What must be equal in near duplicates: the multiset of numbers, and of signs of arithmetic.

    "3 + 4" and "3 + 5" differ in one character of many, and in everything that matters.
    """
    return " ".join([*sorted(_NUMBER.findall(text)), *sorted(_OPERATOR.findall(text))])


def _minhash(form: str, half: str) -> npt.NDArray[np.uint32]:
    if len(form) < MIN_CHARS:
        hashes: Hashes = np.array([stable_hash(half, "short", form)], dtype=np.uint64)
    else:
        hashes = shingle_hashes(form, size=SHINGLE_CHARS, salt=stable_hash(half, "guard", guard(form)))
    return permuted_minima((hashes >> np.uint64(32)).astype(np.uint32))


def permuted_minima(values: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Datasketch's "affine32" MinHash of values that are hashes already (a test holds that they are equal).

    Its own update takes a Python call a shingle and is many times slower; docs/deduplication.md has figures.
    """
    multiplier, offset = _permutations()
    lowest = np.full(HALF_PERM, 2**32 - 1, dtype=np.uint32)
    values = mixed(values, MURMUR3_32)  # as datasketch does before it permutes
    for start in range(0, len(values), _BLOCK):
        block = multiplier * values[start : start + _BLOCK] + offset
        np.minimum(lowest, block.min(axis=1), out=lowest)
    return lowest


@cache
def _permutations() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """(HALF_PERM, 1) each, of datasketch's first seed."""
    drawn = np.asarray(MinHash(num_perm=HALF_PERM, seed=1, scheme="affine32").permutations)
    return drawn[0][:, None], drawn[1][:, None]  # type: ignore[call-overload, return-value]


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
