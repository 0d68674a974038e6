"""Which rank holds the others up. Under ZeRO-3 all take the same time for a step; this tells who worked."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

FACTOR = 1.5  # of the other ranks' median
STEPS = 10  # in a row

_SCHEDSTAT = Path("/proc/thread-self/schedstat")


def busy_seconds() -> float:
    """Seconds in which this thread ran or wanted to run: CPU time, and time in the queue for a core.

    Waiting for another rank is neither; a core that is slow or shared with a neighbour is both. Says nothing
    of a GPU. Where the kernel keeps no such statistics (proc(5), schedstat), CPU time alone.
    """
    if _SCHEDSTAT.exists():
        on_cpu, in_queue, _ = map(int, _SCHEDSTAT.read_text().split())
        return (on_cpu + in_queue) / 1e9
    return time.thread_time()


class Stragglers:
    """Names a rank that works FACTOR times as long as the median of the others, STEPS steps in a row."""

    def __init__(self, hosts: Sequence[str]):
        self._hosts = hosts
        self._in_a_row = np.zeros(len(hosts), int)

    def see(self, seconds: np.ndarray) -> str | None:
        """Take a step's seconds of work by rank; a line once a rank has straggled long enough.

        Said once; again only after the rank has kept up in between.
        """
        lines = []
        for rank, host in enumerate(self._hosts):
            others = np.delete(seconds, rank)
            slow = len(others) > 0 and seconds[rank] > FACTOR * max(float(np.median(others)), 1e-3)
            self._in_a_row[rank] = self._in_a_row[rank] + 1 if slow else 0
            if self._in_a_row[rank] == STEPS:
                factor = seconds[rank] / max(float(np.median(others)), 1e-3)
                lines.append(f"rank {rank} on {host} works {factor:.1f} times as long as the others")
        return "; ".join(lines) or None
