"""`hunmin trace`: every token of a small corpus back to its source, rows to their places, changed sources."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from data_pipeline.build.context import BuildContext
from data_pipeline.tasks.tasks import load_tasks
from launcher.cli import app
from launcher.config import load
from launcher.inspect.origin import origin_of
from launcher.inspect.packed_data import Corpus
from launcher.inspect.rebuild import rebuild_segments
from launcher.inspect.shown import find_segment
from launcher.inspect.tokens import TokenTexts
from launcher.inspect.trace_token import require_same_ids

Run = Path


def trace(run: Run, *args: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["trace", str(run), *map(str, args)])
    return done.exit_code, done.stdout, done.stderr


def opened(run: Run) -> tuple[Corpus, BuildContext]:
    config, base = load(run / "config.yaml", [])
    return Corpus(run / "data", cure=""), BuildContext(
        config.data, load_tasks(None), config.seed, base, run / "data"
    )


def rows_of(run: Run) -> list[dict[str, Any]]:
    return pq.read_table(run / "data" / "rows.parquet").to_pylist()


def test_every_token_has_its_text_in_a_part_of_its_source(inspected_run: Run) -> None:
    corpus, build = opened(inspected_run)
    texts = TokenTexts(corpus.tokenizer)
    found: set[str] = set()
    for rebuilt in rebuild_segments(build, rows_of(inspected_run)):
        pack, index = find_segment(corpus, rebuilt.line)
        segment = pack.segments[index]
        ids, labels = (v[segment.start : segment.end] for v in (pack.input_ids, pack.labels))
        require_same_ids(rebuilt, ids, labels)
        for group in texts.groups(ids, labels):
            origin = origin_of(build, rebuilt, group.position)
            found.add(origin.part)
            # A space before a part may share the token of the part's first word.
            assert origin.text[origin.start : origin.end].strip() == group.text.strip(), (origin, group)
            assert group.special <= (origin.part == "template")
            if group.trained:
                assert origin.part in ("answer", "rationale", "joint", "message", "template")
    assert found == {
        *("template", "role", "prefix", "wording", "rewording", "instruction", "input", "steps"),
        *("rationale", "answer", "message", "example", "joint"),
    }


def test_worked_examples_are_rows_of_the_train_split(inspected_run: Run) -> None:
    _, build = opened(inspected_run)
    split_of = {line["row_id"]: line["split"] for line in rows_of(inspected_run)}
    shown = 0
    for rebuilt in rebuild_segments(build, rows_of(inspected_run)):
        for token in range(0, len(rebuilt.input_ids), 7):
            origin = origin_of(build, rebuilt, token)
            if origin.part == "example":
                shown += 1
                assert origin.example is not None
                assert split_of[origin.example] == "train"
                assert origin.example != rebuilt.line["row_id"]
    assert shown


def test_a_token_is_told_with_its_way(inspected_run: Run) -> None:
    line = next(one for one in rows_of(inspected_run) if one["source"] == "reviews" and one["epoch"] == 1)
    corpus, _ = opened(inspected_run)
    pack, index = find_segment(corpus, line)
    last = pack.segments[index].end - 1
    while pack.labels[last] < 0:
        last -= 1
    place = ("--split", line["split"], "--epoch", 1, "--pack", line["pack"], "--token")
    code, out, err = trace(inspected_run, *place, last - 1)
    assert code == 0, err
    assert f"{line['row_id']} (line {line['row']} of rows.parquet)" in out
    assert str(inspected_run.parent / "reviews.tsv") in out
    assert f"record {line['record']}" in out
    assert re.search(r"part +the row's answer, message \d+ \(assistant\), characters \d to \d", out)
    assert f"the same {line['num_tokens']} ids and mask" in out
    value = json.loads(trace(inspected_run, *place, last - 1, "--json")[1])
    assert value["trained"] is True
    assert value["origin"]["part"] == "answer"
    assert value["row"]["row_id"] == line["row_id"]
    assert value["checked_ids"] == line["num_tokens"]
    assert "behind the last message" in trace(inspected_run, *place, last)[1]


def test_where_rows_went(inspected_run: Run) -> None:
    line = next(one for one in rows_of(inspected_run) if one["split"] == "train")
    both = [one for one in rows_of(inspected_run) if one["row_id"] == line["row_id"]]
    out = trace(inspected_run, "--row", line["row_id"])[1]
    for one in both:
        assert re.search(rf"train, epoch {one['epoch']}, pack {one['pack']} \(train/shard-\d+.arrow\)", out)
        assert f"{one['num_tokens']} tokens, {one['num_trained_tokens']} trained" in out
    held = pq.read_table(inspected_run / "data" / "heldout.parquet").column("row_id")[0].as_py()
    assert "held out: eval asks it" in trace(inspected_run, "--row", held)[1]
    out = trace(inspected_run, "--row", "reviews:reviews.tsv:61.0")[1]
    assert "rejected: duplicate: of reviews:reviews.tsv:0.0" in out
    assert "the row kept in its place:\n  reviews:reviews.tsv:0.0 " in out
    assert "rejected: label_not_mapped" in trace(inspected_run, "--row", "reviews:reviews.tsv:60.0")[1]
    value = json.loads(trace(inspected_run, "--row", line["row_id"], "--json")[1])
    assert [one["pack"] for one in value["lines"]] == [one["pack"] for one in both]


@pytest.fixture
def copied(inspected_run: Run, tmp_path: Path) -> Run:
    return shutil.copytree(inspected_run.parent, tmp_path / "copy") / "run"


def a_sum(run: Run) -> tuple[dict[str, Any], list[object]]:
    line = next(one for one in rows_of(run) if one["source"] == "sums" and one["record"] > 5)
    corpus, _ = opened(run)
    pack, index = find_segment(corpus, line)
    token = pack.segments[index].start
    place = ["--split", line["split"], "--epoch", line["epoch"], "--pack", line["pack"], "--token", token]
    return line, place


def test_a_changed_source_is_named(copied: Run) -> None:
    line, place = a_sum(copied)
    assert trace(copied, *place)[0] == 0
    path = copied.parent / "sums.jsonl"
    records = path.read_text(encoding="utf-8").splitlines()
    row = json.loads(records[line["record"]])
    for change, said in (
        ({"answer": row["answer"] + "!"}, "gives other tokens than were packed"),
        ({"answer": ""}, "is refused now"),
    ):
        changed = records.copy()
        changed[line["record"]] = json.dumps(row | change, ensure_ascii=False)
        path.write_text("\n".join(changed), encoding="utf-8")
        code, out, err = trace(copied, *place)
        assert (code, out) == (2, "")
        assert f"{path}: record {line['record']}" in err
        assert said in err
        assert "changed since data/ was built; build again with: hunmin data " in err
        assert len(err.splitlines()) == 1


def test_a_source_that_is_gone_or_shorter_is_named(copied: Run) -> None:
    line, place = a_sum(copied)
    path = copied.parent / "sums.jsonl"
    path.write_text(path.read_text(encoding="utf-8").splitlines()[0], encoding="utf-8")
    code, _, err = trace(copied, *place)
    assert code == 2
    assert f"{path}: record {line['record']} is not there any more" in err
    path.unlink()
    code, _, err = trace(copied, *place)
    assert code == 2
    assert f"no file at {path}" in err
    assert trace(copied, "--row", line["row_id"])[0] == 0, "the ledger needs no source"


def test_a_damaged_shard_is_not_believed(copied: Run) -> None:
    _, place = a_sum(copied)
    for shard in copied.glob("data/*/shard-*.arrow"):
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 1
        shard.write_bytes(data)
    code, _, err = trace(copied, *place)
    assert code == 4
    assert "differs from manifest.json" in err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "name a token"),
        (["--pack", "1"], "name a token"),
        (["--token", "1"], "name a token"),
        (["--row", "sums:sums.jsonl:3.0", "--token", "1"], "name a token"),
        (
            ["--pack", "0", "--token", "9999"],
            r"train, epoch 0, pack 0 has tokens 0 to \d+; there is no token 9999",
        ),
        (["--pack", "999", "--token", "0"], "there is no pack 999"),
        (["--row", "sums:sums.jsonl:99.0"], "the nearest is sums:sums.jsonl:30.0"),
        (["--row", "?"], "a row id is SOURCE:FILE:RECORD.SUB"),
    ],
)
def test_wrong_arguments_are_one_line(inspected_run: Run, args: list[str], said: str) -> None:
    code, out, err = trace(inspected_run, *args)
    assert (code, out) == (2, "")
    assert re.search(said, err)
    assert len(err.splitlines()) == 1
