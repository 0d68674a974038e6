"""How much memory a rank needs: an estimate from the model's configuration alone, nothing is loaded.

Model states under ZeRO-3 are those of Rajbhandari et al. (ZeRO, 2020, section 5), with gradients accumulated
in fp32; what DeepSpeed holds beside them was read in its stage3.py. Bytes are of tensors, as
`torch.cuda.max_memory_allocated` counts them: a process has its libraries besides, an allocator its gaps.
Tests hold parts and peaks against the tensors of a real engine on CPUs; a GPU has not been measured yet.
"""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache

import torch
from transformers import PreTrainedConfig

from trainer.config import LoraConfig, TrainConfig
from trainer.model import lora
from trainer.model.architecture import language_model_on_meta
from trainer.model.head import FP32, chunk_rows, logit_bytes_each
from trainer.plan.activations import activation_bytes, score_bytes

SAVED_COPIES = 3  # a checkpoint holds masters and two moments
HELD = ("parameters", "masters", "gradients", "moments", "offloaded_gradients", "bucket", "secondary")
# Where a step may hold most: as parameters are gathered, at the loss, in a layer's backward, in the update.
PHASES = (
    ("gathered", "in_transit"),
    ("gathered", "activations", "scores", "logits", "in_flight"),
    ("gathered", "activations", "scores", "recomputed", "in_flight"),
    ("step_copies",),
)


@dataclass(frozen=True)
class Memory:
    """Bytes on one rank. What `in_host` names lies in the host's memory; on a CPU the two are one."""

    parameters: int  # this rank's slices, in the precision of the forward
    masters: int  # fp32
    gradients: int  # this rank's slices, fp32
    moments: int  # AdamW's two, fp32
    offloaded_gradients: int  # as the optimizer takes them, where it is offloaded
    bucket: int  # where gradients wait to be reduced together
    secondary: int  # hpZ's second slices of the parameters
    gathered: int  # whole parameters that live at the same time
    in_transit: int  # parameters as they come from the other ranks, before DeepSpeed lays them out
    activations: int  # kept from the forward for the backward
    scores: int  # of attention, and its masks
    recomputed: int  # of the layer whose forward is computed again
    logits: int  # of the trained positions, with their cross-entropy
    in_flight: int  # gradients on their way to the ranks that hold them
    step_copies: int  # gradients as the optimizer takes them, in its step
    saved_copies: int  # of masters and moments, in the host's memory while a checkpoint is written
    in_host: tuple[str, ...] = ()

    @property
    def states(self) -> int:
        """What stays from step to step, divided over the ranks."""
        return self.parameters + self.masters + self.gradients + self.moments

    @property
    def peak(self) -> int:
        """The most at a time on the device."""
        return self._most(lambda part: part not in self.in_host)

    @property
    def host(self) -> int:
        """The most at a time in the host's memory."""
        return self._most(lambda part: part in self.in_host) + self.saved_copies

    @property
    def in_one(self) -> int:
        """The most at a time where host and device are one memory; a save without room makes no copy."""
        return self._most(lambda part: True)

    def _most(self, counts: Callable[[str], bool]) -> int:
        held, *phases = (
            sum(getattr(self, part) for part in parts if counts(part)) for parts in (HELD, *PHASES)
        )
        return held + max(phases)

    def as_dict(self) -> dict[str, int]:
        """The parts, the states and the peaks."""
        parts = {name: value for name, value in asdict(self).items() if name != "in_host"}
        return {**parts, "states": self.states, "peak": self.peak, "host": self.host}


def estimate(
    config: PreTrainedConfig,
    *,
    seq_len: int,
    micro_batch_size: int,
    world_size: int,
    dtype: torch.dtype,
    trained_share: float = 1.0,
    sum_of_squares: int | None = None,
    keeps_scores: bool = True,
    train: TrainConfig | None = None,
) -> Memory:
    """Memory of one rank of `world_size` in training, for a dense decoder.

    Args:
        dtype: of the forward: bfloat16 on a GPU, float32 on a CPU.
        trained_share: of the positions, those with a label; the head is computed on no other.
        sum_of_squares: of the segment lengths in a micro-batch; default: each pack is one segment.
        keeps_scores: attention goes segment by segment through SDPA, as on a CPU; false: a fused kernel.
        train: adapters, recomputation, sequence parallelism, room for logits, ZeRO-3's buckets, offload and
            hpZ; default: the defaults. Offload is counted as set, though a CPU leaves it out.
    """
    train = train or TrainConfig.model_validate({})
    zero, itemsize = train.zero, dtype.itemsize
    buckets = zero.sizes(config.get_text_config().hidden_size)
    shapes = parameter_shapes(config)
    trained_shapes = shapes if train.lora is None else adapter_shapes(config, train.lora)
    sizes = [math.prod(shape) for shape in (shapes | trained_shapes).values()]
    trained_sizes = [math.prod(shape) for shape in trained_shapes.values()]
    slices, trained = (sum(math.ceil(size / world_size) for size in some) for some in (sizes, trained_sizes))
    tokens = math.ceil(seq_len * micro_batch_size / train.sequence_parallel_size)
    squares = micro_batch_size * seq_len**2 if sum_of_squares is None else sum_of_squares
    in_host: tuple[str, ...] = ("parameters",) if zero.offload_param else ()
    if zero.offload_optimizer:
        in_host += ("masters", "gradients", "moments", "offloaded_gradients")
    updated = min(trained, zero.sub_group_size) * FP32
    gathered, in_transit = (
        (0, 0)
        if world_size == 1
        else _gathered(sizes, zero.max_live_parameters, buckets.prefetch_bucket_size)
    )
    kept, recomputed = activation_bytes(
        config, shapes, tokens=tokens, itemsize=itemsize, recompute=train.recompute
    )
    return Memory(
        parameters=slices * itemsize,
        masters=trained * FP32,
        gradients=trained * FP32,
        moments=trained * 2 * FP32,
        offloaded_gradients=trained * FP32 if zero.offload_optimizer else 0,
        bucket=buckets.reduce_bucket_size * FP32,
        secondary=0 if zero.hpz_partition_size == 1 else sum(sizes) // zero.hpz_partition_size * itemsize,
        gathered=gathered * itemsize,
        in_transit=in_transit * itemsize,
        activations=kept,
        recomputed=recomputed,
        scores=score_bytes(
            config,
            sum_of_squares=squares // train.sequence_parallel_size,
            longest=seq_len,
            itemsize=itemsize,
            recompute=train.recompute,
        )
        if keeps_scores
        else 0,
        logits=logit_bytes(
            config,
            num_targets=math.ceil(tokens * trained_share),
            dtype=dtype,
            max_bytes=train.max_logits_mb * 2**20,
        ),
        in_flight=_in_flight(trained_sizes, bucket=buckets.reduce_bucket_size, dtype=dtype),
        step_copies=0 if zero.offload_optimizer else updated,
        saved_copies=SAVED_COPIES * FP32 * trained,
        in_host=in_host,
    )


def _gathered(sizes: list[int], max_live: int, prefetched: int) -> tuple[int, int]:
    """Elements of whole parameters that live at once, and of those that are fetched together. Where not all
    may live, some are on their way at any time. A single rank's slices are whole.
    """
    total = sum(sizes)
    fetched = min(total, prefetched + max(sizes))
    if max_live >= total:
        return total, fetched
    return min(total, max(max_live, fetched) + fetched), fetched


def _in_flight(sizes: list[int], *, bucket: int, dtype: torch.dtype) -> int:
    """Bytes of gradients on their way to the ranks that hold them, the bucket itself left out: the largest in
    the precision of the forward, and what is reduced together in fp32 (where one fills more than the bucket,
    that one), as DeepSpeed lays it out for the reduction.
    """
    largest = max(sizes)
    return largest * dtype.itemsize + max(min(bucket, sum(sizes)), largest if largest > bucket else 0) * FP32


def parameter_shapes(config: PreTrainedConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of the model's parameters by name, shared ones once; no memory is taken.

    Raises:
        InputError: transformers has no causal language model for it.
    """
    return _shapes(type(config), config.to_json_string(use_diff=False), None)


def count(shapes: Iterable[tuple[int, ...]]) -> int:
    """Elements of all parameters."""
    return sum(map(math.prod, shapes))


def adapter_shapes(config: PreTrainedConfig, adapters: LoraConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of the adapters by lora.file_name; no memory is taken."""
    return _shapes(type(config), config.to_json_string(use_diff=False), adapters.model_dump_json())


@lru_cache(maxsize=8)  # a choice asks for the same model many times, and each asking builds it
def _shapes(kind: type[PreTrainedConfig], config: str, adapters: str | None) -> dict[str, tuple[int, ...]]:
    """Of the parameters, or of the adapters; both configurations as JSON."""
    model = language_model_on_meta(kind.from_dict(json.loads(config)))
    if adapters is None:
        return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    with torch.device("meta"):
        lora.adapt(model, LoraConfig.model_validate_json(adapters))
    named = ((lora.file_name(name), parameter) for name, parameter in model.named_parameters())
    return {name: tuple(parameter.shape) for name, parameter in named if lora.is_adapter(name)}


def logit_bytes(config: PreTrainedConfig, *, num_targets: int, dtype: torch.dtype, max_bytes: int) -> int:
    """Bytes at the loss: hidden states of the trained positions; of one chunk of them the logits as computed
    and in fp32, and their log-softmax in fp32. The backward holds as much: the log-softmax and the gradients
    of the other two.
    """
    text = config.get_text_config()
    rows = min(num_targets, chunk_rows(max_bytes, vocab_size=text.vocab_size, dtype=dtype))
    return num_targets * text.hidden_size * dtype.itemsize + rows * text.vocab_size * logit_bytes_each(dtype)
