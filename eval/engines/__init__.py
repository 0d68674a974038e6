"""The seam of engines: prompts in, answers out. A module here is an engine and holds an `ENGINE`.

`eval.engine` names one, or `auto`: the installed one that prefers this machine most.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal, Protocol

from transformers import AutoConfig, PreTrainedConfig

from hunmin.registry import member

Capability = tuple[int, int]  # of a GPU, as CUDA counts them
DtypeName = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Generation:
    """One answer. `ids` holds no end-of-turn token; `stopped`: the model ended it, not the limit."""

    ids: list[int]
    stopped: bool
    error: str | None = None  # why the model could not answer this prompt, though it could others


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
    batch_size: int = 16  # prompts that are answered at a time


@dataclass(frozen=True)
class Place:
    """Where an engine works. Nothing here changes what it answers but in the last bits."""

    devices: tuple[str, ...] = ("cpu",)  # torch devices of one node; more than one where a model needs them
    python: str | None = None  # eval.vllm_python: of an environment that is the engine's own

    @property
    def on_gpu(self) -> bool:
        """Whether the devices are GPUs."""
        return self.devices != ("cpu",)


class Engine(Protocol):
    """A loaded model. One that holds more than memory has `close` too, called before another loads."""

    def generate(self, prompts: Sequence[Sequence[int]]) -> list[Generation]:
        """Answer the prompts together, in their order."""
        ...


def _always_installed(python: str | None) -> None:
    """Nothing is missing: hunmin's own packages suffice."""


def versions_here(*packages: str) -> Callable[[str | None], dict[str, str]]:
    """For engines that compute in our own environment: the versions of these packages."""
    return lambda python: {name: version(name) for name in packages}


@dataclass(frozen=True)
class EngineKind:
    """All that hunmin knows of an engine before it is loaded. `python` is that of `Place`."""

    load: Callable[[str, GenerationSettings, Place], Engine]  # of a folder or hub id
    versions: Callable[[str | None], dict[str, str]]  # of what computes; they stand beside the scores
    # How much `auto` wants it here, 0 for never; gets the number of GPUs and the lowest capability among
    # them, None where it is not known.
    preference: Callable[[int, Capability | None], int]
    missing: Callable[[str | None], str | None] = _always_installed  # why it cannot run, and how to get it
    owns_gpu: bool = False  # one model a process, whose memory comes back when it ends; no neighbour
    # Whether a model of this architecture can lie on so many GPUs.
    divides: Callable[[PreTrainedConfig, int], bool] = lambda model, num_gpus: num_gpus == 1


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
