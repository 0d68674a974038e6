"""The plain loop that the trainer is held against: no packing, no attention or head of ours, row by row."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rank_helpers import make_packs, make_tokenizer, write_split
from transformers import AutoModelForCausalLM

from hunmin.models.config import ModelConfig
from hunmin.schema import IGNORE_INDEX
from hunmin.stage import Inputs
from trainer.batches import dealing
from trainer.batches.packs import Pack, PackFolder
from trainer.config import TrainConfig
from trainer.engine.ranks import Rank
from trainer.engine.steps import StepPacks, packs_of_rank
from trainer.job import Job
from trainer.model.packed_model import create_base
from trainer.objectives import Scored
from trainer.objectives.sft import SFT

SEED = 7
Gradients = dict[str, torch.Tensor]


class Row(NamedTuple):
    ids: np.ndarray
    labels: np.ndarray
    task: int
    weight: float = 1.0

    @property
    def num_targets(self) -> int:
        return int((self.labels[1:] != IGNORE_INDEX).sum())


def job_in(root: Path, *, model: ModelConfig, **settings: Any) -> Job:
    return Job(
        config=TrainConfig(**{"tensorboard": False, "num_samples": 0, **settings}),
        model=model,
        seed=SEED,
        data_dir=root / "data",
        out_dir=root / "train",
        inputs=Inputs(1, {}, ""),
    )


def write_data(root: Path, *, num_packs: int = 10, seq_len: int = 96, **packs: Any) -> None:
    table = make_packs(num_packs, seq_len=seq_len, seed=3, **packs)
    write_split(root / "data/train", [table], split="train", seq_len=seq_len)
    make_tokenizer(root / "data/tokenizer")
    (root / "train").mkdir()


def write_root(root: Path, model: ModelConfig, **sizes: Any) -> Path:
    """Data, and a base from scratch."""
    write_data(root, **sizes)
    assert model.from_scratch is not None
    create_base(model.from_scratch, tokenizer_dir=root / "data/tokenizer", seed=SEED, out=root / "train/base")
    return root


def rows_of(packs: Sequence[Pack]) -> list[Row]:
    rows = []
    for pack in packs:
        cuts = np.cumsum(pack.seq_lengths)[:-1]
        rows += [
            Row(*parts)
            for parts in zip(
                np.split(pack.input_ids, cuts),
                np.split(pack.labels, cuts),
                pack.tasks,
                map(float, pack.weights),
                strict=True,
            )
        ]
    return rows


def packs_of(root: Path, step: int, *, global_batch_size: int) -> list[Pack]:
    folder = PackFolder(root / "data/train")
    indices = dealing.packs_of_step(
        step, seed=SEED, epoch_sizes=folder.epoch_sizes, global_batch_size=global_batch_size
    )
    return [folder[index] for index in indices]


def row_weight(row: Row, rows: Sequence[Row], weighting: str) -> float:
    """What each trained token of the row weighs, from the definition in words."""
    if weighting == "token":
        return row.weight / sum(other.weight * other.num_targets for other in rows)
    trained = [other for other in rows if other.num_targets]
    if weighting == "sample":
        return row.weight / (sum(other.weight for other in trained) * row.num_targets)
    same = sum(other.weight * other.num_targets for other in trained if other.task == row.task)
    return row.weight / (len({other.task for other in trained}) * same)


def plain_loss(
    model: torch.nn.Module, rows: Sequence[Row], weighting: str = "token", *, router_loss_coef: float = 0.0
) -> float:
    """Backward of the weighted sum over all answer tokens of all rows.

    Args:
        router_loss_coef: of transformers' own router loss of a row, which weighs as much as its answer tokens
            together; not in what is returned.
    """
    total = 0.0
    for row in rows:
        if not row.num_targets:
            continue
        asked = {"output_router_logits": True} if router_loss_coef else {}
        outputs = model(torch.tensor(row.ids, dtype=torch.long)[None], **asked)
        logits_TV = outputs.logits[0]
        target = torch.tensor(row.labels, dtype=torch.long)
        losses = torch.nn.functional.cross_entropy(logits_TV[:-1], target[1:], reduction="sum")
        weight = row_weight(row, rows, weighting)
        loss = losses * weight
        of_experts = (
            router_loss_coef * row.num_targets * weight * outputs.aux_loss if router_loss_coef else 0.0
        )
        (loss + of_experts).backward()
        total += loss.item()
    return total


def plain_model(folder: Path, dtype: torch.dtype, *, attention: str = "sdpa") -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation=attention, experts_implementation="eager", dtype=dtype
    )


def gradients_of(model: torch.nn.Module) -> Gradients:
    return {name: p.grad.double() for name, p in model.named_parameters() if p.grad is not None}


def relative_error(found: Gradients, wanted: Gradients) -> float:
    assert found.keys() == wanted.keys()
    difference = sum(float((found[name] - wanted[name]).square().sum()) for name in wanted)
    return (difference / sum(float(g.square().sum()) for g in wanted.values())) ** 0.5


# Ours, on real ranks.


def work_of(job: Job, me: Rank) -> StepPacks:
    packs = PackFolder(job.data_dir / "train")
    return packs_of_rank(packs, 0, seed=job.seed, config=job.config, me=me)


def engine_gradients(job: Job, number_of_micro_batches: int) -> tuple[Gradients, float]:
    """Full gradients before the optimizer step, and the step's loss."""
    from trainer import loop
    from trainer.engine.ranks import join_ranks

    with join_ranks(
        timeout_s=60,
        precision=job.config.precision,
        sequence_parallel_size=job.config.sequence_parallel_size,
    ) as me:
        engine, _ = loop.set_up(job, me)
        work = work_of(job, me)
        assert len(work.micro_batches) == number_of_micro_batches
        loss = 0.0
        for number, (batch, *of_tokens, _) in enumerate(work.micro_batches, start=1):
            part = SFT.minimise(Scored(-engine.losses(batch), *of_tokens))
            engine.backward(engine.with_router_loss(part.loss, of_tokens[0]))
            loss += float(part.value)
            if number < number_of_micro_batches:
                engine.step(0.0)
        gradients = {name: gradient.double() for name, gradient in engine.gradients()}
        return gradients, float(me.gather([loss]).sum())
