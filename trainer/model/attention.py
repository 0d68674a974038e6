"""Attention inside a pack: each segment sees itself only, causally.

On a GPU a kernel for packed sequences: flash-attn's where the package is installed, else torch's own, which
has not run on a GPU yet. Elsewhere, and in fp32, one causal SDPA call a segment (a dense mask over the pack
costs more than padding would, and flex attention has no backward on CPU).
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AttentionInterface, PreTrainedConfig
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.utils.import_utils import is_flash_attn_2_available

from hunmin.errors import InputError

try:
    from torch.nn.attention import varlen as torch_varlen
except ImportError:  # a torch before 2.10
    torch_varlen = None

SEGMENTED = "hunmin_segmented"  # not "…sdpa": transformers would ask the model whether it knows SDPA
VARLEN = "hunmin_varlen"
FLASH = "flash_attention_2"  # as transformers names it
MIN_CAPABILITY = (8, 0)
MAX_HEAD_DIM = 256


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
    s_aux: Tensor | None = None,
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
        s_aux: (heads,), a score for nothing at all beside those of the positions, likewise (gpt-oss).

    Returns:
        (1, T, heads, head_dim), and no attention weights.
    """
    assert attention_mask is None, "a packed sequence takes no mask"
    _refuse_unknown(kwargs)
    lengths = cu_seq_lens_q.diff().tolist() if seq_lengths is None else list(seq_lengths)
    by_kernel = softcap is None and s_aux is None
    attend = sdpa_attention_forward if by_kernel else partial(eager_attention, softcap=softcap, sinks=s_aux)
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


def eager_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    softcap: float | None,
    sinks: Tensor | None,
    dropout: float,
    scaling: float | None,
    is_causal: bool,
) -> tuple[Tensor, None]:
    """Causal attention with capped scores (Gemma 2, 2024, section 2) or sinks (gpt-oss model card, 2025,
    section 2.2), as sdpa_attention_forward else.
    """
    assert is_causal
    groups = query.shape[1] // key.shape[1]
    key, value = (tensor.repeat_interleave(groups, dim=1) for tensor in (key, value))
    scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    length = query.shape[2]
    seen = _seen(length, length, query.device) if attention_mask is None else attention_mask
    scores = scores.masked_fill(~seen, -torch.inf)
    if sinks is not None:
        nothing = sinks.reshape(1, -1, 1, 1).expand(*scores.shape[:-1], 1)
        scores = torch.cat([scores, nothing.to(scores)], dim=-1)
    shares = torch.nn.functional.softmax(scores.float(), dim=-1).to(query.dtype)[..., :length]
    shares = torch.nn.functional.dropout(shares, dropout, module.training)
    return (shares @ value).transpose(1, 2), None


def _window_mask(length: int, window: int | None, device: torch.device) -> Tensor | None:
    """Bool (1, 1, length, length), true where seen; None where the window never bites."""
    return None if window is None or length <= window else _seen(length, window, device)


def _seen(length: int, window: int, device: torch.device) -> Tensor:
    """Bool (1, 1, length, length): a position sees itself and the window - 1 before it."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril().triu(1 - window)[None, None]


def varlen(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    cu_seq_lens_q: Tensor,
    max_length_q: int,
    sliding_window: int | None = None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """As `segmented_sdpa`, by torch's own variable-length kernel: one call a layer. GPUs only, bf16 or fp16.

    Args:
        max_length_q: tokens of the longest segment, on the host.
    """
    assert attention_mask is None, "a packed sequence takes no mask"
    assert torch_varlen is not None, "why_segmented has looked"
    asked = [name for name in ("dropout", "softcap") if kwargs.get(name)]
    asked += ["s_aux"] if kwargs.get("s_aux") is not None else []
    assert not asked, f"{asked}: why_segmented has let them through"
    _refuse_unknown(kwargs)
    query_THD, key_TKD, value_TKD = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
    earlier = -1 if sliding_window is None else sliding_window - 1  # positions seen beside itself; -1: all
    output_THD = torch_varlen.varlen_attn(
        query_THD,
        key_TKD,
        value_TKD,
        cu_seq_lens_q,
        cu_seq_lens_q,
        max_length_q,
        max_length_q,
        scale=scaling,
        window_size=(earlier, 0),
        enable_gqa=query_THD.shape[1] != key_TKD.shape[1],
    )
    assert isinstance(output_THD, Tensor), "no statistics were asked for"
    return output_THD[None], None


def _refuse_unknown(kwargs: dict[str, Any]) -> None:
    unsupported = [name for name in ("position_bias",) if kwargs.get(name) is not None]
    if unsupported:
        raise InputError(
            f"the model's attention uses {', '.join(unsupported)}, which packed training on this machine "
            "cannot compute; take another model, or a GPU with flash-attn"
        )


@dataclass(frozen=True)
class Asks:
    """What a model asks of the kernel that computes its attention."""

    flash_attn: bool = True  # transformers runs the model with the package
    other_kernels: bool = False  # it names kernels that know what others do not, such as sinks (gpt-oss)
    softcap: bool = False
    dropout: bool = False
    head_dims: tuple[int, ...] = ()  # of queries and values

    @classmethod
    def of(cls, config: PreTrainedConfig) -> "Asks":
        """What the language model of a transformers configuration asks."""
        known = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING
        model_class: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)] if known else None
        named = model_class._compatible_flash_implementations if known else None
        text: Any = config.get_text_config()
        heads, width = getattr(text, "num_attention_heads", None), getattr(text, "hidden_size", None)
        of_head = getattr(text, "head_dim", None) or (width // heads if heads and width else None)
        dims = {dim for dim in (of_head, getattr(text, "v_head_dim", None)) if dim}
        return cls(
            flash_attn=known and model_class._supports_flash_attn and (named is None or FLASH in named),
            other_kernels=named is not None and FLASH not in named,
            softcap=getattr(text, "attn_logit_softcapping", None) is not None,
            dropout=bool(getattr(text, "attention_dropout", 0)),
            head_dims=tuple(sorted(dims)),
        )


def implementation(
    device: torch.device,
    *,
    dtype: torch.dtype = torch.bfloat16,
    asks: Asks = Asks(),
) -> str:
    """The name of the attention to build a model with here: the fastest that computes what the model asks.

    Args:
        dtype: of the forward.
    """
    AttentionInterface.register(SEGMENTED, segmented_sdpa)
    AttentionInterface.register(VARLEN, varlen)
    if device.type != "cuda" or why_segmented(device, dtype=dtype, asks=asks) is not None:
        return SEGMENTED
    return FLASH if _has_flash_attn(asks) else VARLEN


def why_segmented(device: torch.device, *, dtype: torch.dtype, asks: Asks) -> str | None:
    """Why no kernel for packed sequences takes the model's attention on this GPU; None where one does."""
    if dtype == torch.float32:
        return "kernels for packed sequences take bf16, and train.precision is fp32"
    if torch.cuda.get_device_capability(device) < MIN_CAPABILITY:
        return "kernels for packed sequences need an Ampere GPU or a newer one"
    if _has_flash_attn(asks):
        return None
    if not _has_varlen():
        return f"torch {torch.__version__} has no such kernel for packed sequences; install flash-attn"
    if asks.other_kernels:
        return "the model asks for more than kernels for packed sequences know, such as sinks"
    if asks.softcap:
        return "torch's kernel for packed sequences caps no scores; install flash-attn"
    if asks.dropout:
        return "torch's kernel for packed sequences has no dropout; install flash-attn"
    if len(asks.head_dims) > 1 or any(dim % 8 or dim > MAX_HEAD_DIM for dim in asks.head_dims):
        return f"torch's kernel for packed sequences takes no heads of {asks.head_dims}"
    return None


def _has_flash_attn(asks: Asks) -> bool:
    """Whether the package flash-attn is here (not flash-attn-4, which has the same module) and transformers
    runs the model with it. Without the package transformers would fetch a kernel, or stop.
    """
    return asks.flash_attn and is_flash_attn_2_available()


def _has_varlen() -> bool:
    """Whether torch has the kernel, with the arguments that came after its first release."""
    if torch_varlen is None:
        return False
    return {"scale", "window_size", "enable_gqa"} <= inspect.signature(
        torch_varlen.varlen_attn
    ).parameters.keys()
