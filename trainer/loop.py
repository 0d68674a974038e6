"""Training, read first: `train` is the whole life of one rank. Every rank runs it at the same time.

Starters (Ray Train in ray_workers.py, torchrun in __main__.py) call begin_training once, `train` in each
rank, and finish_training once.
"""

import math
import os
import resource
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import AutoConfig

from hunmin.errors import StopRequested
from hunmin.hashing import sha256_json
from hunmin.notes import remove_if_damaged, vouch_for
from hunmin.progress import Heartbeat, no_heartbeat, said_to, say
from hunmin.schema import TrainMetrics, ValMetrics
from trainer.batches import dealing
from trainer.batches.packs import PackFolder
from trainer.batches.read_ahead import read_ahead
from trainer.batches.weighting import count_step
from trainer.checkpoint.checkpoint import TrainState
from trainer.checkpoint.resume import resume_point
from trainer.checkpoint.saving import Saver
from trainer.config import ALL_TASKS, TrainConfig
from trainer.engine.learning_rate import learning_rate
from trainer.engine.long_work import together
from trainer.engine.outcome import Outcome
from trainer.engine.ranks import Rank, join_ranks, seed_everything
from trainer.engine.steps import (
    StepPacks,
    StepResult,
    accum_steps,
    micro_batch,
    read_own,
    shares,
    sums_by_task,
    weigh,
)
from trainer.engine.zero3 import Reported, Zero3
from trainer.health.signals import stop_on_signal
from trainer.health.skips import count_update, loss_ceiling
from trainer.health.stragglers import Stragglers
from trainer.health.throughput import StepTimes
from trainer.health.watchdog import watched
from trainer.job import Job, base_folder, count_steps
from trainer.metrics.metrics_log import MetricsLog
from trainer.metrics.sample_answers import Sampler
from trainer.metrics.trackers import open_trackers
from trainer.model.architecture import language_config
from trainer.model.attention import SEGMENTED, Asks, implementation
from trainer.model.embeddings import remake_base
from trainer.model.folder_weights import FolderWeights
from trainer.model.lora import FreshAdapters, Overlaid, Weights, is_adapter
from trainer.model.packed_model import build, check_vocab, create_base, locate_base
from trainer.objectives import Objective, Scored, make_objective
from trainer.open_data import open_data
from trainer.plan.defaults import GIB, Training, choose, chosen, least_room, room_of, warnings
from trainer.plan.remedies import require_fit


def train(job: Job) -> None:
    """Train until the last step, from the newest valid checkpoint if there is one.

    Raises:
        StopRequested: a signal came; the state is saved and the same command continues.
        GateError: nothing to train on, or the updates are not finite.
        InputError: the model's files do not fit.
    """
    config = job.config
    with (
        join_ranks(
            timeout_s=config.collective_timeout_s,
            precision=config.precision,
            sequence_parallel_size=config.sequence_parallel_size,
            deterministic=config.deterministic,
        ) as me,
        stop_on_signal(job.stop_file) as stop_flag,
        said_to(job.said_file if me.is_first else Path(os.devnull)),
        watched(job.out_dir / "stacks", index=me.index, timeout_s=config.hang_timeout_s) as watchdog,
    ):
        packs, val_packs, asked, questions = open_data(job, me, alive=watchdog.alive)
        num_steps = count_steps(packs, config)
        base = prepare_base(job, me, alive=watchdog.alive)
        job, me = fit_to_machine(job, me, base=base, packs=packs)
        config = job.config
        engine, state = set_up(job, me, alive=watchdog.alive)
        objective = make_objective(config, data_dir=job.data_dir)
        pace, stragglers = StepTimes(base_folder(job), config, me, num_steps), Stragglers(me.hosts)
        sampler = Sampler(questions, job.data_dir / "tokenizer")
        saver = Saver(
            job.checkpoints, keep=config.keep, overlap=config.overlap_save, me=me, alive=watchdog.alive
        )
        read = partial(read_own, packs, seed=job.seed, config=config, me=me)
        with (
            open_metrics(job, me, state) as metrics,
            closing(read_ahead(read, range(state.step, num_steps))) as own_packs,
        ):
            while state.step < num_steps:
                watchdog.beat(f"step {state.step + 1}: reading packs")
                pace.start()
                seed_everything(job.seed, state.step, me.index)
                work = weigh(next(own_packs), config.loss_weighting, me)
                rate = learning_rate(state.step, num_steps=num_steps, config=config)
                watchdog.beat(f"step {state.step + 1}: forward and backward")
                done = update_weights(
                    engine,
                    work,
                    rate,
                    objective=objective,
                    state=state,
                    max_loss_rise=config.max_loss_rise,
                    me=me,
                    alive=watchdog.alive,
                )
                totals = me.gather(
                    [
                        stop_flag.is_set(),
                        peak_memory_bytes(me),
                        pace.busy_s(),
                        saver.progress(),
                        *done.by_task.ravel(),
                        engine.take_router_loss(),
                        *done.logged,
                    ]
                )
                saver.advance(totals[:, 3])
                state = count_update(
                    state,
                    loss=done.loss,
                    applied=done.applied,
                    is_spike=done.is_spike,
                    max_skipped=config.max_skipped_steps,
                )
                line = train_line(state, work, done, totals, tasks=packs.tasks, rate=rate, pace=pace)
                if packs.is_weighted:
                    line["weighted_tokens"] = work.counts.weighted_tokens
                if engine.has_router_loss:
                    line["router_loss"] = float(totals[:, 4 + done.by_task.size].sum())
                if objective.logs:
                    sums = totals[:, -len(objective.logs) :].sum(0)
                    line["objective"] = dict(zip(objective.logs, map(float, sums), strict=True))
                metrics.train(line)
                if (line := stragglers.see(totals[:, 2])) and me.is_first:
                    say(f"train: step {state.step}: {line}")
                is_last, stop = state.step == num_steps, bool(totals[:, 0].any())
                best = state.best_step
                if len(val_packs) and (is_last or state.step % config.val_interval == 0):
                    watchdog.beat(f"step {state.step}: validation")
                    losses = validate(
                        engine,
                        val_packs,
                        asked,
                        step=state.step,
                        config=config,
                        me=me,
                        alive=watchdog.alive,
                    )
                    metrics.val(losses)
                    watchdog.beat(f"step {state.step}: sample answers")
                    metrics.samples(sampler.ask(engine, step=state.step))
                    state = keep_best(state, loss_to_compare(losses, config.best_by))
                is_due = is_last or stop or state.step % config.save_interval == 0
                if is_due or state.best_step != best:
                    watchdog.beat(f"step {state.step}: saving")
                    metrics.sync()
                    saver.begin(state, engine.slices(), engine.shapes, weights_alone=not is_due)
                if is_last or stop:
                    saver.finish()
                if stop and not is_last:
                    raise StopRequested(
                        f"stopped on request after step {state.step} of {num_steps}; saved, the same command "
                        "continues"
                    )


def set_up(job: Job, me: Rank, *, alive: Heartbeat = no_heartbeat) -> tuple[Zero3, TrainState]:
    """The engine with the weights to go on from, and the state that belongs to them. Collective.

    `alive` is called for each tensor that was read, and as files are made or verified.
    """
    base = prepare_base(job, me, alive=alive)
    resumed, state = resume_point(job.checkpoints, me, alive=alive)
    # Before the engine: classes that are imported while it partitions would lose their decorators after it.
    in_folder = FolderWeights(base)

    def weights(shapes: dict[str, tuple[int, ...]]) -> Weights:
        adapters = {name: shape for name, shape in shapes.items() if is_adapter(name)}
        in_folder.check({name: shape for name, shape in shapes.items() if name not in adapters})
        fresh = FreshAdapters(adapters, seed=job.seed)
        over, names = (resumed.weights(), resumed.shapes) if resumed else (fresh, adapters)
        return Reported(Overlaid(in_folder, over, names), alive)

    engine = Zero3(
        lambda: build(base, device=me.device, dtype=me.dtype, config=job.config),
        config=job.config,
        accum_steps=accum_steps(job.config, me),
        hidden_size=AutoConfig.from_pretrained(base).get_text_config().hidden_size,
        me=me,
        weights=weights,
    )
    if resumed is not None:
        engine.restore(resumed.read, num_updates=state.num_updates)
    return engine, state


def fit_to_machine(job: Job, me: Rank, *, base: Path, packs: PackFolder) -> tuple[Job, Rank]:
    """The job with what its config leaves to the machine, and the rank that records it. Collective.

    Raises:
        GateError: a rank needs more memory than it has.
    """
    model = AutoConfig.from_pretrained(base)
    attention = implementation(me.device, dtype=me.dtype, asks=Asks.of(language_config(model)))
    training = Training(
        model=model,
        seq_len=packs.seq_len,
        world_size=me.world_size,
        device_type=me.device.type,
        keeps_scores=attention == SEGMENTED,
    )
    room = least_room(room_of(job.config, device=me.device, neighbours=me.neighbours), me)
    config = choose(job.config, training, room)
    taken = chosen(job.config, config)
    if me.is_first:
        if me.device.type == "cuda" and taken:
            need = training.memory(config).peak / GIB
            told = ", ".join(f"{key} {value}" for key, value in taken.items())
            say(f"train: chosen by memory: {told}; {need:.1f} GiB a rank (estimated)")
        for line in warnings(config, training, num_packs=len(packs)):
            say(f"train: {line}")
    require_fit(config, training, room)
    return replace(job, config=config), replace(me, chosen=tuple(taken.items()))


def prepare_base(job: Job, me: Rank, *, alive: Heartbeat = no_heartbeat) -> Path:
    """The folder of the initial weights. For a model from scratch, and for one that follows another
    vocabulary, the first rank makes it, and makes it again where it is damaged. Collective.
    """
    base = together(me, lambda alive: base_folder(job, alive=alive), alive=alive)
    tokenizer_dir = job.data_dir / "tokenizer"

    is_made = base.parent == job.out_dir

    def make(alive: Heartbeat) -> None:
        if is_made:
            remove_if_damaged(base, stage="train")
        if job.model.from_scratch is not None and not base.exists():
            create_base(job.model.from_scratch, tokenizer_dir=tokenizer_dir, seed=job.seed, out=base)
        if job.model.remakes_vocabulary and not base.exists():
            assert job.model.path is not None
            old = locate_base(job.model.path, alive=alive)
            mapped = remake_base(old, tokenizer_dir=tokenizer_dir, out=base, alive=alive)
            say(
                f"train: embeddings for the data's tokenizer: {mapped.num_kept} tokens keep their row, "
                f"{mapped.num_new} new ones begin as the mean of their pieces"
            )
        if is_made:
            vouch_for(base)
        check_vocab(base, tokenizer_dir=tokenizer_dir)

    together(me, make if me.is_first else lambda alive: None, alive=alive)
    return base


def open_metrics(job: Job, me: Rank, state: TrainState) -> MetricsLog:
    """The log; only the first rank's writes."""
    config = job.config
    if not me.is_first:
        return MetricsLog(None, tensorboard_dir=None, resumed_step=state.step)
    return MetricsLog(
        job.metrics_file,
        tensorboard_dir=job.out_dir / "tensorboard" if config.tensorboard else None,
        resumed_step=state.step,
        trackers=open_trackers(
            config.trackers,
            folder=job.out_dir / "trackers",
            run_name=job.out_dir.parent.name,
            run_id=sha256_json([str(job.out_dir), job.inputs.config_sha256])[:12],
            config=config.model_dump(mode="json"),
        ),
    )


def update_weights(
    engine: Zero3,
    work: StepPacks,
    rate: float,
    *,
    objective: Objective,
    state: TrainState,
    max_loss_rise: float | None,
    me: Rank,
    alive: Heartbeat = no_heartbeat,
) -> StepResult:
    """One optimizer step: the gradient of the objective's sum over the step's tokens. Collective.

    A loss far above the recent ones is known before the last backward, on all ranks alike: it is made NaN
    there, and DeepSpeed then skips the update everywhere. On a GPU the host runs ahead of all this: each
    micro-batch goes there in one copy, and what came of the step is read back in one, at its end.
    """
    ceiling = loss_ceiling(state.recent_losses, max_rise=max_loss_rise)
    outcome, grad_norm, applied = Outcome(me, num_logged=len(objective.logs)), math.nan, False
    for number, micro in enumerate(work.micro_batches, start=1):
        there = micro.to(me.device)
        losses_N = engine.losses(there.inputs)
        part = objective.minimise(Scored(-losses_N, there.weights, there.tasks, there.rows))
        outcome.add(part, losses_N)
        loss = engine.with_router_loss(part.loss, there.weights)
        if number == len(work.micro_batches):
            loss = loss * outcome.close(ceiling)
        outcome.norms.append(engine.backward(loss))
        grad_norm, applied = engine.step(rate)  # updates after the last micro-batch
        alive()
    return outcome.read(work, grad_norm=grad_norm, applied=applied)


@torch.no_grad()
def validate(
    engine: Zero3,
    packs: PackFolder,
    asked: np.ndarray,
    *,
    step: int,
    config: TrainConfig,
    me: Rank,
    alive: Heartbeat = no_heartbeat,
) -> ValMetrics:
    """Loss over the `asked` packs (indices) of the validation split, in all and per task. Collective.

    The losses stay where they are computed and are read back in one copy, at the end.
    """
    costs = packs.index.attention_costs[asked].tolist()
    mine = asked[dealing.deal(costs, world_size=me.num_groups)[me.group_index]].tolist()
    count = dealing.grad_accum_steps(
        len(asked), world_size=me.num_groups, micro_batch_size=config.packs_at_once
    )
    none = count_step([], num_tasks=len(packs.tasks))
    losses: list[Tensor] = []
    of_tokens: list[tuple[Tensor, Tensor]] = []  # weights and tasks
    engine.train(False)
    for group in dealing.micro_batches(mine, micro_batch_size=config.packs_at_once, count=count):
        batch, _, tasks_N, _, weights_N = micro_batch([packs[index] for index in group], none, "token", me)
        losses.append(engine.losses(batch).double())
        of_tokens.append((weights_N, tasks_N))
        alive()
    sums = np.zeros((3, len(packs.tasks)))  # nats and tokens, by the rows' weights; tokens
    read = torch.cat(losses).cpu().split([len(losses_N) for losses_N in losses])
    for losses_N, (weights_N, tasks_N) in zip(read, of_tokens, strict=True):
        values = [losses_N * weights_N, weights_N, torch.ones_like(weights_N)]
        sums += sums_by_task(values, tasks_N, num_tasks=len(packs.tasks))
    engine.train()
    nats, weights, tokens = me.gather(list(sums.ravel())).sum(0).reshape(sums.shape)
    return {
        "kind": "val",
        "step": step,
        "loss": float(nats.sum() / (weights.sum() or 1)),
        "num_valid_tokens": int(tokens.sum()),
        "num_packs": len(asked),
        "tasks": {task: float(n / w) for task, n, w in zip(packs.tasks, nats, weights, strict=True) if w},
    }


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


def peak_memory_bytes(me: Rank) -> int:
    """The most memory this process ever held: on its GPU, or resident."""
    if me.device.type == "cuda":
        return torch.cuda.max_memory_allocated(me.device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def train_line(
    state: TrainState,
    work: StepPacks,
    done: StepResult,
    totals: np.ndarray,
    *,
    tasks: Sequence[str],
    rate: float,
    pace: StepTimes,
) -> TrainMetrics:
    """A line of metrics.jsonl. `totals` (ranks, 5 + 3 tasks + logs): stop flag, peak memory, busy_s,
    saver, by_task, the router loss, what the objective logs.
    """
    nats, weights, norms = totals[:, 4 : 4 + 3 * len(tasks)].sum(0).reshape(3, len(tasks))
    gradient_shares = shares(norms)
    seconds = pace.end(state.step)
    flops = pace.flops.of(
        num_tokens=work.num_tokens,
        num_targets=work.counts.num_valid_tokens,
        sum_of_squares=work.attention_cost,
    )
    return {
        "kind": "train",
        "step": state.step,
        "loss": done.loss,
        "num_valid_tokens": work.counts.num_valid_tokens,
        "num_tokens": work.num_tokens,
        "learning_rate": rate,
        "grad_norm": done.grad_norm,
        "skipped": not done.applied,
        "step_s": round(seconds, 6),
        "tokens_per_s": round(work.num_tokens / seconds, 1),
        "trained_tokens_per_s": round(work.counts.num_valid_tokens / seconds, 1),
        "idle_share": work.idle_share,
        "peak_memory_bytes": int(totals[:, 1].max()),
        "busy_s": [round(float(busy), 4) for busy in totals[:, 2]],
        "model_flops": flops,
        "mfu": None if pace.peak_flops is None else round(flops / seconds / pace.peak_flops, 4),
        "time_left_s": round(pace.time_left_s(state.step), 1),
        "tasks": {
            task: {
                "loss": float(nats[index] / weights[index]),
                "num_valid_tokens": int(work.counts.tokens_of_task[index]),
                "gradient_share": None
                if math.isnan(gradient_shares[index])
                else round(float(gradient_shares[index]), 6),
            }
            for index, task in enumerate(tasks)
            if weights[index]
        },
    }
