"""What an engine is: prompts in, answers out."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from transformers import AutoConfig

EngineName = Literal["hf", "vllm"]
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
    engine: EngineName = "hf"
    dtype: DtypeName = "float32"


class Engine(Protocol):
    """A loaded model."""

    def generate(self, prompts: Sequence[Sequence[int]]) -> list[Generation]:
        """Answer the prompts together, in their order."""
        ...


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
