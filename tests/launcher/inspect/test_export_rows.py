"""`hunmin rows`: what leaves as messages is what is trained; and the page that the data stage leaves."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import hunmin
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from hunmin.models.tokenizer import load_tokenizer
from hunmin.schema import PACKS
from hunmin.shards import read_shards
from launcher.cli import app
from launcher.inspect.export_rows import openai_message
from launcher.inspect.packed_ids import PackedIds

Run = Path


def rows(*args: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["rows", *map(str, args)])
    return done.exit_code, done.stdout, done.stderr


def packed(run: Run, split: str) -> dict[str, list[int]]:
    """Ids by row id, epoch and repeat, taken apart by hand."""
    lines = {line["row"]: line for line in pq.read_table(run / "data" / "rows.parquet").to_pylist()}
    found = {}
    for pack in (pack for shard in read_shards(run / "data" / split) for pack in shard.to_pylist()):
        start = 0
        for row, length in zip(pack["rows"], pack["seq_lengths"], strict=True):
            line = lines[row]
            name = f"{line['row_id']} {line['epoch']} {line['repeat']}"
            found[name] = pack["input_ids"][start : start + length]
            start += length
    return found


@pytest.mark.parametrize(("split", "epoch"), [("train", 0), ("train", 1), ("val", 0)])
def test_exported_messages_render_to_the_ids_of_the_packs(
    inspected_run: Run, tmp_path: Path, split: str, epoch: int
) -> None:
    out = tmp_path / "rows.jsonl"
    code, told, err = rows(inspected_run, out, "--split", split, "--epoch", epoch)
    assert code == 0, err
    tokenizer = load_tokenizer(inspected_run / "data" / "tokenizer")
    wanted = {name: ids for name, ids in packed(inspected_run, split).items() if f" {epoch} " in name}
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert f"written: {out} ({len(wanted)} rows;" in told
    rendered = {
        f"{line['row_id']} {line['epoch']} {line['repeat']}": tokenizer.apply_chat_template(
            line["messages"], tokenize=True, return_dict=False
        )
        for line in lines
    }
    assert rendered == wanted
    assert {line["split"] for line in lines} == {split}


def test_parquet_says_the_same(inspected_run: Run, tmp_path: Path) -> None:
    for name in ("rows.jsonl", "rows.parquet"):
        assert rows(inspected_run, tmp_path / name)[0] == 0
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text("utf-8").splitlines()]
    table = pq.read_table(tmp_path / "rows.parquet")
    for line, row in zip(lines, table.to_pylist(), strict=True):
        assert line["messages"] == [openai_message(message) for message in row["messages"]]
        assert all(row[name] == value for name, value in line.items() if name != "messages")


def test_held_out_rows_leave_as_eval_asks_them(inspected_run: Run, tmp_path: Path) -> None:
    code, told, err = rows(inspected_run, tmp_path / "rows.jsonl", "--split", "heldout")
    assert code == 0, err
    held = pq.read_table(inspected_run / "data" / "heldout.parquet").to_pylist()
    assert f"({len(held)} rows; as eval asks them)" in told
    for line, row in zip((tmp_path / "rows.jsonl").read_text("utf-8").splitlines(), held, strict=True):
        told_row = json.loads(line)
        assert (told_row["row_id"], told_row["split"]) == (row["row_id"], "heldout")
        assert told_row["messages"] == [openai_message(message) for message in row["messages"]]


def test_a_source_that_changed_writes_nothing(inspected_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(inspected_run.parent, folder)
    config = (folder / "run" / "config.yaml").read_text(encoding="utf-8")
    config = config.replace(str(inspected_run.parent), str(folder))
    (folder / "run" / "config.yaml").write_text(config, encoding="utf-8")
    chats = folder / "chats.jsonl"
    chats.write_text(chats.read_text(encoding="utf-8").replace("굵은", "가는"), encoding="utf-8")
    code, _, err = rows(folder / "run", tmp_path / "rows.jsonl")
    assert code == 2
    assert "gives other tokens than were packed" in err
    assert list(tmp_path.glob("*rows*")) == []


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["rows.csv"], "rows are written as .jsonl or .parquet"),
        (["nowhere/rows.jsonl"], "there is no folder"),
        (["rows.jsonl", "--split", "heldout", "--epoch", "1"], "held-out rows are asked as they are"),
        (["rows.jsonl", "--epoch", "7"], "train has epochs 0 to 1; there is no epoch 7"),
    ],
)
def test_what_cannot_be_written_is_told(
    inspected_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = rows(inspected_run, *args)
    assert code == 2
    assert told in err
    assert list(tmp_path.iterdir()) == []


def test_a_tool_conversation_leaves_in_the_form_of_chat_apis() -> None:
    call = {"id": "c1", "name": "weather", "arguments": '{"temp": 3.10}'}
    told = openai_message(
        {"role": "assistant", "content": "", "train": False, "reasoning": "음", "tool_calls": [call]}  # type: ignore[list-item]
    )
    function = {"name": "weather", "arguments": '{"temp": 3.10}'}
    assert told == {
        "role": "assistant",
        "content": "",
        "reasoning_content": "음",
        "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        "train": False,
    }
    result = {"role": "tool", "content": "맑음", "tool_call_id": "c1", "name": "weather", "weight": None}
    assert openai_message(result) == {name: value for name, value in result.items() if value is not None}  # type: ignore[arg-type]


@given(lengths=st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), max_size=6), data=st.data())
def test_packed_ids_finds_every_segment(lengths: list[list[int]], data: Any) -> None:
    names = data.draw(st.permutations(range(sum(map(len, lengths)))))
    wanted, packs, names = {}, [], list(names)
    for pack in lengths:
        own = [(names.pop(), list(np.random.default_rng(len(names)).integers(0, 99, n))) for n in pack]
        wanted |= dict(own)
        ids = [int(one) for _, segment in own for one in segment]
        segments = {"seq_lengths": pack, "rows": [name for name, _ in own], "tasks": [0] * len(pack)}
        packs.append({"input_ids": ids, "labels": [-one for one in ids], **segments})
    table = pa.Table.from_pylist(packs, schema=PACKS)
    found = PackedIds([table.slice(0, 2), table.slice(2)])
    for row, ids in wanted.items():
        assert found.of(row) == (ids, [-one for one in ids])
    with pytest.raises(KeyError):
        found.of(len(wanted))


def test_the_data_stage_leaves_a_page_beside_its_folder(inspected_run: Run) -> None:
    page = (inspected_run / "corpus.html").read_text(encoding="utf-8")
    samples = json.loads((inspected_run / "data" / "corpus.json").read_text(encoding="utf-8"))
    assert set(samples["kept"]) == {"reviews", "sums", "chats"}
    for source, kept in samples["kept"].items():
        assert kept, source
        for sample in kept:
            assert f">{sample['row_id']}<" in page
    assert set(samples["rejected"]) == {"duplicate", "label_not_mapped"}
    assert samples["labels"]["sentiment"] == {"긍정": 30, "부정": 30}


def test_the_page_is_made_again_where_it_is_missing(inspected_run: Run) -> None:
    page = inspected_run / "corpus.html"
    before = page.read_bytes()
    page.unlink()
    config = inspected_run.parent / "inspected.yaml"
    done = hunmin("data", config, "--run", inspected_run, "cluster.num_cpus=2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"corpus:  {page}"
    assert page.read_bytes() == before
