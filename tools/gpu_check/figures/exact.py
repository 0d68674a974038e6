"""Exactness on this machine: gradients against fp64, packs against their rows alone, a resumed run."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tools.gpu_check.figures import ours
from tools.gpu_check.figures.ours import Setting
from tools.gpu_check.figures.random_model import plain_model
from tools.gpu_check.figures.rank import Emit, Given
from trainer.batches import dealing
from trainer.batches.packs import Batch, PackFolder, join
from trainer.batches.targets import next_token_targets
from trainer.engine.ranks import Rank
from trainer.engine.zero3 import Zero3
from trainer.model.loss import masked_loss
from trainer.objectives import Scored
from trainer.objectives.sft import SFT

Gradients = dict[str, Tensor]


def gradient(given: Given, setting: Setting, me: Rank, emit: Emit) -> None:
    """The error of a step's gradient against fp64, and that of a plain loop in the same precision."""
    exact = plain_gradients(setting, me, torch.float64)
    plain = plain_gradients(setting, me, me.dtype)
    emit({"error": relative_error(engine_gradients(setting, me), exact)})
    emit({"plain_error": relative_error(plain, exact)})


def packed(given: Given, setting: Setting, me: Rank, emit: Emit) -> None:
    """Losses of a pack against those of its rows alone, and what another neighbour changes.

    The control is the same change where the boundary after that neighbour is gone.
    """
    engine = ours.engine_of(setting, me)
    engine.train(False)
    batch = join([PackFolder(setting.packs)[0]])
    bounds = batch.cu_seqlens.tolist()
    with torch.no_grad():
        together = ours.losses_of(engine, batch)
        alone = torch.cat([ours.losses_of(engine, rows(batch, [a, b])) for a, b in pairwise(bounds)])
        neighbour, after = slice(0, bounds[1]), int(bounds[1])
        changed_ids = batch.input_ids.clone()
        changed_ids[neighbour] = (changed_ids[neighbour] + 1) % given.measurement.shape.vocab_size
        changed = ours.losses_of(engine, batch._replace(input_ids=changed_ids))
        positions_N, _ = next_token_targets(batch.labels, batch.cu_seqlens)
        others = (positions_N >= after).to(together.device)
        open_bounds = batch.cu_seqlens[[0, *range(2, len(bounds))]]
        leaking = [
            ours.losses_of(engine, batch._replace(input_ids=ids, cu_seqlens=open_bounds))[
                -int(others.sum()) :
            ]
            for ids in (batch.input_ids, changed_ids)
        ]
    emit(
        {
            "segments": len(bounds) - 1,
            "difference": float((together - alone).abs().max() / alone.abs().max()),
            "leak": float((changed - together)[others].abs().max()),
            "leak_without_boundary": float((leaking[0] - leaking[1]).abs().max()),
        }
    )


def resume(given: Given, setting: Setting, me: Rank, emit: Emit) -> None:
    """A run of four steps against one that was saved after two, and went on from the checkpoint."""
    emit(resumed_losses(given, setting, me, ours.engine_of(setting, me), first=0))


def resumed_losses(given: Given, setting: Setting, me: Rank, engine: Zero3, *, first: int) -> dict[str, Any]:
    """Losses of the steps after the checkpoint at first + 2, never stopped and resumed; and the seconds."""
    folder = Path(given.scratch) / "checkpoints"
    list(ours.losses(engine, setting, me, first=first, stop=first + 2))
    waited_s, saved_s = ours.save(engine, folder, first + 2, setting, me)
    onward = {"first": first + 2, "stop": first + 4}
    never_stopped = list(ours.losses(engine, setting, me, **onward))
    start = ours.now(me)
    again = ours.resume(folder, setting, me)
    resumed_s = ours.now(me) - start
    return {
        "save_wait_s": waited_s,
        "save_s": saved_s,
        "resume_s": resumed_s,
        "never_stopped": never_stopped,
        "resumed": list(ours.losses(again, setting, me, **onward)),
    }


def rows(batch: Batch, bounds: list[int]) -> Batch:
    """One row of a pack, as a pack of its own."""
    start, stop = bounds
    ids, positions, labels = (tensor[start:stop] for tensor in batch[:3])
    cu_seqlens = torch.tensor([0, stop - start], dtype=torch.int32)
    return Batch(ids, positions, labels, cu_seqlens, batch.tasks[:1], batch.rows[:1], batch.weights[:1])


def engine_gradients(setting: Setting, me: Rank) -> Gradients:
    """Of the first step, by our engine, whole, in fp64. Collective."""
    engine = ours.engine_of(setting, me)
    work = ours.step_packs(setting, PackFolder(setting.packs), 0, me)
    for number, micro in enumerate(work.micro_batches, start=1):
        there = micro.to(me.device)
        losses_N = engine.losses(there.inputs)
        engine.backward(SFT.minimise(Scored(-losses_N, there.weights, there.tasks, there.rows)).loss)
        if number < len(work.micro_batches):
            engine.step(0.0)
    return {name: gradient.double().reshape(engine.shapes[name]) for name, gradient in engine.gradients()}


def plain_gradients(setting: Setting, me: Rank, dtype: torch.dtype) -> Gradients:
    """Of the first step, by transformers, row after row, in one process; summed in fp64."""
    model = plain_model(setting.model, device=me.device, dtype=dtype, attention="sdpa")
    packs = PackFolder(setting.packs)
    indices = dealing.packs_of_step(
        0,
        seed=ours.SEED,
        epoch_sizes=packs.epoch_sizes,
        global_batch_size=setting.config.global_batch_size,
    )
    batches = [join([packs[index]]) for index in indices]
    num_targets = sum(len(next_token_targets(one.labels, one.cu_seqlens)[0]) for one in batches)
    sums: Gradients = {}
    for batch in batches:
        for start, stop in pairwise(batch.cu_seqlens.tolist()):
            row = rows(batch, [start, stop]).to(me.device)
            positions_N, targets_N = next_token_targets(row.labels, row.cu_seqlens)
            logits_TV = model(row.input_ids[None], use_cache=False).logits[0]
            losses_N = (
                torch.nn.functional.cross_entropy(logits_TV[positions_N], targets_N, reduction="none")
                if dtype == torch.float64
                else masked_loss(logits_TV[positions_N], targets_N)
            )
            (losses_N.sum() / num_targets).backward()
            for name, parameter in model.named_parameters():
                assert parameter.grad is not None, f"{name}: no gradient"
                sums[name] = sums.get(name, 0) + parameter.grad.double()
                parameter.grad = None
    return sums


def relative_error(found: Gradients, wanted: Gradients) -> float:
    """L2 norm of the difference over that of `wanted`, over all parameters."""
    assert found.keys() == wanted.keys(), f"parameters differ: {found.keys() ^ wanted.keys()}"
    difference = sum(float((found[name] - wanted[name]).square().sum()) for name in wanted)
    return (difference / sum(float(gradient.square().sum()) for gradient in wanted.values())) ** 0.5
