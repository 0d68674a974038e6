"""The seam of engines: prompts in, answers out. A module here is an engine and holds an `ENGINE`.

`eval.engine` names one, or `auto`: the installed one that prefers this machine most.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from transformers import AutoConfig

from hunmin.registry import member

Capability = tuple[int, int]  # of a GPU, as CUDA counts them
DtypeName = Literal["float32", "bfloat16"]


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
    engine: str = "hf"
    dtype: DtypeName = "float32"


class Engine(Protocol):
    """A loaded model."""

    def generate(self, prompts: Sequence[Sequence[int]]) -> list[Generation]:
        """Answer the prompts together, in their order."""
        ...


def _always_installed() -> None:
    """Nothing is missing: hunmin's own packages suffice."""


@dataclass(frozen=True)
class EngineKind:
    """All that hunmin knows of an engine before it is loaded."""

    load: Callable[[str, GenerationSettings, str], Engine]  # of a folder or hub id, on a torch device
    packages: tuple[str, ...]  # whose versions stand beside the scores
    # How much `auto` wants it here, 0 for never; gets the number of GPUs and the lowest capability among
    # them, None where it is not known.
    preference: Callable[[int, Capability | None], int]
    missing: Callable[[], str | None] = _always_installed  # why it cannot run here, and how to get it
    owns_gpu: bool = False  # one model a process, whose memory comes back when it ends; no neighbour


def engine_of(name: str) -> EngineKind:
    """The engine of that name, which the config has checked."""
    return member(__name__, name, "ENGINE")


def prompt_seed(seed: int, prompt: Sequence[int]) -> int:
    """Seed of the draws of one prompt: neither its neighbours nor the number of actors change an answer."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{list(prompt)}".encode()).digest()[:7])


def all_stop_ids(wanted: Sequence[int], own: int | Sequence[int] | None) -> set[int]:
    """The tokens that end an answer: the template's, and the model's own, which may be another."""
    return {*wanted, *([own] if isinstance(own, int) else own or [])}


def context_length(path: str) -> int:
    """Tokens that a model was made for, prompt and answer together."""
    config = AutoConfig.from_pretrained(path, trust_remote_code=False).get_text_config()
    return getattr(config, "max_position_embeddings", None) or 1 << 30
