"""What fits into the memory there is: the defaults that a machine chooses, and what a rank has room for.

Written for GPUs, where no run has measured it yet; on a CPU nothing is chosen, so that results stay.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, PreTrainedConfig

from hunmin.limits import machine_memory
from trainer.batches.dealing import grad_accum_steps
from trainer.config import Recompute, TrainConfig
from trainer.engine.ranks import Rank, dtype_of
from trainer.plan import memory
from trainer.plan.idle_ranks import idle_warning
from trainer.plan.memory import Memory

GIB = 2**30
MICRO_BATCH_TOKENS = 8192  # what keeps a data-centre GPU busy while ZeRO-3 gathers the next parameters
FEW_TOKENS = 2048  # in a micro-batch: its traffic is no longer hidden
HEADROOM = 0.9  # of a GPU that defaults fill: the allocator's gaps, libraries and NCCL take the rest


@dataclass(frozen=True)
class Training:
    """What the estimate must know beside the `train` section. `keeps_scores` as memory.estimate has it."""

    model: PreTrainedConfig
    seq_len: int
    world_size: int
    device_type: str
    keeps_scores: bool

    def memory(self, train: TrainConfig) -> Memory:
        """Of one rank; a CPU leaves offload out."""
        if self.device_type == "cpu":
            zero = train.zero.model_copy(update={"offload_optimizer": False, "offload_param": False})
            train = train.model_copy(update={"zero": zero})
        return memory.estimate(
            self.model,
            seq_len=self.seq_len,
            micro_batch_size=train.packs_at_once,
            world_size=self.world_size,
            dtype=dtype_of(train.precision, self.device_type),
            keeps_scores=self.keeps_scores,
            train=train,
        )

    def groups(self, train: TrainConfig) -> int:
        """Groups of ranks that share packs."""
        return max(1, self.world_size // train.sequence_parallel_size)

    def packs_of_group(self, train: TrainConfig) -> int:
        """Packs of a step that a group computes, at most."""
        return math.ceil(train.global_batch_size / self.groups(train))


@dataclass(frozen=True)
class Room:
    """Bytes that a rank may take; None where they are not known. A CPU has one memory, `device`."""

    device: int | None
    host: int | None = None

    def fits(self, need: Memory, *, device_type: str, share: float = 1.0) -> bool:
        """Whether `share` of the device and all of the host hold what a rank needs; what is unknown does."""
        if device_type == "cpu":
            return self.device is None or need.in_one <= self.device * share
        on_host = need.host - need.saved_copies  # a save that finds no room makes no copy
        return (self.device is None or need.peak <= self.device * share) and (
            self.host is None or on_host <= self.host
        )


def room_of(train: TrainConfig, *, device: torch.device | None, neighbours: int) -> Room:
    """What a rank has on this machine, whose memory `neighbours` ranks share; train.memory_gb goes before it.

    Args:
        device: None where the ranks' GPUs cannot be asked.
    """
    told = None if train.memory_gb is None else int(train.memory_gb * GIB)
    of_machine = machine_memory()
    host = None if of_machine is None else of_machine.usable // neighbours
    if device is not None and device.type == "cpu":
        return Room(told or host)
    if device is None:
        return Room(told)
    return Room(told or torch.cuda.get_device_properties(device).total_memory, host)


def least_room(room: Room, me: Rank) -> Room:
    """The least that any rank has, so that all choose alike. Collective."""
    device, host = me.gather([room.device or math.inf, room.host or math.inf]).min(0)
    return Room(*(None if math.isinf(value) else int(value) for value in (device, host)))


def choose(train: TrainConfig, training: Training, room: Room) -> TrainConfig:
    """The config with what it leaves to the machine: micro-batch and recomputation.

    On a GPU, the least recomputation with which a micro-batch of about MICRO_BATCH_TOKENS, or half of it,
    fits; else the largest micro-batch; where nothing fits, what needs least. On a CPU, and where a GPU's
    memory is not known, one pack and no recomputation.
    """
    candidates = list(_candidates(train, training))
    if training.device_type == "cpu" or room.device is None or len(candidates) == 1:
        return candidates[0] if len(candidates) == 1 else _with(train, train.packs_at_once, train.recompute)
    largest = candidates[0].packs_at_once
    enough = min(largest, math.ceil(MICRO_BATCH_TOKENS / 2 / training.seq_len))
    fitting = [
        one
        for one in candidates
        if room.fits(training.memory(one), device_type=training.device_type, share=HEADROOM)
    ]
    for one in fitting:
        if one.packs_at_once >= enough:
            return one
    return max(fitting, key=lambda one: one.packs_at_once) if fitting else candidates[-1]


def _candidates(train: TrainConfig, training: Training) -> Iterator[TrainConfig]:
    """Configs to choose from: the least recomputation first, within it the largest micro-batch.

    Only sizes that cut a rank's packs into micro-batches of like size: any other leaves a short one.
    """
    modes: list[Recompute] = [train.recompute]
    if train.activation_checkpointing is None and can_recompute(training.model):
        modes = ["none", "selective", "all"]
    sizes = [train.packs_at_once]
    if train.micro_batch_size is None:
        packs = training.packs_of_group(train)
        most = MICRO_BATCH_TOKENS * train.sequence_parallel_size // training.seq_len
        fewest = math.ceil(packs / max(1, min(packs, most)))
        sizes = sorted({math.ceil(packs / steps) for steps in range(fewest, packs + 1)}, reverse=True)
    for mode in modes:
        for size in sizes:
            yield _with(train, size, mode)


def _with(train: TrainConfig, micro_batch_size: int, recompute: Recompute) -> TrainConfig:
    return train.model_copy(
        update={"micro_batch_size": micro_batch_size, "activation_checkpointing": recompute}
    )


def can_recompute(model: PreTrainedConfig) -> bool:
    """Whether transformers can compute the model's layers again in the backward."""
    if type(model) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        return False
    model_class: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(model)]
    return bool(model_class.supports_gradient_checkpointing)


def chosen(before: TrainConfig, after: TrainConfig) -> dict[str, object]:
    """What the machine chose, by key."""
    keys = ("micro_batch_size", "activation_checkpointing")
    return {key: getattr(after, key) for key in keys if getattr(before, key) is None}


def warnings(train: TrainConfig, training: Training, *, num_packs: int | None = None) -> list[str]:
    """Settings that let ranks idle or traffic outweigh work, each with its numbers and what to set.

    Args:
        num_packs: of the train split, where it is known: a small one has fewer than a step asks for.
    """
    found = []
    groups = training.groups(train)
    of_step = min(train.global_batch_size, train.global_batch_size if num_packs is None else num_packs)
    idle = idle_warning(
        of_step, world_size=training.world_size, sequence_parallel_size=train.sequence_parallel_size
    )
    if idle is not None:
        found.append(idle)
    tokens = train.packs_at_once * training.seq_len // train.sequence_parallel_size
    packs = training.packs_of_group(train)
    if training.device_type == "cuda" and groups > 1 and tokens < FEW_TOKENS and train.packs_at_once < packs:
        held = memory.count(memory.parameter_shapes(training.model).values())
        sent = 2 * held * dtype_of(train.precision, "cuda").itemsize
        steps = grad_accum_steps(
            train.global_batch_size, world_size=groups, micro_batch_size=train.packs_at_once
        )
        found.append(
            f"a micro-batch has at most {tokens:,} tokens, for which ZeRO-3 sends each rank "
            f"{sent / GIB:.1f} GiB of parameters, {steps} times a step; raise train.micro_batch_size "
            f"(up to {packs})"
        )
    return found


def with_ranks(training: Training, world_size: int) -> Training:
    """The same training over another number of ranks."""
    return replace(training, world_size=world_size)
