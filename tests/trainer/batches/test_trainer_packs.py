from pathlib import Path

import numpy as np
import pyarrow as pa
from rank_helpers import make_packs, write_split

from hunmin.schema import IGNORE_INDEX, PACKS, WEIGHTED_PACKS
from trainer.batches.packs import PackFolder, join, targets_of_segments

X = IGNORE_INDEX
PACK = {
    "input_ids": [1, 2, 3, 7, 8],
    "labels": [X, 2, 3, X, 8],
    "seq_lengths": [3, 2],
    "rows": [0, 1],
    "tasks": [1, 0],
}


def test_join_lays_packs_end_to_end(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([PACK, PACK], schema=PACKS)
    write_split(tmp_path / "train", [table], split="train", seq_len=8)
    folder = PackFolder(tmp_path / "train")
    batch = join([folder[0], folder[1]])
    assert batch.input_ids.tolist() == [1, 2, 3, 7, 8] * 2
    assert batch.labels.tolist() == [X, 2, 3, X, 8] * 2
    assert batch.position_ids.tolist() == [0, 1, 2, 0, 1] * 2
    assert batch.cu_seqlens.tolist() == [0, 3, 5, 8, 10]
    # the shard's tasks are [translation, chat]; the folder's are sorted
    assert [folder.tasks[task] for task in batch.tasks] == ["chat", "translation"] * 2
    assert targets_of_segments(folder[0]).sum() == 3


def test_weights_are_one_where_a_shard_has_none(tmp_path: Path) -> None:
    plain = pa.Table.from_pylist([PACK], schema=PACKS)
    weighted = pa.Table.from_pylist([PACK | {"weights": [0.5, 3]}], schema=WEIGHTED_PACKS)
    write_split(tmp_path / "train", [plain, weighted], split="train", seq_len=8)
    folder = PackFolder(tmp_path / "train")
    assert folder.is_weighted
    assert join([folder[0], folder[1]]).weights.tolist() == [1, 1, 0.5, 3]
    write_split(tmp_path / "val", [plain], split="val", seq_len=8)
    assert not PackFolder(tmp_path / "val").is_weighted


def test_nothing_is_the_zero_weight_pack() -> None:
    batch = join([])
    assert set(batch.labels.tolist()) == {X}
    assert int(batch.cu_seqlens[-1]) == len(batch.input_ids) > 0


def test_packs_are_numbered_through_shards_and_epochs(tmp_path: Path) -> None:
    epochs = [make_packs(3, seq_len=32, seed=0), make_packs(5, seq_len=32, seed=1)]
    write_split(tmp_path / "train", epochs, split="train", seq_len=32)
    folder = PackFolder(tmp_path / "train")
    assert folder.epoch_sizes == (3, 5)
    assert len(folder) == 8
    ids = [row["input_ids"] for table in epochs for row in table.to_pylist()]
    for index in range(8):
        assert np.array_equal(folder[index].input_ids, ids[index])


def test_no_shards_is_no_packs(tmp_path: Path) -> None:
    assert len(PackFolder(tmp_path)) == 0
