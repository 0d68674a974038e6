"""Our trainer as the figures take it: its engine on random weights, its steps, its checkpoints."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoConfig

from tools.gpu_check.figures.random_model import RandomWeights
from trainer import loop
from trainer.batches.packs import Batch, PackFolder, inputs_of
from trainer.batches.targets import next_token_targets
from trainer.checkpoint.checkpoint import Checkpoint, TrainState
from trainer.checkpoint.resume import resume_point
from trainer.checkpoint.saving import Saver
from trainer.config import TrainConfig
from trainer.engine.ranks import Rank
from trainer.engine.steps import StepPacks, accum_steps, packs_of_rank
from trainer.engine.zero3 import Zero3
from trainer.model.lora import Overlaid, Weights
from trainer.model.packed_model import build
from trainer.objectives.sft import SFT
from trainer.plan import memory
from trainer.plan.flops import step_flops

SEED = 0


@dataclass(frozen=True)
class Setting:
    """What ranks train in a measurement: config, folders of the model and of the packs."""

    config: TrainConfig
    model: Path
    packs: Path


def engine_of(setting: Setting, me: Rank, resumed: Checkpoint | None = None) -> Zero3:
    """The engine with random weights, or those of a checkpoint. Collective."""

    def weights(shapes: dict[str, tuple[int, ...]]) -> Weights:
        random = RandomWeights(shapes, me.device)
        return random if resumed is None else Overlaid(random, resumed.weights(), resumed.shapes)

    return Zero3(
        lambda: build(setting.model, device=me.device, dtype=me.dtype, config=setting.config),
        config=setting.config,
        accum_steps=accum_steps(setting.config, me),
        hidden_size=AutoConfig.from_pretrained(setting.model).get_text_config().hidden_size,
        me=me,
        weights=weights,
    )


def step_packs(setting: Setting, packs: PackFolder, step: int, me: Rank) -> StepPacks:
    """The rank's micro-batches of a step."""
    return packs_of_rank(packs, step, seed=SEED, config=setting.config, me=me)


def update(engine: Zero3, work: StepPacks, setting: Setting, me: Rank) -> tuple[float, float]:
    """One optimizer step: its loss, and the gradient's norm. Collective."""
    done = loop.update_weights(
        engine,
        work,
        setting.config.learning_rate,
        objective=SFT,
        state=TrainState(),
        max_loss_rise=None,
        me=me,
    )
    return done.loss, done.grad_norm


def losses_of(engine: Zero3, batch: Batch) -> Tensor:
    """Loss of each trained token of a batch on the host. Collective."""
    targets = next_token_targets(batch.labels, batch.cu_seqlens)
    return engine.losses(inputs_of(batch, *targets))


def losses(engine: Zero3, setting: Setting, me: Rank, *, first: int, stop: int) -> Iterator[float]:
    """The losses of the steps first..stop, which are made. Collective."""
    packs = PackFolder(setting.packs)
    for step in range(first, stop):
        yield update(engine, step_packs(setting, packs, step, me), setting, me)[0]


def save(engine: Zero3, folder: Path, step: int, setting: Setting, me: Rank) -> tuple[float, float]:
    """Write a checkpoint: seconds that training waits, and until it is whole. Collective."""
    saver = Saver(folder, keep=1, overlap=setting.config.overlap_save, me=me)
    start = time.perf_counter()
    saver.begin(TrainState(step=step, num_updates=step), engine.slices(), engine.shapes)
    waited = time.perf_counter() - start
    saver.finish()
    return waited, time.perf_counter() - start


def resume(folder: Path, setting: Setting, me: Rank) -> Zero3:
    """A new engine with the state of the newest checkpoint. Collective."""
    resumed, state = resume_point(folder, me)
    assert resumed is not None, "it was saved just now"
    engine = engine_of(setting, me, resumed)
    engine.restore(resumed.read, num_updates=state.num_updates)
    return engine


def flops_counter(setting: Setting) -> Callable[[StepPacks], float]:
    """Gives FLOPs of a step by the model's mathematics, over all ranks; recomputation is not counted."""
    flops = step_flops(AutoConfig.from_pretrained(setting.model), setting.config.lora)
    return lambda work: flops.of(
        num_tokens=work.num_tokens,
        num_targets=work.counts.num_valid_tokens,
        sum_of_squares=work.attention_cost,
    )


def estimated_peak(setting: Setting, work: StepPacks, me: Rank, *, seq_len: int) -> int:
    """Bytes of one rank, as `hunmin plan` has them."""
    return memory.estimate(
        AutoConfig.from_pretrained(setting.model),
        seq_len=seq_len,
        micro_batch_size=setting.config.packs_at_once,
        world_size=me.world_size,
        dtype=me.dtype,
        trained_share=work.counts.num_valid_tokens / work.num_tokens,
        train=setting.config,
    ).peak


def forget_peak(me: Rank) -> None:
    """From here on the peak is of what follows: loading may hold more at once. A CPU's cannot be reset."""
    if me.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(me.device)


def now(me: Rank) -> float:
    """Seconds of a clock, when the device has computed all that it was given."""
    if me.device.type == "cuda":
        torch.cuda.synchronize(me.device)
    return time.perf_counter()
