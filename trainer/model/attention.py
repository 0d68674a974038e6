"""Attention inside a pack: each segment sees itself only, causally.

On a GPU with flash-attn, its variable-length kernel; elsewhere one causal SDPA call a segment (a dense
mask over the pack costs more than padding would, and flex attention has no backward on CPU).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.utils.import_utils import is_flash_attn_2_available

from hunmin.errors import InputError

SEGMENTED = "hunmin_segmented"  # not "…sdpa": transformers would ask the model whether it knows SDPA


def segmented_sdpa(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    cu_seq_lens_q: Tensor,
    seq_lengths: Sequence[int] | None = None,
    sliding_window: int | None = None,
    dropout: float = 0.0,
    scaling: float | None = None,
    softcap: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Transformers' attention interface over one packed sequence.

    Args:
        query: (1, heads, T, head_dim); key and value may have fewer heads.
        attention_mask: must be None: segments are told by cu_seq_lens_q alone.
        cu_seq_lens_q: int32 (segments + 1,).
        seq_lengths: its differences, on the host; without them every layer would wait for the device.
        sliding_window: a position sees itself and the sliding_window - 1 before it.
        softcap: bound of the scores, softcap * tanh(score / softcap), which no SDPA kernel knows (Gemma 2).

    Returns:
        (1, T, heads, head_dim), and no attention weights.
    """
    assert attention_mask is None, "a packed sequence takes no mask"
    unsupported = [name for name in ("s_aux", "position_bias") if kwargs.get(name) is not None]
    if unsupported:
        raise InputError(
            f"the model's attention uses {', '.join(unsupported)}, which packed training on this machine "
            "cannot compute; take another model, or a GPU with flash-attn"
        )
    lengths = cu_seq_lens_q.diff().tolist() if seq_lengths is None else list(seq_lengths)
    attend = sdpa_attention_forward if softcap is None else partial(capped_attention, softcap=softcap)
    outputs = [
        attend(
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


def capped_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    softcap: float,
    dropout: float,
    scaling: float | None,
    is_causal: bool,
) -> tuple[Tensor, None]:
    """Causal attention with capped scores (Gemma 2, 2024, section 2), as sdpa_attention_forward else."""
    assert is_causal
    groups = query.shape[1] // key.shape[1]
    key, value = (tensor.repeat_interleave(groups, dim=1) for tensor in (key, value))
    scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    scores = torch.tanh(scores / softcap) * softcap
    length = query.shape[2]
    seen = _seen(length, length, query.device) if attention_mask is None else attention_mask
    scores = scores.masked_fill(~seen, -torch.inf)
    shares = torch.nn.functional.softmax(scores.float(), dim=-1).to(query.dtype)
    shares = torch.nn.functional.dropout(shares, dropout, module.training)
    return (shares @ value).transpose(1, 2), None


def _window_mask(length: int, window: int | None, device: torch.device) -> Tensor | None:
    """Bool (1, 1, length, length), true where seen; None where the window never bites."""
    return None if window is None or length <= window else _seen(length, window, device)


def _seen(length: int, window: int, device: torch.device) -> Tensor:
    """Bool (1, 1, length, length): a position sees itself and the window - 1 before it."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril().triu(1 - window)[None, None]


def implementation(device: torch.device, *, can_flash: bool = True) -> str:
    """The name of the attention to build a model with here; `can_flash`: the model works with flash-attn."""
    if device.type == "cuda" and can_flash and _flash_runs_on(device):
        return "flash_attention_2"
    AttentionInterface.register(SEGMENTED, segmented_sdpa)
    return SEGMENTED


def _flash_runs_on(device: torch.device) -> bool:
    """Whether the package flash-attn (not flash-attn-4, which has the same module) is here and the GPU is
    an Ampere or newer. Without it transformers would fetch a kernel, or stop.
    """
    return is_flash_attn_2_available() and torch.cuda.get_device_capability(device) >= (8, 0)
