"""Which rows share a pack: a pure function of (lengths, order, seq_len).

Two packers, of which the one with fewer packs is taken. Best-fit-decreasing (Johnson et al. 1974; for
language models Ding et al. 2024, arXiv:2404.10830) leaves a gap of half a short row in each pack. Filling
one pack after the other, longest row first, and closing each with a pair of rows that fits exactly leaves
next to none.
"""

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

PARTITION_ROWS = 1_000_000  # rows are packed one after another; partitions bound the memory and can run apart


class Packing(NamedTuple):
    """By row: its pack and its segment there, int32; and the number of packs."""

    pack: np.ndarray
    slot: np.ndarray
    num_packs: int


def assign_packs(lengths: Sequence[int] | np.ndarray, *, seq_len: int) -> Packing:
    """The better of exact fit and best fit; exact fit where they need as many packs.

    Args:
        lengths: tokens per row, in canonical row order; each from 1 to seq_len.

    Returns:
        Segments inside a pack and the packs themselves are in the order of their longest row; of rows of one
        length the earlier is packed first.

    Raises:
        ValueError: a length is not between 1 and seq_len.
    """
    tokens = np.asarray(lengths, np.int64)
    if len(tokens) and not (tokens.min() >= 1 and tokens.max() <= seq_len):
        raise ValueError(f"lengths must be in 1..{seq_len}, found {tokens.min()}..{tokens.max()}")
    exact, best = exact_fit(tokens, seq_len=seq_len), best_fit(tokens, seq_len=seq_len)
    return best if best.num_packs < exact.num_packs else exact


def best_fit(tokens: np.ndarray, *, seq_len: int) -> Packing:
    """Best-fit-decreasing: each row into the fullest open pack that still holds it. O(log seq_len) a row."""
    pack_of, slot_of = np.empty(len(tokens), np.int32), np.empty(len(tokens), np.int32)
    segments = array("i")  # how many each pack holds
    by_free: dict[int, array[int]] = {}  # free tokens -> packs with so much room, a stack
    sizes: list[int] = []  # the keys of by_free, sorted
    for index in np.argsort(-tokens, kind="stable"):
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


def exact_fit(tokens: np.ndarray, *, seq_len: int) -> Packing:
    """Pack by pack: the longest row that fits, until half a pack or less is free; then a row or a pair of
    rows of exactly that length where there are some. A pack is closed when no row fits.
    """
    pack_of, slot_of = np.empty(len(tokens), np.int32), np.empty(len(tokens), np.int32)
    rows = _ByLength(tokens, seq_len)
    pack = 0
    while rows.lengths:
        free, slot = seq_len, 0
        while rows.lengths and rows.lengths[0] <= free:
            found = rows.pair(free) if 2 * free <= seq_len else None
            for length in found or (rows.longest(free),):
                index = rows.take(length)
                pack_of[index], slot_of[index] = pack, slot
                free -= length
                slot += 1
        pack += 1
    return Packing(pack_of, slot_of, pack)


class _ByLength:
    """Rows that are not packed yet; `lengths` are those of which a row is left, ascending."""

    def __init__(self, tokens: np.ndarray, seq_len: int):
        self._rows = np.argsort(tokens, kind="stable")
        self._left = np.bincount(tokens, minlength=seq_len + 1)
        self._next = np.cumsum(self._left) - self._left  # where in _rows the next row of a length stands
        self.lengths: list[int] = np.flatnonzero(self._left).tolist()

    def longest(self, free: int) -> int:
        """The greatest length that fits."""
        return self.lengths[bisect_right(self.lengths, free) - 1]

    def pair(self, free: int) -> tuple[int, ...] | None:
        """One length or two that fill the free space exactly, the two as equal as can be: short rows, which
        close any gap, are kept for the last packs.
        """
        if self._left[free]:
            return (free,)
        fitting = self.lengths[bisect_left(self.lengths, (free + 1) // 2) : bisect_right(self.lengths, free)]
        longer = np.array(fitting, np.int64)
        shorter = free - longer
        there = self._left[shorter] > (shorter == longer)
        found = np.flatnonzero(there & (shorter > 0))
        return (fitting[found[0]], int(shorter[found[0]])) if len(found) else None

    def take(self, length: int) -> int:
        """The first row of this length; it is gone."""
        index = self._rows[self._next[length]]
        self._next[length] += 1
        self._left[length] -= 1
        if not self._left[length]:
            del self.lengths[bisect_left(self.lengths, length)]
        return int(index)


def num_partitions(num_rows: int, partition_rows: int = PARTITION_ROWS) -> int:
    """Hash partitions of about `partition_rows`; their number depends on the number of rows only."""
    return max(1, -(-num_rows // partition_rows))
