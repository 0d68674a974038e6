"""Training, read first: `train` is the whole life of one rank. Every rank runs it at the same time.

Starters (Ray Train in workers.py, torchrun in __main__.py) call job.begin once, `train` in each rank, and
job.finish once.
"""

import math
import resource
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data_pipeline.errors import StopRequested
from data_pipeline.schema import TrainMetrics, ValMetrics
from trainer import batches, checkpoint
from trainer.checkpoint import Checkpoint, TrainState
from trainer.config import ALL_TASKS, TrainConfig
from trainer.guard import count_update, stop_on_signal
from trainer.job import Job, base_folder, count_steps
from trainer.loss import next_token_targets
from trainer.metrics import MetricsLog
from trainer.model import FolderWeights, build, check_vocab, create_base
from trainer.packs import Batch, PackFolder, StepPacks, count_targets, join
from trainer.ranks import Rank, joined, seed_everything
from trainer.schedule import learning_rate
from trainer.zero3 import Weights, Zero3


def train(job: Job) -> None:
    """Train until the last step, from the newest valid checkpoint if there is one.

    Raises:
        StopRequested: a signal came; the state is saved and the same command continues.
        GateError: nothing to train on, or the updates are not finite.
        InputError: the model's files do not fit.

    """
    config = job.config
    with joined(timeout_s=config.collective_timeout_s) as me, stop_on_signal(job.stop_file) as stop_flag:
        packs, val_packs = PackFolder(job.data_dir / "train"), PackFolder(job.data_dir / "val")
        num_steps = count_steps(packs, config)
        engine, state = set_up(job, me)
        with open_metrics(job, me, state) as metrics:
            while state.step < num_steps:
                start = time.perf_counter()
                seed_everything(job.seed, state.step, me.index)
                work = packs_of_rank(packs, state.step, job=job, me=me)
                rate = learning_rate(state.step, num_steps=num_steps, config=config)
                loss_sum, grad_norm, applied = update(engine, work, rate)
                totals = me.gather([loss_sum, stop_flag.is_set(), peak_memory_bytes(me)])
                state = count_update(state, applied=applied, max_skipped=config.max_skipped_steps)
                seconds = time.perf_counter() - start
                metrics.train(
                    train_line(state, work, totals, rate=rate, grad_norm=grad_norm, seconds=seconds)
                )
                is_last, stop = state.step == num_steps, bool(totals[:, 1].any())
                best = state.best_step
                if len(val_packs) and (is_last or state.step % config.val_interval == 0):
                    losses = validate(engine, val_packs, step=state.step, config=config, me=me)
                    metrics.val(losses)
                    state = keep_best(state, loss_to_compare(losses, config.best_by))
                if is_last or stop or state.best_step != best or state.step % config.save_interval == 0:
                    save(engine, state, job=job, me=me, metrics=metrics)
                if stop and not is_last:
                    raise StopRequested(
                        f"stopped on request after step {state.step} of {num_steps}; saved, the same command "
                        "continues"
                    )


def set_up(job: Job, me: Rank) -> tuple[Zero3, TrainState]:
    """The engine with the weights to go on from, and the state that belongs to them. Collective."""
    base = prepare_base(job, me)
    resumed = resume_point(job, me)

    def weights(shapes: dict[str, tuple[int, ...]], tied: set[str]) -> Weights:
        in_folder = FolderWeights(base)
        in_folder.check(shapes, tied=tied)
        return resumed.weights() if resumed else in_folder

    engine = Zero3(
        lambda: build(base, device=me.device, dtype=me.dtype),
        config=job.config,
        accum_steps=accum_steps(job.config, me),
        me=me,
        weights=weights,
    )
    if resumed is None:
        return engine, TrainState()
    engine.restore(resumed.read, num_updates=resumed.state.num_updates)
    return engine, resumed.state


def prepare_base(job: Job, me: Rank) -> Path:
    """The folder of the initial weights; for a model from scratch the first rank makes it. Collective."""
    base, tokenizer_dir = base_folder(job), job.data_dir / "tokenizer"
    if me.is_first:
        if job.model.from_scratch is not None and not base.exists():
            create_base(job.model.from_scratch, tokenizer_dir=tokenizer_dir, seed=job.seed, out=base)
        check_vocab(base, tokenizer_dir=tokenizer_dir)
    me.barrier()
    return base


def resume_point(job: Job, me: Rank) -> Checkpoint | None:
    """The checkpoint to go on from; later ones are removed. Collective: the first rank looks."""
    found = -1
    if me.is_first:
        valid = checkpoint.newest_valid(job.checkpoints)
        found = -1 if valid is None else valid
        checkpoint.discard_after(job.checkpoints, found)
    step = int(me.gather([found])[0, 0])
    return None if step < 0 else Checkpoint(checkpoint.folder_of(job.checkpoints, step))


def open_metrics(job: Job, me: Rank, state: TrainState) -> MetricsLog:
    """The log; only the first rank's writes."""
    board = job.out_dir / "tensorboard" if job.config.tensorboard else None
    return MetricsLog(
        job.metrics_file if me.is_first else None, tensorboard_dir=board, resumed_step=state.step
    )


def accum_steps(config: TrainConfig, me: Rank) -> int:
    """Micro-batches of a step, the same on every rank."""
    return batches.grad_accum_steps(
        config.global_batch_size, world_size=me.world_size, micro_batch_size=config.micro_batch_size
    )


def packs_of_rank(packs: PackFolder, step: int, *, job: Job, me: Rank) -> StepPacks:
    """The rank's micro-batches of a step. Which packs the step has depends on (seed, step) alone."""
    config = job.config
    indices = batches.packs_of_step(
        step, seed=job.seed, epoch_sizes=packs.epoch_sizes, global_batch_size=config.global_batch_size
    )
    of_step = [packs[index] for index in indices]
    costs = [batches.attention_cost(pack.seq_lengths) for pack in of_step]
    mine = [of_step[i] for i in batches.deal(costs, world_size=me.world_size)[me.index]]
    cut = batches.micro_batches(mine, micro_batch_size=config.micro_batch_size, count=accum_steps(config, me))
    return StepPacks(
        micro_batches=[join(group) for group in cut],
        num_valid_tokens=sum(map(count_targets, of_step)),
        num_tokens=sum(len(pack.input_ids) for pack in of_step),
        idle_share=batches.idle_share(
            len(of_step), global_batch_size=config.global_batch_size, world_size=me.world_size
        ),
    )


def update(engine: Zero3, work: StepPacks, rate: float) -> tuple[float, float, bool]:
    """One optimizer step: the gradient of (loss summed over the step's tokens) / (their number). Collective.

    Returns:
        This rank's loss sum in nats, the gradient's norm before clipping, whether the update was applied.

    """
    loss_sum, grad_norm, applied = 0.0, math.nan, False
    for batch in work.micro_batches:
        losses_N = engine.losses(batch)
        engine.backward(losses_N.sum(), num_valid_tokens=max(1, work.num_valid_tokens))
        grad_norm, applied = engine.step(rate)  # updates after the last micro-batch
        loss_sum += float(losses_N.detach().double().sum())
    return loss_sum, grad_norm, applied


@torch.no_grad()
def validate(engine: Zero3, packs: PackFolder, *, step: int, config: TrainConfig, me: Rank) -> ValMetrics:
    """Loss over the validation packs, in all and per task. Collective."""
    costs = [batches.attention_cost(packs[index].seq_lengths) for index in range(len(packs))]
    mine = batches.deal(costs, world_size=me.world_size)[me.index]
    count = math.ceil(math.ceil(len(packs) / me.world_size) / config.micro_batch_size)
    sums = np.zeros((2, len(packs.tasks)))  # nats, tokens
    engine.train(False)
    for group in batches.micro_batches(mine, micro_batch_size=config.micro_batch_size, count=count):
        batch = join([packs[index] for index in group])
        add_by_task(sums, engine.losses(batch), batch)
    engine.train()
    nats, tokens = me.gather(list(sums.ravel())).sum(0).reshape(sums.shape)
    return {
        "kind": "val",
        "step": step,
        "loss": float(nats.sum() / max(1, tokens.sum())),
        "num_valid_tokens": int(tokens.sum()),
        "tasks": {task: float(n / t) for task, n, t in zip(packs.tasks, nats, tokens, strict=True) if t},
    }


def add_by_task(sums: np.ndarray, losses_N: Tensor, batch: Batch) -> None:
    """Add each trained token's loss and count to its task's column of `sums` (2, tasks)."""
    positions_N, _ = next_token_targets(batch.labels, batch.cu_seqlens)
    segments_N = torch.searchsorted(batch.cu_seqlens[1:].contiguous(), positions_N, right=True)
    tasks_N = batch.tasks[segments_N].numpy()
    num_tasks = sums.shape[1]
    sums[0] += np.bincount(tasks_N, losses_N.double().cpu().numpy(), minlength=num_tasks)
    sums[1] += np.bincount(tasks_N, minlength=num_tasks)


def loss_to_compare(losses: ValMetrics, best_by: str) -> float:
    """The validation loss that tells which step is exported: over all trained tokens, or of one task."""
    return losses["loss"] if best_by == ALL_TASKS else losses["tasks"][best_by]


def keep_best(state: TrainState, val_loss: float) -> TrainState:
    """The state, which remembers this step if no validation loss before was as low."""
    if not math.isfinite(val_loss):
        return state  # a NaN compares as neither lower nor higher, and would stay the best
    if state.best_val_loss is not None and state.best_val_loss <= val_loss:
        return state
    return replace(state, best_step=state.step, best_val_loss=val_loss)


def save(engine: Zero3, state: TrainState, *, job: Job, me: Rank, metrics: MetricsLog) -> None:
    """Save a checkpoint and drop those no longer kept. Collective."""
    metrics.sync()
    checkpoint.save(job.checkpoints, state=state, slices=engine.slices(), shapes=engine.shapes, me=me)
    if me.is_first:
        checkpoint.prune(job.checkpoints, keep=job.config.keep, best_step=state.best_step)


def peak_memory_bytes(me: Rank) -> int:
    """The most memory this process ever held: on its GPU, or resident."""
    if me.device.type == "cuda":
        return torch.cuda.max_memory_allocated(me.device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def train_line(
    state: TrainState, work: StepPacks, totals: np.ndarray, *, rate: float, grad_norm: float, seconds: float
) -> TrainMetrics:
    """A line of metrics.jsonl. `totals` (ranks, 3): loss sum, stop flag, peak memory of each rank."""
    return {
        "kind": "train",
        "step": state.step,
        "loss": float(totals[:, 0].sum() / max(1, work.num_valid_tokens)),
        "num_valid_tokens": work.num_valid_tokens,
        "num_tokens": work.num_tokens,
        "learning_rate": rate,
        "grad_norm": grad_norm,
        "step_s": round(seconds, 6),
        "tokens_per_s": round(work.num_tokens / seconds, 1),
        "trained_tokens_per_s": round(work.num_valid_tokens / seconds, 1),
        "idle_share": work.idle_share,
        "peak_memory_bytes": int(totals[:, 2].max()),
    }
