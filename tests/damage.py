"""Damage as disks and hands do it: a byte that changed, an end that is gone. The same in every run."""

from collections.abc import Iterator


def damaged(content: bytes, *, every: int) -> Iterator[bytes]:
    """The content with one bit flipped, then cut there, at each `every`-th byte and at the last one."""
    for number, place in enumerate(sorted({*range(0, len(content), every), len(content) - 1})):
        flipped = bytearray(content)
        flipped[place] ^= 1 << number % 8
        yield bytes(flipped)
        yield content[:place]
