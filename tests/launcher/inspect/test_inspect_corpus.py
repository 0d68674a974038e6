"""Packs and rows found in a data folder written out by hand, and what is said where there are none."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hunmin import artifact
from hunmin.errors import ArtifactError, InputError
from hunmin.schema import HELDOUT, LEDGER, PACKS, REJECTED, PackMetadata
from hunmin.shards import write_shard
from launcher.inspect.packed_data import Corpus
from launcher.inspect.shown import rendered_facts
from launcher.inspect.trace_row import trace_row

CURE = "hunmin data c.yaml"
# split, epoch -> shards -> packs -> rows (of rows.parquet); every row is two tokens.
SHARDS = {
    ("train", 0): [[[0, 1], [2]], [[3]]],
    ("train", 1): [[[4, 5], [6, 7]]],
    ("val", 0): [[[8]]],
}


def line(row: int, record: int, split: str, epoch: int, pack: int) -> dict[str, Any]:
    return {
        "row": row,
        "row_id": f"a:x.jsonl:{record}.0",
        "source": "a",
        "file": "x.jsonl",
        "record": record,
        "sub_record": 0,
        "task": "instruction",
        "split": split,
        "epoch": epoch,
        "repeat": 0,
        "pack": pack,
    }


def refused(record: int, reason: str, detail: str) -> dict[str, Any]:
    names = ("row_id", "source", "file", "record", "sub_record")
    one = line(0, record, "", 0, 0)
    return {name: one[name] for name in names} | {"reason": reason, "detail": detail}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines: list[dict[str, Any]] = []
    numbers = {"train": 0, "val": 0}
    for (split, epoch), shards in SHARDS.items():
        (tmp_path / split).mkdir(exist_ok=True)
        number = 0
        for packs in shards:
            for rows in packs:
                lines += [
                    line(row, row % 4 if split == "train" else 20, split, epoch, number) for row in rows
                ]
                number += 1
            write_packs(tmp_path / split / f"shard-{numbers[split]:05d}.arrow", packs, split, epoch)
            numbers[split] += 1
    artifact.write_parquet(tmp_path / "rows.parquet", pa.Table.from_pylist(lines, schema=LEDGER))
    rejections = [
        refused(30, "duplicate", "of a:x.jsonl:1.0"),
        refused(31, "near_duplicate", "of a:x.jsonl:30.0 (similarity 0.93)"),
        refused(32, "empty_answer", "answer"),
    ]
    artifact.write_parquet(tmp_path / "rejected.parquet", pa.Table.from_pylist(rejections, schema=REJECTED))
    heldout = [line(0, 40, "", 0, 0) | {"messages": [], "references": [], "seen_task": True}]
    artifact.write_parquet(tmp_path / "heldout.parquet", pa.Table.from_pylist(heldout, schema=HELDOUT))
    artifact.commit(
        tmp_path,
        stage="data",
        stage_version=1,
        parents={},
        config_sha256="",
        content_sha256="",
        counts={},
        files=artifact.files_below(tmp_path),
        seconds=0,
    )
    return tmp_path


def write_packs(path: Path, packs: list[list[int]], split: str, epoch: int) -> None:
    metadata: PackMetadata = {
        "schema_version": 1,
        "split": split,
        "epoch": epoch,
        "seq_len": 8,
        "tasks": ["instruction"],
        "tokenizer_sha256": "",
        "template_sha256": "",
    }
    table = [
        {
            "input_ids": [token for row in rows for token in (100 + row, 200 + row)],
            "labels": [token for row in rows for token in (-100, 200 + row)],
            "seq_lengths": [2] * len(rows),
            "rows": rows,
            "tasks": [0] * len(rows),
        }
        for rows in packs
    ]
    write_shard(path, pa.Table.from_pylist(table, schema=PACKS), metadata)


def test_packs_count_over_split_and_epoch(folder: Path) -> None:
    corpus = Corpus(folder, cure=CURE)
    pack = corpus.pack("train", epoch=0, number=2)
    assert (pack.shard, pack.num_packs, pack.input_ids) == ("train/shard-00001.arrow", 3, [103, 203])
    pack = corpus.pack("train", epoch=1, number=1)
    assert (pack.shard, pack.num_packs) == ("train/shard-00002.arrow", 2)
    assert [(one.row, one.start, one.end) for one in pack.segments] == [(6, 0, 2), (7, 2, 4)]
    assert [pack.segment_of(token) for token in range(4)] == [0, 0, 1, 1]
    assert corpus.pack("val", epoch=0, number=0).input_ids == [108, 208]


def test_lines_come_in_the_order_asked_for(folder: Path) -> None:
    corpus = Corpus(folder, cure=CURE)
    assert [one["row"] for one in corpus.lines([5, 0, 8])] == [5, 0, 8]
    assert [(one["epoch"], one["row"]) for one in corpus.lines_of("a:x.jsonl:1.0")] == [(0, 1), (1, 5)]


@pytest.mark.parametrize(
    ("split", "epoch", "number", "said"),
    [
        ("train", 0, 3, "train, epoch 0 has packs 0 to 2; there is no pack 3"),
        ("train", 7, 0, "train has epochs 0 to 1; there is no epoch 7"),
        ("heldout", 0, 0, "heldout holds no pack; see data.split in the run's config.yaml"),
    ],
)
def test_a_pack_that_is_not_there(folder: Path, split: str, epoch: int, number: int, said: str) -> None:
    with pytest.raises(InputError) as error:
        Corpus(folder, cure=CURE).pack(split, epoch=epoch, number=number)
    assert str(error.value) == said


def test_a_token_that_is_not_there(folder: Path) -> None:
    pack = Corpus(folder, cure=CURE).pack("train", epoch=0, number=0)
    with pytest.raises(InputError, match="pack 0 has tokens 0 to 3; there is no token 4"):
        pack.segment_of(4)


@pytest.mark.parametrize(
    ("row_id", "near"),
    [
        ("a:x.jsonl:33.0", "the nearest is a:x.jsonl:32.0"),
        ("a:x.jsonl:1000.0", "the nearest is a:x.jsonl:40.0"),
        ("a:y.jsonl:2.0", "the nearest is a:x.jsonl:2.0"),
        ("a:x.jsonl:word", "the nearest is a:x.jsonl:0.0"),
        ("7", "a row id is SOURCE:FILE:RECORD.SUB"),
        ("", "a row id is SOURCE:FILE:RECORD.SUB"),
    ],
)
def test_a_row_that_is_not_there(folder: Path, row_id: str, near: str) -> None:
    with pytest.raises(InputError) as error:
        trace_row(Corpus(folder, cure=CURE), row_id)
    assert near in str(error.value)
    assert "\n" not in str(error.value)


def test_where_rows_went(folder: Path) -> None:
    corpus = Corpus(folder, cure=CURE)
    kept = trace_row(corpus, "a:x.jsonl:2.0")
    assert [(one["epoch"], one["pack"], one["shard"]) for one in kept.lines] == [
        (0, 1, "train/shard-00000.arrow"),
        (1, 1, "train/shard-00002.arrow"),
    ]
    assert trace_row(corpus, "a:x.jsonl:40.0").heldout
    loser = trace_row(corpus, "a:x.jsonl:31.0")
    assert loser.rejected[0]["reason"] == "near_duplicate"
    assert loser.winner is not None
    assert loser.winner.row_id == "a:x.jsonl:30.0"
    assert loser.winner.winner is not None
    assert loser.winner.winner.lines
    assert trace_row(corpus, "a:x.jsonl:32.0").winner is None


def test_a_damaged_file_is_not_believed(folder: Path) -> None:
    (folder / "rejected.parquet").write_bytes((folder / "rows.parquet").read_bytes())
    corpus = Corpus(folder, cure=CURE)
    assert corpus.lines([0])
    with pytest.raises(ArtifactError, match=r"rejected\.parquet.*rebuild with: hunmin data c\.yaml"):
        corpus.rejections_of("a:x.jsonl:31.0")


def test_an_unfinished_stage_is_refused(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"the data stage is not finished; run: hunmin data c\.yaml"):
        Corpus(folder, cure=CURE)


def test_what_is_rendered_several_times_is_told_apart() -> None:
    plain = line(0, 0, "train", 0, 0)
    assert rendered_facts(plain) == rendered_facts(plain | {"turn": None, "weight": None}) == []
    assert rendered_facts(plain | {"repeat": 1, "turn": 2, "weight": 0.5}) == [
        "repeat 1",
        "turn 2",
        "weight 0.5",
    ]
