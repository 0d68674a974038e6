"""A suite's tables: found, read and mapped; missing ones and wrong values are said; brought from a hub."""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from suite_files import DATASET, ROWS, quiz, write_tables

from eval.bench import fetch_tables as fetching
from eval.bench.fetch_tables import fetch_tables
from eval.bench.question_tables import Table, Wanted, find_tables, revisions
from eval.bench.suites import load_suite
from hunmin.errors import EnvironmentFailure, InputError

TEST = Wanted(DATASET, None, "test")
KOBEST_ROWS = {"boolq": 700, "copa": 500, "hellaswag": 500, "sentineg": 400, "wic": 610}


def test_a_table_lies_where_fetch_lays_it(tmp_path: Path) -> None:
    write_tables(tmp_path)
    found = find_tables([TEST], suite=quiz(), folder=tmp_path, cure="x")
    assert found[TEST].rows() == ROWS
    assert len(found[TEST].sha256) == 64


def test_what_is_missing_is_one_line_with_its_cure(tmp_path: Path) -> None:
    write_tables(tmp_path)
    wanted = [TEST, Wanted(DATASET, "hard", "test")]
    with pytest.raises(InputError) as caught:
        find_tables(wanted, suite=quiz(), folder=tmp_path, cure="hunmin bench R --suite quiz --fetch")
    assert str(caught.value) == (
        f"suite quiz: 1 of its 2 tables are not in {tmp_path}, first someone/quiz/hard, split test; bring "
        "them where there is a network: hunmin bench R --suite quiz --fetch; or lay it there as "
        "someone--quiz/hard/test.jsonl, or name their folder with --data"
    )


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".json", ".csv", ".tsv"])
def test_every_kind_of_table_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    rows = [{"a": '그는 "네"라고 했다.', "b": "1"}, {"a": "좋아요", "b": "2"}]
    path = tmp_path / f"t{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        texts = {
            ".jsonl": "\n\n".join(json.dumps(row) for row in rows),
            ".json": json.dumps(rows),
            ".csv": 'a,b\r\n"그는 ""네""라고 했다.",1\r\n좋아요,2\r\n',
            ".tsv": '\ufeffa\tb\r\n그는 "네"라고 했다.\t1\r\n좋아요\t2\r\n',
        }
        path.write_text(texts[suffix], encoding="utf-8", newline="")
    assert Table(str(path), "", {}, {}).rows() == rows


@pytest.mark.parametrize(
    ("columns", "values", "said"),
    [
        ({"x": "c"}, {}, "row 1: no column 'c'; there are a, b"),
        ({"x": "b"}, {"x": {"1": 0}}, "row 2: x is '9'; the suite knows 1"),
    ],
)
def test_a_table_that_does_not_hold_what_the_suite_says(
    tmp_path: Path, columns: dict[str, str], values: dict[str, dict[str, Any]], said: str
) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("a\tb\nx\t1\ny\t9\n")
    with pytest.raises(InputError, match=re.escape(f"{path}, {said}")):
        Table(str(path), "", columns, values).rows()


@pytest.mark.parametrize("text", ["", "a,b", '{"a": '])
def test_a_damaged_or_empty_table_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(InputError, match="cannot be read"):
        Table(str(path), "", {}, {}).rows()
    path.write_text("[]")
    with pytest.raises(InputError, match="no row in it"):
        Table(str(path), "", {}, {}).rows()


def test_kobest_is_read_from_its_own_tables(shared_data: Path) -> None:
    suite = load_suite("kobest_dev")
    wanted = [Wanted("skt/kobest_v1", subset, "validation") for subset in KOBEST_ROWS]
    found = find_tables(wanted, suite=suite, folder=shared_data / "ko" / "kobest", cure="x")
    rows = {one.subset: table.rows() for one, table in found.items()}
    assert {subset: len(table) for subset, table in rows.items()} == KOBEST_ROWS
    assert rows["sentineg"][0] == {"sentence": "만족입니다", "label": 1}
    assert rows["copa"][0]["label"] == 1
    assert {row["label"] for row in rows["wic"]} == {0, 1}


def hub(folder: Path) -> str:
    """A dataset as the hub has them, on the disk."""
    (folder / "data").mkdir(parents=True)
    for split in ("train", "test"):
        pq.write_table(pa.Table.from_pylist(ROWS), folder / "data" / f"{split}-00000-of-00001.parquet")
    return str(folder)


def test_fetch_brings_tables_once_and_notes_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    dataset = hub(tmp_path / "hub")
    wanted = [Wanted(dataset, None, "test"), Wanted(dataset, None, "train")]
    into = tmp_path / "brought"
    fetch_tables(wanted, suite=quiz(), folder=into)
    found = find_tables(wanted, suite=quiz(), folder=into, cure="x")
    assert found[wanted[0]].rows() == ROWS
    assert revisions([dataset], into) == {dataset: None}
    before = Path(found[wanted[0]].path).stat().st_mtime_ns
    fetch_tables(wanted, suite=quiz(), folder=into)
    assert Path(found[wanted[0]].path).stat().st_mtime_ns == before


def test_tables_of_another_commit_are_brought_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brought: list[tuple[str, str | None]] = []

    def bring(wanted: Wanted, path: Path, revision: str | None, *, keep: bool) -> None:
        if not (keep and path.is_file()):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
            brought.append((wanted.split, revision))

    monkeypatch.setattr(fetching, "_bring", bring)
    for commit in ("1", "1", "2"):
        monkeypatch.setattr(fetching, "_commit_of", lambda dataset, asked, commit=commit: commit)
        fetch_tables([TEST], suite=quiz(), folder=tmp_path)
        assert revisions([DATASET], tmp_path) == {DATASET: commit}
    assert brought == [("test", "1"), ("test", "2")]


def test_a_hub_that_does_not_answer_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(dataset: str, asked: str | None) -> str:
        raise ConnectionError("no route\nto it")

    monkeypatch.setattr(fetching, "_commit_of", fail)
    with pytest.raises(EnvironmentFailure, match=r"someone/quiz: the hub does not give it \(no route\); try"):
        fetch_tables([TEST], suite=quiz(), folder=tmp_path)
