"""`hunmin show RUN --rejected`: reason, place, detail and text, of a run that ended or one that stopped."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from hunmin.schema import REJECTED
from launcher.cli import app

SOURCES = [{"name": name, "format": "alpaca", "path": f"{name}.jsonl"} for name in ("sums", "chats")]


def line(number: int, reason: str, text: str, source: str = "sums") -> dict[str, Any]:
    place = {"source": source, "file": "a.jsonl", "record": number, "sub_record": 0}
    return place | {"row_id": f"{source}:a.jsonl:{number}.0", "reason": reason, "detail": "왜", "text": text}


@pytest.fixture
def stopped_run(tmp_path: Path) -> Path:
    """A run whose data stage found nothing to train on: no manifest, but the rejected records."""
    config = {"name": "stopped", "model": {"from_scratch": {}}, "data": {"sources": SOURCES}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "data").mkdir()
    lines = [line(i, "no_answer", f"user: {i}번째\nanswer: \x1b[2J") for i in range(30)]
    lines.append(line(3, "broken_json", "{broken", source="chats"))
    pq.write_table(pa.Table.from_pylist(lines, schema=REJECTED), tmp_path / "data" / "rejected.parquet")
    return tmp_path


def show(*args: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["show", *map(str, args)])
    return done.exit_code, done.stdout, done.stderr


def test_all_reasons_are_counted_and_some_records_told(stopped_run: Path) -> None:
    code, out, err = show(stopped_run, "--rejected")
    assert code == 0, err
    assert out.startswith("31 rejected: no_answer 30, broken_json 1\n")
    assert "no_answer · sums:a.jsonl:0.0\n왜\nuser: 0번째\nanswer: <U+001B>[2J\n" in out
    assert out.count("no_answer · ") == 20
    assert "20 of 31 shown; --limit N shows more" in out


def test_one_reason_one_source_and_a_limit(stopped_run: Path) -> None:
    assert "{broken" in show(stopped_run, "--rejected", "broken_json")[1]
    code, out, _ = show("--rejected", "no_answer", "--limit", 1, "--json", stopped_run)
    told = json.loads(out)
    assert (code, told["total"], told["counts"]) == (0, 30, {"no_answer": 30})
    assert [one["row_id"] for one in told["rejected"]] == ["sums:a.jsonl:0.0"]
    assert show(stopped_run, "--rejected", "--source", "chats")[1].startswith("1 rejected: broken_json 1\n")
    assert show(stopped_run, "--rejected", "mojibake")[1] == "0 rejected\n"


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--rejected", "no_answers"], "no such reason; did you mean no_answer?"),
        (["--rejected", "쓸모없음"], "no such reason; this run has broken_json, no_answer"),
        (["--rejected", "--source", "sum"], "--source sum: no such source; did you mean sums?"),
        (["--rejected", "--pack", "0"], "name one of them"),
        (["--source", "sums"], "only with --rejected"),
        (["--rejected", "--html", "a.html"], "corpus.html"),
        (["--pack", "0"], "the data stage is not finished"),
    ],
)
def test_what_cannot_be_meant_is_told(stopped_run: Path, args: list[str], told: str) -> None:
    code, _, err = show(stopped_run, *args)
    assert code == 2
    assert told in err
