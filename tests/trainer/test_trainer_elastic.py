"""A run on 2, then 1, then 4 ranks is the one never interrupted: samples, losses, weights, moments."""

import math
import shutil
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from plain_loop import job_in
from rank_helpers import make_data, run_ranks

from hunmin.models.config import ModelConfig
from trainer.batches import dealing
from trainer.batches.packs import PackFolder
from trainer.checkpoint import checkpoint, kept
from trainer.checkpoint.checkpoint import Checkpoint
from trainer.job import Job, begin_training
from trainer.metrics import metrics_log

MODEL = ModelConfig.model_validate(
    # hidden_size 34: parameters that four ranks do not divide
    {"from_scratch": {"hidden_size": 34, "num_layers": 2, "num_heads": 1, "vocab_size": 512}}
)
LAST = 6


def job_of(root: Path) -> Job:
    return job_in(
        root,
        model=MODEL,
        global_batch_size=5,
        num_steps=LAST,
        learning_rate=3e-3,
        save_interval=2,
        val_interval=3,
        keep=5,
    )


def run(root: Path) -> None:
    from trainer.loop import train

    train(job_of(root))


def lines_of(root: Path) -> list[dict[str, Any]]:
    return metrics_log.read_lines(job_of(root).metrics_file)


@pytest.mark.slow
def test_two_one_four_ranks(tmp_path: Path) -> None:
    straight, elastic = tmp_path / "straight", tmp_path / "elastic"
    make_data(straight / "data")
    begin_training(job_of(straight))
    run_ranks(run, 2, straight)
    shutil.copytree(straight, elastic)
    for step, world_size in ((2, 1), (4, 4)):
        kept.discard_after(job_of(elastic).checkpoints, step)
        run_ranks(run, world_size, elastic)
        assert (
            Checkpoint(checkpoint.folder_of(job_of(elastic).checkpoints, LAST)).ranks["world_size"]
            == world_size
        )

    for a, b in zip(lines_of(straight), lines_of(elastic), strict=True):
        assert (a["kind"], a["step"], a["num_valid_tokens"]) == (b["kind"], b["step"], b["num_valid_tokens"])
        assert abs(a["loss"] - b["loss"]) <= 1e-4
    ends = [Checkpoint(checkpoint.folder_of(job_of(root).checkpoints, LAST)) for root in (straight, elastic)]
    assert ends[0].state.num_updates == ends[1].state.num_updates == LAST
    for kind in ("param", "exp_avg", "exp_avg_sq"):
        for name, shape in ends[0].shapes.items():
            a, b = (end.read(kind, name, 0, math.prod(shape)) for end in ends)
            # AdamW divides by the root of the second moment: where that is all but zero, an element's sign
            # hangs on the order of sums. So the norm of the difference, not each element.
            assert float((a - b).norm()) <= 1e-4 * float(a.norm()), (kind, name)


def packs_seen(root: Path, num_steps: int) -> list[list[int]]:
    """The packs (by their ids) that this rank computes in each step."""
    from trainer.engine.ranks import join_ranks
    from trainer.engine.steps import packs_of_rank

    job = job_of(root)
    packs = PackFolder(root / "data/train")
    number = {packs[index].input_ids.tobytes(): index for index in range(len(packs))}
    with join_ranks(timeout_s=60) as me:
        steps = []
        for step in range(num_steps):
            work = packs_of_rank(packs, step, seed=job.seed, config=job.config, me=me)
            seen = [micro.inputs.input_ids.numpy().astype("i4").tobytes() for micro in work.micro_batches]
            steps.append([number[ids] for ids in seen if ids in number])
    return steps


def test_every_world_size_sees_the_same_rows_in_each_step(tmp_path: Path) -> None:
    make_data(tmp_path / "data")
    sizes = PackFolder(tmp_path / "data/train").epoch_sizes
    num_steps = dealing.steps_per_pass(sizes, global_batch_size=5) + 2  # beyond one pass, the epochs again
    wanted = [
        sorted(dealing.packs_of_step(step, seed=7, epoch_sizes=sizes, global_batch_size=5))
        for step in range(num_steps)
    ]
    assert sorted(chain.from_iterable(wanted[:-2])) == list(range(sum(sizes))), "a pass sees every pack once"
    for world_size in (1, 2, 4):
        by_rank = run_ranks(packs_seen, world_size, tmp_path, num_steps)
        assert [sorted(chain.from_iterable(parts)) for parts in zip(*by_rank, strict=True)] == wanted
