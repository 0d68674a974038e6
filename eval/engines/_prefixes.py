"""Which prompts of a batch begin alike, and who reads what they share. Pure functions of token ids."""

from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MIN_SHARED = 16  # tokens; below, one more forward costs more than they do

Ids = list[int]
Named = tuple[Ids, int]  # a prompt and its key, as they are sorted


@dataclass(frozen=True)
class Share:
    """What a prompt need not read: its first `num_tokens` are those of the prompt `lender`."""

    lender: int | None = None
    num_tokens: int = 0


def num_shared(first: Ids, second: Ids) -> int:
    """Tokens that both begin with. Slices are compared, of half of what is left, and not single tokens."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def cut_waves(there: Mapping[int, Ids], coming: Mapping[int, Ids]) -> list[dict[int, Share]]:
    """In which order to read the prompts that come into a batch, by key, and who lends each its beginning.

    A prompt borrows from one that is there or was read in an earlier wave. It waits for a wave where another
    that comes will share MIN_SHARED tokens more with it. Its last token it reads itself, for the logits.
    """
    ready = sorted((ids, key) for key, ids in there.items())
    waiting = sorted((ids, key) for key, ids in coming.items())
    waves = []
    while waiting:
        wave: dict[int, Share] = {}
        later: list[Named] = []
        for place, (ids, key) in enumerate(waiting):
            share = _largest_share(ids, ready)
            before = num_shared(ids, waiting[place - 1][0]) if place else 0
            if before >= share.num_tokens + MIN_SHARED:
                later.append((ids, key))
            else:
                wave[key] = share
        ready = sorted([*ready, *((coming[key], key) for key in wave)])
        waiting = later
        waves.append(wave)
    return waves


def _largest_share(ids: Ids, ready: Sequence[Named]) -> Share:
    """Of what is ready: among sorted prompts the neighbours share most."""
    place = bisect(ready, (ids, -1))
    shares = [Share(key, num_shared(ids, other)) for other, key in ready[max(place - 1, 0) : place + 1]]
    best = max(shares, key=lambda share: share.num_tokens, default=Share())
    return (
        Share(best.lender, min(best.num_tokens, len(ids) - 1)) if best.num_tokens >= MIN_SHARED else Share()
    )


def cut_alike(num_unread: Mapping[int, int]) -> list[list[int]]:
    """Cut a wave into forwards: none reads more than about twice what its prompts, by key, have unread."""
    forwards: list[list[int]] = []
    shortest = 0
    for key in sorted(num_unread, key=lambda key: (num_unread[key], key)):
        if not forwards or num_unread[key] > 2 * shortest + MIN_SHARED:
            forwards.append([])
            shortest = num_unread[key]
        forwards[-1].append(key)
    return forwards
