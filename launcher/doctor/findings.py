"""What `hunmin doctor` says of one thing. Standard library only, like all that the doctor needs to start."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "missing", "wrong", "optional"]
GIB = 1 << 30


@dataclass(frozen=True)
class Finding:
    """One line of the doctor.

    `missing` is needed and not there, `wrong` is a mistake in the user's config or data, `optional` is not
    there and only some work needs it.
    """

    section: str
    what: str
    status: Status
    found: str
    cure: str | None = None  # the command to type


def gib(size: float) -> str:
    """Bytes as a person reads them."""
    return f"{size / GIB:.0f} GiB" if size >= 10 * GIB else f"{size / GIB:.1f} GiB"
