"""How many GPUs a copy of a model takes, from its configuration alone: decided before anything is loaded.

The sizes are upper bounds for a dense decoder, whichever way an engine divides it; not yet measured on a GPU.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig

from eval.engines import Capability, EngineKind
from eval.engines._kv_cache import ROOM_TOKENS
from hunmin.errors import GateError

USABLE_SHARE = 0.85  # of a GPU's memory; the rest is CUDA's own, kernels' workspaces and fragments
FP32 = 4
MAX_GPUS = 64  # of one node, in advice
GIB = 2**30


@dataclass(frozen=True)
class Gpus:
    """The GPUs of a cluster."""

    per_node: tuple[int, ...] = ()  # of each node that has some
    memory_bytes: int | None = None  # of the smallest; None is not known
    capability: Capability | None = None  # the lowest; None is not known

    @property
    def total(self) -> int:
        """On all nodes."""
        return sum(self.per_node)

    def places(self, gpus_each: int) -> int:
        """How many engines can work at a time that take so many GPUs of one node each."""
        return sum(count // gpus_each for count in self.per_node)


NO_GPUS = Gpus()


@dataclass(frozen=True)
class Sizes:
    """Bytes of a model that answers; those of a sequence are for its prompt and its answer together."""

    num_layers: int
    in_layers: int  # weights
    outside: int  # weights: embeddings, head, last norm
    cache_each: int  # keys and values of a sequence
    working_each: int  # of a sequence: the largest layer's activations, and the logits

    def on_one_of(self, num_gpus: int, *, num_sequences: int) -> int:
        """Of a model on so many GPUs, the bytes on the one that has most."""
        longest = math.ceil(self.num_layers / num_gpus)
        divided = (self.in_layers + num_sequences * self.cache_each) * longest / self.num_layers
        return math.ceil(divided) + self.outside + num_sequences * self.working_each


def sizes(model: PreTrainedConfig, *, dtype: torch.dtype, prompt_tokens: int, new_tokens: int) -> Sizes:
    """Count the weights, and what a sequence holds at the most; no memory is taken."""
    text: Any = model.get_text_config()
    with torch.device("meta"):
        built = AutoModelForCausalLM.from_config(model, dtype=dtype)
    built.tie_weights()
    weights = [(".layers." in name, one.numel() * dtype.itemsize) for name, one in built.named_parameters()]
    heads = text.num_attention_heads
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // heads
    kv_heads = getattr(text, "num_key_value_heads", None) or heads
    of_layer = 2 * kv_heads * head_dim * dtype.itemsize * (prompt_tokens + new_tokens + ROOM_TOKENS)
    # Reading the prompt: residual, normed input, queries, keys, values, output; gate, up and their product.
    widths = 6 * max(text.hidden_size, heads * head_dim) + 3 * (getattr(text, "intermediate_size", None) or 0)
    activations = prompt_tokens * widths * dtype.itemsize
    mask = prompt_tokens**2 * dtype.itemsize
    logits = 2 * FP32 * text.vocab_size
    return Sizes(
        num_layers=text.num_hidden_layers,
        in_layers=sum(size for in_layer, size in weights if in_layer),
        outside=sum(size for in_layer, size in weights if not in_layer),
        cache_each=text.num_hidden_layers * of_layer,
        working_each=activations + mask + logits + of_layer,  # a layer's cache is copied when it grows
    )


def gpus_per_model(
    model: PreTrainedConfig,
    *,
    engine: EngineKind,
    gpus: Gpus,
    dtype: torch.dtype,
    batch_size: int,
    prompt_tokens: int,
    new_tokens: int,
) -> int:
    """The fewest GPUs of one node that hold a copy of the model and a batch of prompts; 0 without GPUs.

    Args:
        prompt_tokens: of the longest prompt.
        new_tokens: of an answer at most.

    Raises:
        GateError: it does not fit; names what would.
    """
    if not gpus.per_node:
        return 0
    if gpus.memory_bytes is None:
        return 1
    needed = sizes(model, dtype=dtype, prompt_tokens=prompt_tokens, new_tokens=new_tokens)
    room = gpus.memory_bytes * USABLE_SHARE

    def fewest(num_sequences: int, most: int) -> int | None:
        counts = (count for count in range(1, most + 1) if engine.divides(model, count))
        fitting = (count for count in counts if needed.on_one_of(count, num_sequences=num_sequences) <= room)
        return next(fitting, None)

    # vLLM takes as many sequences at a time as its memory holds: room for one is enough.
    together = 1 if engine.owns_gpu else batch_size
    here = max(gpus.per_node)
    if (found := fewest(together, here)) is not None:
        return found
    alone = needed.on_one_of(1, num_sequences=together)
    smaller = next((size for size in _halves(together) if fewest(size, here)), None)
    more = fewest(together, MAX_GPUS)
    advice = [
        *([f"eval.batch_size: {smaller}"] if smaller else []),
        *([f"a node with {more} of these GPUs"] if more else []),
        f"GPUs of {_gib(alone / USABLE_SHARE)}",
    ]
    raise GateError(
        f"eval: a copy of the model that answers {together} prompt(s) at a time needs {_gib(alone)}, and a "
        f"node has {here} GPU(s) of {_gib(gpus.memory_bytes)}, of which {USABLE_SHARE:.0%} are counted on; "
        f"what would fit: {', or '.join(advice)}"
    )


def _halves(size: int) -> list[int]:
    return [size >> shift for shift in range(1, size.bit_length())]


def _gib(num_bytes: float) -> str:
    return f"{num_bytes / GIB:,.1f} GiB"
