"""What a training would take, from configurations alone: memory, disk, steps, DeepSpeed's settings."""

from dataclasses import asdict, dataclass
from typing import Any

from transformers import PreTrainedConfig

from trainer.batches import dealing
from trainer.config import TrainConfig
from trainer.engine.deepspeed_settings import deepspeed_settings
from trainer.engine.learning_rate import warmup_steps
from trainer.engine.ranks import dtype_of
from trainer.plan import memory
from trainer.plan.defaults import Room, Training, choose, chosen, warnings
from trainer.plan.remedies import misfit


@dataclass(frozen=True)
class Plan:
    """Bytes, and numbers of steps; what is None is known when data/ exists."""

    num_parameters: int
    num_trained_parameters: int
    world_size: int
    accum_steps: int
    precision: str
    num_packs: int | None
    num_steps: int | None
    warmup_steps: int | None
    micro_batch_size: int
    activation_checkpointing: str
    chosen: tuple[str, ...]  # keys of the two above that the config leaves to the machine
    memory: dict[str, int]  # of one rank, by the names of memory.Memory
    checkpoint_bytes: int  # of one; `keep` newest stand at a time, and the best: its weights, a third
    export_bytes: int  # of the model that leaves
    room: dict[str, int | None]  # of one rank, on `device` and `host`; None where it is not known
    misfit: str | None  # what does not fit into it, and what would
    must_fit: bool  # whether that refuses the training
    warnings: tuple[str, ...]
    deepspeed: dict[str, Any]  # what deepspeed.initialize is given


def plan(
    train: TrainConfig,
    model: PreTrainedConfig,
    *,
    seq_len: int,
    world_size: int,
    device_type: str,
    epoch_sizes: tuple[int, ...] | None,
    room: Room,
) -> Plan:
    """Plan a training; nothing is read, loaded or written.

    Args:
        epoch_sizes: packs in each epoch; None before they are made.
        room: what a rank may take.
    """
    training = Training(
        model, seq_len, world_size, device_type=device_type, keeps_scores=device_type == "cpu"
    )
    told, train = train, choose(train, training, room)
    accum_steps = dealing.grad_accum_steps(
        train.global_batch_size,
        world_size=training.groups(train),
        micro_batch_size=train.packs_at_once,
    )
    num_steps = train.num_steps
    if num_steps is None and epoch_sizes is not None:
        num_steps = dealing.steps_per_pass(epoch_sizes, global_batch_size=train.global_batch_size)
    elements = memory.count(memory.parameter_shapes(model).values())
    adapters = train.lora and memory.adapter_shapes(model, train.lora)
    trained = memory.count(adapters.values()) if adapters else elements
    precision = dtype_of(train.precision, device_type)
    return Plan(
        num_parameters=elements,
        num_trained_parameters=trained,
        world_size=world_size,
        accum_steps=accum_steps,
        precision=str(precision).removeprefix("torch."),
        num_packs=None if epoch_sizes is None else sum(epoch_sizes),
        num_steps=num_steps,
        warmup_steps=None if num_steps is None else warmup_steps(num_steps, train),
        micro_batch_size=train.packs_at_once,
        activation_checkpointing=train.recompute,
        chosen=tuple(chosen(told, train)),
        memory=training.memory(train).as_dict(),
        checkpoint_bytes=memory.SAVED_COPIES * memory.FP32 * trained,
        export_bytes=precision.itemsize * elements,
        room=asdict(room),
        misfit=misfit(train, training, room),
        must_fit=train.must_fit,
        warnings=tuple(warnings(train, training)),
        deepspeed=deepspeed_settings(
            train,
            accum_steps=accum_steps,
            device_type=device_type,
            dtype=precision,
            hidden_size=model.get_text_config().hidden_size,
        ),
    )
