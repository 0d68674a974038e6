"""How much memory a rank needs: an estimate from the model's configuration alone, nothing is loaded.

Model states under ZeRO-3 are those of Rajbhandari et al. (ZeRO, 2020, section 5), with gradients accumulated
in fp32. Activations follow the counting of Korthikanti et al. (Reducing Activation Recomputation, 2022,
section 4.1), anew for what transformers' decoders save: RMSNorm in fp32, gated MLPs, grouped heads, attention
that keeps no matrix of scores, no dropout. A test holds both against the tensors of a real engine.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig

from trainer.config import LoraConfig, TrainConfig
from trainer.model import lora
from trainer.model.head import FP32, chunk_rows, logit_bytes_each


@dataclass(frozen=True)
class Memory:
    """Bytes on one rank."""

    parameters: int  # this rank's slices, in the precision of the forward
    masters: int  # fp32
    gradients: int  # this rank's slices, fp32
    moments: int  # AdamW's two, fp32
    gathered: int  # whole parameters that live at the same time
    buckets: int  # gradients on their way to the ranks that hold them
    activations: int  # kept from the forward for the backward
    logits: int  # of the trained positions, with their cross-entropy
    step_copies: int  # gradients as the optimizer takes them

    @property
    def states(self) -> int:
        """What stays from step to step, divided over the ranks."""
        return self.parameters + self.masters + self.gradients + self.moments

    @property
    def peak(self) -> int:
        """The most at a time: the end of a forward, or the optimizer's step."""
        at_the_loss = self.gathered + self.activations + self.logits
        return self.states + self.buckets + max(at_the_loss, self.step_copies)

    def as_dict(self) -> dict[str, int]:
        """The parts, the states and the peak."""
        return {**asdict(self), "states": self.states, "peak": self.peak}


def estimate(
    config: PreTrainedConfig,
    *,
    seq_len: int,
    micro_batch_size: int,
    world_size: int,
    dtype: torch.dtype,
    trained_share: float = 1.0,
    train: TrainConfig | None = None,
) -> Memory:
    """Memory of one rank of `world_size` in training, for a dense decoder.

    Args:
        dtype: of the forward: bfloat16 on a GPU, float32 on a CPU.
        trained_share: of the positions, those with a label; the head is computed on no other.
        train: adapters, recomputation, room for logits and ZeRO-3's buckets; default: the defaults.
    """
    train = train or TrainConfig.model_validate({})
    zero = train.zero
    shapes = parameter_shapes(config)
    trained_shapes = shapes if train.lora is None else adapter_shapes(config, train.lora)
    sizes = [math.prod(shape) for shape in (shapes | trained_shapes).values()]
    trained_sizes = [math.prod(shape) for shape in trained_shapes.values()]
    slices, trained = (sum(math.ceil(size / world_size) for size in some) for some in (sizes, trained_sizes))
    tokens = seq_len * micro_batch_size
    gathered = 0 if world_size == 1 else min(sum(sizes), zero.max_live_parameters) * dtype.itemsize
    # A gradient itself, in fp32, and dealt out to ranks.
    largest_in_flight = max(trained_sizes) * (dtype.itemsize + 2 * FP32)
    bucket = zero.reduce_bucket_size
    return Memory(
        parameters=slices * dtype.itemsize,
        masters=trained * FP32,
        gradients=trained * FP32,
        moments=trained * 2 * FP32,
        gathered=gathered,
        buckets=bucket * FP32 + max(largest_in_flight, min(bucket, sum(trained_sizes)) * FP32),
        activations=activation_bytes(
            config,
            shapes,
            tokens=tokens,
            itemsize=dtype.itemsize,
            recomputed=train.recompute == "all",
        ),
        logits=logit_bytes(
            config,
            num_targets=math.ceil(tokens * trained_share),
            dtype=dtype,
            max_bytes=train.max_logits_mb * 2**20,
        ),
        step_copies=min(trained, zero.sub_group_size) * FP32,
    )


def parameter_shapes(config: PreTrainedConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of the model's parameters by name, shared ones once; no memory is taken."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    model.tie_weights()
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def count(shapes: Iterable[tuple[int, ...]]) -> int:
    """Elements of all parameters."""
    return sum(map(math.prod, shapes))


def adapter_shapes(config: PreTrainedConfig, adapters: LoraConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of the adapters by lora.file_name; no memory is taken."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
        lora.adapt(model, adapters)
    named = ((lora.file_name(name), parameter) for name, parameter in model.named_parameters())
    return {name: tuple(parameter.shape) for name, parameter in named if lora.is_adapter(name)}


def activation_bytes(
    config: PreTrainedConfig,
    shapes: dict[str, tuple[int, ...]],
    *,
    tokens: int,
    itemsize: int,
    recomputed: bool = False,
) -> int:
    """Bytes that autograd keeps for the backward of the decoder.

    A token in a layer, with h = hidden_size, q and k the widths of queries and keys, f the MLP's width and b
    bytes an element: each RMSNorm keeps its input in fp32, the normed input and its output: (4 + 2b) h;
    attention keeps rotated queries and keys, values, its output twice and a fp32 logarithm a head:
    b (3q + 2k) + 4 heads; norms of queries and keys (4 + b) (q + k); a gated MLP gate, activated gate, up and
    their product: 4 b f. After the layers the last norm, and fp32 sines and cosines once for all of them.
    Recomputed, each layer keeps its input, and one layer at a time the rest.
    """
    text: Any = config.get_text_config()
    h, heads = text.hidden_size, text.num_attention_heads
    head_dim = getattr(text, "head_dim", None) or h // heads
    q, k = heads * head_dim, (getattr(text, "num_key_value_heads", None) or heads) * head_dim
    first_layer = [name for name in shapes if ".layers.0." in name]
    qk_norm = any("q_norm" in name for name in first_layer)
    num_norms = sum("norm" in name and shapes[name] == (h,) for name in first_layer)
    norms = num_norms * ((4 + 2 * itemsize) * h + FP32)
    attention = itemsize * (3 * q + 2 * k) + FP32 * heads
    attention += ((4 + itemsize) * (q + k) + FP32 * 2 * heads) if qk_norm else 0
    mlp = 4 * itemsize * text.intermediate_size
    outside = (4 + itemsize) * h + 2 * itemsize * head_dim
    layer = norms + attention + mlp
    if recomputed:
        return tokens * (text.num_hidden_layers * itemsize * h + layer + outside)
    return tokens * (text.num_hidden_layers * layer + outside)


def logit_bytes(config: PreTrainedConfig, *, num_targets: int, dtype: torch.dtype, max_bytes: int) -> int:
    """Bytes at the loss: hidden states of the trained positions; of one chunk of them the logits as computed
    and in fp32, and their log-softmax in fp32. The backward holds as much: the log-softmax and the gradients
    of the other two.
    """
    text: Any = config.get_text_config()
    rows = min(num_targets, chunk_rows(max_bytes, vocab_size=text.vocab_size, dtype=dtype))
    return num_targets * text.hidden_size * dtype.itemsize + rows * text.vocab_size * logit_bytes_each(dtype)
