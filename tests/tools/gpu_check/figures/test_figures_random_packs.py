"""Packs of rows as long as real ones."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hunmin.errors import InputError
from hunmin.schema import IGNORE_INDEX
from tools.gpu_check.figures.random_packs import SHIPPED, read_rows, write_packs
from trainer.batches.packs import PackFolder


def test_the_shipped_rows_are_as_long_as_their_page_says() -> None:
    rows = read_rows(SHIPPED)
    assert rows.shape == (256, 2)
    assert rows.mean(0).round().tolist() == [132, 85]


def test_packs_hold_whole_rows_that_end_in_what_is_trained(tmp_path: Path) -> None:
    rows = np.array([[10, 4], [3, 1], [100, 90]])
    write_packs(tmp_path / "packs", rows, num_packs=6, seq_len=32, vocab_size=50)
    packs = PackFolder(tmp_path / "packs")
    assert len(packs) >= 6
    trained_of = {10: 4, 3: 1, 32: 31}  # the long row is cut, and its first token has nothing before it
    for index in range(len(packs)):
        pack = packs[index]
        assert len(pack.input_ids) == pack.seq_lengths.sum() <= 32
        assert 0 <= pack.input_ids.min() <= pack.input_ids.max() < 50
        for labels in np.split(pack.labels, pack.seq_lengths.cumsum()[:-1]):
            trained = trained_of[len(labels)]
            assert (labels[:-trained] == IGNORE_INDEX).all()
            assert (labels[-trained:] != IGNORE_INDEX).all()


def test_the_same_packs_every_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_packs(tmp_path / name, read_rows(SHIPPED), num_packs=2, seq_len=512, vocab_size=512)
    first, second = (next((tmp_path / name).iterdir()).read_bytes() for name in ("a", "b"))
    assert first == second


def test_lengths_come_from_a_ledger_too(tmp_path: Path) -> None:
    table = pa.table({"num_tokens": [9, 5], "num_trained_tokens": [3, 2], "row": [0, 1]})
    pq.write_table(table, tmp_path / "rows.parquet")
    assert read_rows(tmp_path / "rows.parquet").tolist() == [[9, 3], [5, 2]]


@pytest.mark.parametrize("text", ["", "9\n", "4 4\n", "a b\n"])
def test_lines_that_are_no_rows_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=r"rows\.txt: .*needs"):
        read_rows(path)
