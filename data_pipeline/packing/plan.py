"""Which rows share a pack: best-fit-decreasing over lengths, a pure function of (lengths, ids, seq_len).

Best fit takes the fullest open pack that still holds the row. With a segment tree over the free space
(Johnson et al. 1974; tree as in Ding et al. 2024, arXiv:2404.10830) a row costs O(log seq_len).
"""

from bisect import bisect_left, insort
from collections.abc import Sequence

PARTITION_ROWS = 1_000_000  # best fit is sequential; partitions bound its memory and can run apart


def plan_packs(lengths: Sequence[int], *, seq_len: int) -> list[list[int]]:
    """Best-fit-decreasing packs.

    Args:
        lengths: tokens per row, in canonical row order; each from 1 to seq_len.
        seq_len: tokens a pack may hold.

    Returns:
        Packs as lists of indices into `lengths`; every index once. Segments inside a pack and the packs
        themselves are in the order of their longest row, ties by index.

    Raises:
        ValueError: a length is not between 1 and seq_len.
    """
    if any(not 1 <= length <= seq_len for length in lengths):
        raise ValueError(f"lengths must be in 1..{seq_len}, found {min(lengths)}..{max(lengths)}")
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    packs: list[list[int]] = []
    by_free: dict[int, list[int]] = {}  # free tokens -> packs with so much room, a stack
    sizes: list[int] = []  # the keys of by_free, sorted
    for index in order:
        length = lengths[index]
        at = bisect_left(sizes, length)
        if at == len(sizes):
            pack, free = len(packs), seq_len
            packs.append([])
        else:
            free = sizes[at]
            pack = by_free[free].pop()
            if not by_free[free]:
                del by_free[free], sizes[at]
        packs[pack].append(index)
        left = free - length
        if left:
            if left not in by_free:
                by_free[left] = []
                insort(sizes, left)
            by_free[left].append(pack)
    return packs


def plan_partitions(
    hashes: Sequence[int], lengths: Sequence[int], *, seq_len: int, partition_rows: int = PARTITION_ROWS
) -> list[list[int]]:
    """`plan_packs` within hash partitions of about `partition_rows`; their number depends on rows only.

    Args:
        hashes: a stable unsigned 64-bit hash per row.
        lengths: tokens per row, same order.
        seq_len: tokens a pack may hold.
        partition_rows: rows a partition holds on average.

    Returns:
        Packs of all partitions in order, as lists of indices into `lengths`.
    """
    count = max(1, -(-len(lengths) // partition_rows))
    partitions: list[list[int]] = [[] for _ in range(count)]
    for index, value in enumerate(hashes):
        partitions[value % count].append(index)
    packs: list[list[int]] = []
    for members in partitions:
        local = plan_packs([lengths[i] for i in members], seq_len=seq_len)
        packs += [[members[i] for i in pack] for pack in local]
    return packs
