"""What autograd keeps of a forward for the backward, in bytes: counted from a model's configuration.

After Korthikanti et al. (Reducing Activation Recomputation, 2022, section 4.1), anew for what transformers'
decoders save: RMSNorm in fp32, gated MLPs, grouped heads, no dropout.
"""

from typing import Any

from transformers import PreTrainedConfig

from trainer.config import Recompute

FP32 = 4


def activation_bytes(
    config: PreTrainedConfig,
    shapes: dict[str, tuple[int, ...]],
    *,
    tokens: int,
    itemsize: int,
    recompute: Recompute = "none",
) -> tuple[int, int]:
    """Bytes of a decoder's activations that stay until the backward, and of the layer that is computed again
    in it; scores of attention are left out (see `score_bytes`).

    A token in a layer, with h = hidden_size, q and k the widths of queries and keys, f the MLP's width and b
    bytes an element: each RMSNorm keeps its input in fp32, the normed input and its output: (4 + 2b) h;
    attention keeps rotated queries and keys, values, its output twice and a fp32 logarithm a head:
    b (3q + 2k) + 4 heads; norms of queries and keys (4 + b) (q + k); a gated MLP gate, activated gate, up and
    their product: 4 b f. After the layers the last norm, and fp32 sines and cosines once for all of them.
    Recomputed, each layer keeps its input (`all`), or that and what its products gave (`selective`), and one
    layer at a time the rest too.
    """
    text: Any = config.get_text_config()
    h, heads = text.hidden_size, text.num_attention_heads
    head_dim = getattr(text, "head_dim", None) or h // heads
    q, k = heads * head_dim, (getattr(text, "num_key_value_heads", None) or heads) * head_dim
    first_layer = [name for name in shapes if ".0." in name]  # layers.0 of most models, h.0 of others
    qk_norm = any("q_norm" in name for name in first_layer)
    num_norms = sum("norm" in name and shapes[name] == (h,) for name in first_layer)
    norms = num_norms * ((4 + 2 * itemsize) * h + FP32)
    attention = itemsize * (3 * q + 2 * k) + FP32 * heads
    attention += ((4 + itemsize) * (q + k) + FP32 * 2 * heads) if qk_norm else 0
    f = getattr(text, "intermediate_size", None) or 4 * h  # GPT-2 and its kin name none
    mlp = 4 * itemsize * f
    outside = (4 + itemsize) * h + 2 * itemsize * head_dim
    layer = norms + attention + mlp
    kept = {
        "none": 0,
        "selective": itemsize * (3 * h + 2 * q + 2 * k + 2 * f) + FP32 * heads,
        "all": itemsize * h,
    }[recompute]
    if recompute == "none":
        return tokens * (text.num_hidden_layers * layer + outside), 0
    return tokens * (text.num_hidden_layers * kept + outside), tokens * (layer - kept)


def score_bytes(
    config: PreTrainedConfig,
    *,
    sum_of_squares: int,
    longest: int,
    itemsize: int,
    recompute: Recompute = "none",
) -> int:
    """Bytes that grow with the square of a segment, where no fused kernel spares them.

    Capped scores (Gemma 2) stand whole, a head each: once as tanh gives them, once as fp32 shares, in bf16
    those rounded too, 8 bytes either way, and a mask. A layer with a window that bites keeps its mask, in the
    precision of the forward. All else goes through SDPA, which keeps no score.

    Args:
        sum_of_squares: of segment lengths, over the micro-batch.
        longest: tokens of its longest segment.
    """
    text: Any = config.get_text_config()
    layers = text.num_hidden_layers
    if getattr(text, "attn_logit_softcapping", None) is not None:
        of_layer, affected = 8 * text.num_attention_heads + 1, layers
    else:
        of_layer, affected = itemsize, _windowed_layers(text, longest=longest)
    return sum_of_squares * of_layer * (affected if recompute != "all" else min(1, affected))


def _windowed_layers(text: Any, *, longest: int) -> int:
    """Layers whose window is shorter than a segment."""
    window = getattr(text, "sliding_window", None)
    if window is None or longest <= window:
        return 0
    kinds = getattr(text, "layer_types", None)
    return text.num_hidden_layers if kinds is None else kinds.count("sliding_attention")
