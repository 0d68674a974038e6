"""What a check of this machine found: a line of a table."""

from dataclasses import dataclass
from typing import Literal

State = Literal["pass", "FAIL", "skip"]


@dataclass(frozen=True)
class Outcome:
    """`measured` and `bound` say the figure and what it must be, with units; `reason` says why, in words."""

    name: str
    state: State
    measured: str = ""
    bound: str = ""
    reason: str = ""
