"""What an engine is: prompts in, answers out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Generation:
    """One answer. `ids` holds no end-of-turn token; `stopped`: the model ended it, not the limit."""

    ids: list[int]
    stopped: bool


@dataclass(frozen=True)
class GenerationSettings:
    """Everything but prompt and weights that an answer depends on."""

    max_new_tokens: int
    temperature: float  # 0: greedy
    seed: int  # of sampling
    stop_ids: tuple[int, ...]
    num_threads: int


class Engine(Protocol):
    """A loaded model."""

    def generate(self, prompts: Sequence[Sequence[int]]) -> list[Generation]:
        """Answer the prompts together, in their order."""
        ...
