"""How many different things there are among many, counted in little memory and merged in any order."""

import base64

import numpy as np

SIZE = 4096  # hashes kept: counts below are exact, those above off by 1.6 % (one standard error)


class DistinctCount:
    """The k smallest of the hashes seen: what came twice counts once.

    The k-th smallest of n values drawn evenly from [0, 1) lies near k / n, so (k - 1) / it estimates n
    without bias (Beyer et al. 2007, doi:10.1145/1247480.1247504). Merging keeps the k smallest of both,
    which is what one sketch of everything would hold: parts may come in any order.
    """

    def __init__(self, smallest: np.ndarray | None = None, *, size: int = SIZE):
        self.size = size
        self.smallest = np.empty(0, np.uint64) if smallest is None else smallest  # ascending, distinct

    def add(self, hashes: np.ndarray) -> None:
        """Take in hashes: uint64, evenly spread, equal for equal things."""
        if len(self.smallest) == self.size:
            hashes = hashes[hashes < self.smallest[-1]]
        if len(hashes):
            self.smallest = np.union1d(self.smallest, hashes)[: self.size]

    def merge(self, other: "DistinctCount") -> None:
        """Take in what another one saw."""
        self.add(other.smallest)

    def estimate(self) -> int:
        """How many different hashes were seen; exact below `size`."""
        if len(self.smallest) < self.size:
            return len(self.smallest)
        return round((self.size - 1) * 2**64 / (int(self.smallest[-1]) + 1))

    def to_text(self) -> str:
        """For JSON."""
        return base64.b64encode(self.smallest.astype("<u8").tobytes()).decode()

    @classmethod
    def from_text(cls, text: str, *, size: int = SIZE) -> "DistinctCount":
        """What `to_text` wrote."""
        return cls(np.frombuffer(base64.b64decode(text), "<u8").astype(np.uint64), size=size)
