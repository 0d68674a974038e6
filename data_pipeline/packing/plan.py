"""Which rows share a pack: best-fit-decreasing over lengths, a pure function of (lengths, order, seq_len).

Best fit takes the fullest open pack that still holds the row. With the free spaces in order
(Johnson et al. 1974; tree as in Ding et al. 2024, arXiv:2404.10830) a row costs O(log seq_len).
"""

from array import array
from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

PARTITION_ROWS = 1_000_000  # best fit is sequential; partitions bound its memory and can run apart


class Packing(NamedTuple):
    """By row: its pack and its segment there, int32; and the number of packs."""

    pack: np.ndarray
    slot: np.ndarray
    num_packs: int


def assign_packs(lengths: Sequence[int] | np.ndarray, *, seq_len: int) -> Packing:
    """Best-fit-decreasing packs.

    Args:
        lengths: tokens per row, in canonical row order; each from 1 to seq_len.
        seq_len: tokens a pack may hold.

    Returns:
        Segments inside a pack and the packs themselves are in the order of their longest row, ties by index.

    Raises:
        ValueError: a length is not between 1 and seq_len.
    """
    tokens = np.asarray(lengths, np.int64)
    if len(tokens) and not (tokens.min() >= 1 and tokens.max() <= seq_len):
        raise ValueError(f"lengths must be in 1..{seq_len}, found {tokens.min()}..{tokens.max()}")
    order = np.argsort(-tokens, kind="stable")
    pack_of, slot_of = np.empty(len(tokens), np.int32), np.empty(len(tokens), np.int32)
    segments = array("i")  # how many each pack holds
    by_free: dict[int, array[int]] = {}  # free tokens -> packs with so much room, a stack
    sizes: list[int] = []  # the keys of by_free, sorted
    for index in order:
        length = int(tokens[index])
        at = bisect_left(sizes, length)
        if at == len(sizes):
            pack, free = len(segments), seq_len
            segments.append(0)
        else:
            free = sizes[at]
            pack = by_free[free].pop()
            if not by_free[free]:
                del by_free[free], sizes[at]
        pack_of[index], slot_of[index] = pack, segments[pack]
        segments[pack] += 1
        left = free - length
        if left:
            if left not in by_free:
                by_free[left] = array("i")
                insort(sizes, left)
            by_free[left].append(pack)
    return Packing(pack_of, slot_of, len(segments))


def num_partitions(num_rows: int, partition_rows: int = PARTITION_ROWS) -> int:
    """Hash partitions of about `partition_rows`; their number depends on the number of rows only."""
    return max(1, -(-num_rows // partition_rows))
