"""Damage as disks and hands do it: a byte that changed, an end that is gone. The same in every run."""

from collections.abc import Callable, Iterator
from typing import Any

from hunmin.errors import HunminError


def damaged(content: bytes, *, every: int) -> Iterator[bytes]:
    """The content with one bit flipped, then cut there, at each `every`-th byte and at the last one."""
    for number, place in enumerate(sorted({*range(0, len(content), every), len(content) - 1})):
        flipped = bytearray(content)
        flipped[place] ^= 1 << number % 8
        yield bytes(flipped)
        yield content[:place]


def outcome(act: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[str, Any]:
    """What a user is told and None, or nothing and what came out; any other error is a bug."""
    try:
        return "", act(*args, **kwargs)
    except HunminError as error:
        return str(error), None
