"""What a rank reads of a step: its own packs alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rank_helpers import make_packs, run_ranks, write_split

from trainer.batches.packs import Pack, PackFolder
from trainer.batches.weighting import StepCounts, count_step
from trainer.config import TrainConfig
from trainer.engine.ranks import Rank
from trainer.engine.steps import packs_of_rank, read_own

WORLD_SIZE = 4
CONFIG = TrainConfig.model_validate({"global_batch_size": 10})


class Watched(PackFolder):
    """Remembers which packs were read."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.read: list[int] = []

    def __getitem__(self, index: int) -> Pack:
        self.read.append(index)
        return super().__getitem__(index)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    table = make_packs(12, seq_len=48, seed=1, weights=(0.3, 1.0, 2.5))
    write_split(tmp_path / "train", [table], split="train", seq_len=48)
    return tmp_path / "train"


def test_a_rank_reads_its_own_packs_alone(folder: Path) -> None:
    packs = Watched(folder)
    read: list[list[int]] = []
    num_tokens: set[int] = set()
    for index in range(WORLD_SIZE):
        me = Rank(index, WORLD_SIZE, torch.device("cpu"), 1)
        num_tokens.add(read_own(packs, 0, seed=3, config=CONFIG, me=me).num_tokens)
        read.append(packs.read)
        packs.read = []
    assert max(map(len, read)) == 3, "a quarter of ten, rounded up"
    of_step = {index for of_rank in read for index in of_rank}
    assert len(of_step) == sum(map(len, read)) == 10
    assert num_tokens == {sum(len(packs[index].input_ids) for index in of_step)}, "of the whole step"


def counts(folder: Path, size: int) -> StepCounts:
    from trainer.engine.ranks import join_ranks

    config = TrainConfig.model_validate({"global_batch_size": 10, "sequence_parallel_size": size})
    with join_ranks(timeout_s=60, sequence_parallel_size=size) as me:
        return packs_of_rank(PackFolder(folder), 0, seed=3, config=config, me=me).counts


@pytest.mark.parametrize("size", [1, 2])
def test_counts_of_the_ranks_are_those_of_the_step(folder: Path, size: int) -> None:
    packs = Watched(folder)
    for index in range(WORLD_SIZE):
        read_own(packs, 0, seed=3, config=CONFIG, me=Rank(index, WORLD_SIZE, torch.device("cpu"), 1))
    wanted: Any = count_step([packs[index] for index in sorted(packs.read)], num_tasks=2)
    for found in run_ranks(counts, 2, folder, size):
        assert found.tokens_of_task.tolist() == wanted.tokens_of_task.tolist()
        np.testing.assert_allclose(found.weighted_of_task, wanted.weighted_of_task, rtol=1e-15)
        assert found.weighted_samples == pytest.approx(wanted.weighted_samples, rel=1e-15)
