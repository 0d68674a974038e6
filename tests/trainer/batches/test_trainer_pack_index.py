"""What is known of packs without their ids; files are opened once, and packs read when asked for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rank_helpers import make_data, make_packs, run_ranks, write_split

from trainer.batches import pack_index, packs
from trainer.batches.dealing import attention_cost
from trainer.batches.pack_index import PackIndex, scan
from trainer.batches.packs import PackFolder
from trainer.config import TrainConfig
from trainer.engine.ranks import Rank
from trainer.engine.steps import read_own


@pytest.fixture
def split(tmp_path: Path) -> Path:
    epochs = [make_packs(5, seq_len=32, seed=0), make_packs(3, seq_len=32, seed=1, weights=[0.5, 2])]
    write_split(tmp_path / "train", epochs, split="train", seq_len=32)
    return tmp_path / "train"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are opened, by name."""
    names: list[str] = []
    for module in (pack_index, packs):
        real = module.read_shard
        monkeypatch.setattr(
            module, "read_shard", lambda path, real=real: names.append(path.name) or real(path)
        )
    return names


def test_an_index_holds_what_the_packs_are(split: Path) -> None:
    folder = PackFolder(split)
    every = [folder[index] for index in range(len(folder))]
    index = scan(split)
    assert index.num_tokens.tolist() == [len(pack.input_ids) for pack in every]
    assert index.attention_costs.tolist() == [attention_cost(pack.seq_lengths) for pack in every]
    assert index.tasks == ("chat", "translation")
    assert index.is_weighted
    assert folder.seq_len == 32
    assert folder.epoch_sizes == (5, 3)


def test_an_index_is_told_to_another_process(split: Path) -> None:
    index = scan(split)
    told = PackIndex.from_bytes(index.to_bytes())
    for name, value in vars(index).items():
        assert np.array_equal(getattr(told, name), value), name
    assert scan(split / "none").num_packs.tolist() == []


def test_with_an_index_only_the_files_of_asked_packs_are_opened(split: Path, opened: list[str]) -> None:
    index = scan(split)
    assert opened == ["shard-00000.arrow", "shard-00001.arrow"]
    opened.clear()
    folder = PackFolder(split, index)
    assert (len(folder), opened) == (8, [])
    assert np.array_equal(folder[6].input_ids, PackFolder(split, index)[6].input_ids)
    assert opened == ["shard-00001.arrow"] * 2, "one for each of the two folders"


def test_files_are_not_all_kept_open(split: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A process has some thousand file descriptors; a split may have more files."""
    index = scan(split)
    monkeypatch.setattr(packs, "MAX_OPEN_SHARDS", 1)
    folder = PackFolder(split, index)
    opened.clear()
    for number in (0, 1, 5, 6, 0):
        folder[number]
    assert opened == ["shard-00000.arrow", "shard-00001.arrow", "shard-00000.arrow"]


def test_segments_are_those_of_the_packs(split: Path) -> None:
    folder = PackFolder(split)
    segments = folder.segments()
    for index in range(len(folder)):
        mine = segments.packs == index
        assert segments.tasks[mine].tolist() == folder[index].tasks.tolist()
        assert segments.tokens[mine].tolist() == folder[index].seq_lengths.tolist()


def opens_of_a_rank(root: Path) -> tuple[int, int, list[int]]:
    """Files opened until training could begin, and then for one pack; the packs asked in validation."""
    from plain_loop import job_in

    from hunmin.models.config import ModelConfig
    from trainer.engine.ranks import join_ranks
    from trainer.open_data import open_data

    names: list[Any] = []
    real = pack_index.read_shard
    pack_index.read_shard = packs.read_shard = lambda path: names.append(path) or real(path)
    model = ModelConfig.model_validate({"from_scratch": {}})
    job = job_in(root, model=model, num_samples=2, num_steps=4, val_interval=1, global_batch_size=5)
    with join_ranks(timeout_s=60) as me:
        data = open_data(job, me)
        before = len(names)
        data.packs[me.index]
        assert len(data.questions) == 2
        return before, len(names) - before, data.asked.tolist()


def test_one_rank_opens_every_file_and_tells_the_others(tmp_path: Path) -> None:
    make_data(tmp_path / "data", epochs=4)
    first, *others = run_ranks(opens_of_a_rank, 3, tmp_path)
    assert first[0] >= 5, "four files of training packs, one of validation packs"
    assert [before for before, _, _ in others] == [0, 0], "however many files and ranks there are"
    assert [of_a_pack for _, of_a_pack, _ in (first, *others)] == [1, 1, 1]
    assert first[2] == others[0][2] == others[1][2]


@pytest.mark.parametrize("num_ranks", [8, 64, 512])
def test_a_step_opens_a_file_for_a_pack_at_most_however_many_ranks(
    tmp_path: Path, opened: list[str], num_ranks: int
) -> None:
    """Simulated ranks, each with a folder of its own as its process has."""
    write_split(
        tmp_path / "train", [make_packs(6, seq_len=16, seed=e) for e in range(12)], split="train", seq_len=16
    )
    config = TrainConfig.model_validate({"global_batch_size": 64})
    index, read = scan(tmp_path / "train"), []
    opened.clear()
    for number in range(num_ranks):
        folder = PackFolder(tmp_path / "train", index)
        before = len(opened)
        own = read_own(folder, 0, seed=1, config=config, me=Rank(number, num_ranks, torch.device("cpu"), 1))
        read.append(int(own.counts.tokens_of_task.sum() > 0))
        assert len(opened) - before <= -(-64 // num_ranks)
    assert len(opened) <= 64
    assert sum(read) == min(num_ranks, 64), "the others have nothing to read"
