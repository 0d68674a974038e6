"""Activations that the backward computes again instead of keeping them: less memory, more time.

`all` keeps each layer's input. `selective` also keeps what matrix products and attention gave, most of a
layer's time and the smaller part of its memory, and computes norms, activations and the rest again, after
Korthikanti et al. (Reducing Activation Recomputation, 2022, section 4.2), but by operation.

torch's own selective policy demands that the second forward repeats every operation of the first. With ZeRO-3
that is not so: what was gathered ahead is not gathered again. Here only what is kept must repeat.
"""

from collections import defaultdict, deque
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from transformers import PreTrainedModel

from hunmin.errors import ConfigError
from trainer.config import Recompute

PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "_grouped_mm")
ATTENTION = ("attention", "attn")  # in the name of a fused kernel: torch's own and flash-attn's


def enable(lm: PreTrainedModel, mode: Recompute) -> None:
    """Make the model's layers recompute, in place.

    Raises:
        ConfigError: transformers cannot do it with this model.
    """
    if mode == "none":
        return
    if not lm.supports_gradient_checkpointing:
        raise ConfigError(
            f"train.activation_checkpointing: transformers cannot recompute {type(lm).__name__}; "
            "set it to false"
        )
    # torch compares the shapes of what a layer saves, and ZeRO-3 empties parameters: either the reentrant
    # kind, which saves nothing, or no comparison.
    kind = (
        {"use_reentrant": True}
        if mode == "all"
        else {"use_reentrant": False, "determinism_check": "none", "context_fn": keep_products}
    )
    lm.activation_checkpointing_enable(kind)
    if mode == "all":
        lm.enable_input_require_grads()  # a reentrant layer without one gives no gradient at all
    else:
        lm.disable_input_require_grads()  # of frozen embeddings nobody needs one


def keep_products() -> tuple[TorchDispatchMode, TorchDispatchMode]:
    """Contexts of a layer's first forward and of its second, in the backward: torch's `context_fn`."""
    kept: Kept = defaultdict(deque)
    return _Keep(kept), _Reuse(kept)


class _Result(NamedTuple):
    tensor: Tensor
    version: int  # how often it had been written to in place


Kept = dict[Any, deque[Any]]  # what each call of an operation gave, in their order


class _Keep(TorchDispatchMode):
    def __init__(self, kept: Kept):
        super().__init__()
        self._kept = kept

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if _is_kept(func):
            self._kept[func].append(
                tree_map_only(Tensor, lambda one: _Result(one.detach(), one._version), result)
            )
        return result


class _Reuse(TorchDispatchMode):
    def __init__(self, kept: Kept):
        super().__init__()
        self._kept = kept

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not _is_kept(func):
            return func(*args, **(kwargs or {}))
        return _reused(self._kept[func].popleft())


def _is_kept(func: Any) -> bool:
    name = getattr(func, "overloadpacket", func).__name__
    return name in PRODUCTS or any(part in name for part in ATTENTION)


def _reused(kept: Any) -> Any:
    if isinstance(kept, _Result):
        assert kept.tensor._version == kept.version, "a kept result was written to in place"
        return kept.tensor
    return type(kept)(map(_reused, kept)) if isinstance(kept, (tuple, list)) else kept
