"""Attention inside a pack: each segment sees itself only, causally.

On a GPU with flash-attn, its variable-length kernel; elsewhere one causal SDPA call a segment (a dense
mask over the pack costs more than padding would, and flex attention has no backward on CPU).
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.utils.import_utils import is_flash_attn_2_available

from data_pipeline.errors import InputError

SEGMENTED = "hunmin_segmented_sdpa"


def segmented_sdpa(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    cu_seq_lens_q: Tensor,
    sliding_window: int | None = None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Transformers' attention interface over one packed sequence.

    Args:
        module: the attention layer; its head counts are read.
        query: (1, heads, T, head_dim); key and value may have fewer heads.
        key, value: as query.
        attention_mask: must be None: segments are told by cu_seq_lens_q alone.
        cu_seq_lens_q: int32 (segments + 1,).
        sliding_window: a position sees itself and the sliding_window - 1 before it.
        dropout, scaling: as in SDPA.
        kwargs: what other implementations want.

    Returns:
        (1, T, heads, head_dim), and no attention weights.

    """
    assert attention_mask is None, "a packed sequence takes no mask"
    unsupported = [name for name in ("softcap", "s_aux", "position_bias") if kwargs.get(name) is not None]
    if unsupported:
        raise InputError(
            f"the model's attention uses {', '.join(unsupported)}, which packed training on this machine "
            "cannot compute; take another model, or a GPU with flash-attn"
        )
    lengths = cu_seq_lens_q.diff().tolist()
    outputs = [
        sdpa_attention_forward(
            module,
            query_S,
            key_S,
            value_S,
            _window_mask(length, sliding_window, query.device),
            dropout=dropout,
            scaling=scaling,
            is_causal=True,
        )[0]
        for length, query_S, key_S, value_S in zip(
            lengths, query.split(lengths, 2), key.split(lengths, 2), value.split(lengths, 2), strict=True
        )
    ]
    return torch.cat(outputs, dim=1), None


def _window_mask(length: int, window: int | None, device: torch.device) -> Tensor | None:
    """Bool (1, 1, length, length), true where seen; None where the window never bites."""
    if window is None or length <= window:
        return None
    seen = torch.ones(length, length, dtype=torch.bool, device=device)
    return seen.tril().triu(1 - window)[None, None]


def implementation(device: torch.device, *, can_flash: bool = True) -> str:
    """The name of the attention to build a model with on this machine.

    Args:
        device: where the model will be.
        can_flash: whether the model's class works with flash attention at all.

    """
    if device.type == "cuda" and can_flash and _flash_runs_on(device):
        return "flash_attention_2"
    AttentionInterface.register(SEGMENTED, segmented_sdpa)
    return SEGMENTED


def _flash_runs_on(device: torch.device) -> bool:
    """Whether the package flash-attn (not flash-attn-4, which has the same module) is here and the GPU is
    an Ampere or newer. Without it transformers would fetch a kernel, or stop.
    """
    return is_flash_attn_2_available() and torch.cuda.get_device_capability(device) >= (8, 0)
