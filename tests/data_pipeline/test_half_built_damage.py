"""Half a data stage with damaged files: they are made again, and the content is the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from damage import damaged
from test_pipeline import write_corpus

from data_pipeline import pipeline
from hunmin.artifact import Manifest
from launcher.run import Run, open_run
from launcher.stages import run_stages

SEVERAL_PARTS = ["data.part_rows=60"]
MADE_ANEW = ("database.duckdb", "jobs.parquet", "places.parquet")  # at every start


class Killed(Exception):
    """As a kill, at a certain moment."""


def build(run: Run) -> Manifest:
    return run_stages(run, ("data",))["data"]


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("straight")
    (folder / "run").mkdir()
    return build(open_run(write_corpus(folder), SEVERAL_PARTS, folder / "run", force=False)).content_sha256


def half_built(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """All parts are there, and all shards; nothing is finished."""

    def killed(*args: object, **kwargs: object) -> None:
        raise Killed

    (folder / "run").mkdir()
    run = open_run(write_corpus(folder), SEVERAL_PARTS, folder / "run", force=False)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline.stats, "summarize", killed)
        with pytest.raises(Killed):
            build(run)
    return run


def left(run: Run) -> Iterator[Path]:
    """What another start goes on from."""
    for path in sorted((run.dir / "data").rglob("*")):
        if path.is_file() and path.name not in MADE_ANEW:
            yield path


@pytest.mark.parametrize("nth", range(3))
def test_whatever_is_damaged_is_made_again(
    content: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    nth: int,
) -> None:
    """All files at once, each in one of three ways: its first byte, all of it gone, a bit in its middle."""
    run = half_built(tmp_path, monkeypatch)
    kinds = set()
    for path in left(run):
        data = path.read_bytes()
        path.write_bytes([*damaged(data, every=len(data) // 2 + 1)][nth])
        kinds.add(path.parent.name)
    assert {"read", "ids", "rendered", "encoded", "shards", "train"} <= kinds
    assert build(run).content_sha256 == content
    assert "made again" in capsys.readouterr().out


def test_one_damaged_file_costs_one_piece_of_work(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = half_built(tmp_path, monkeypatch)
    part = sorted((run.dir / "data/.work/ids").glob("*.arrow"))[1]
    part.write_bytes(part.read_bytes()[:-1])
    capsys.readouterr()
    assert build(run).content_sha256 == content
    said = capsys.readouterr().out
    assert said.count("made again") == 1
    assert f"{part}:" in said
    assert "data: parts tokenized: 3 of 4 were done before" in said
