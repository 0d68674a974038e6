"""No command believes a damaged file of a finished data stage: it is found, or what is told is the same."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from damage import damaged, outcome

from hunmin.artifact import load_manifest
from hunmin.shards import EPOCHS
from launcher.commands import plan
from launcher.inspect import show
from launcher.inspect.packed_data import Corpus
from trainer.batches.packs import PackFolder

Run = Path
NUM_DAMAGES = 3  # of each file: places from its beginning to its end


@pytest.fixture(scope="module")
def copied(inspected_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = tmp_path_factory.mktemp("copied") / "run"
    shutil.copytree(inspected_run, run)
    return run


def shown(run: Run, **asked: Any) -> str:
    return show.as_json(show.show(run, **{"pack": None, "row": None, "split": "train", "epoch": 0} | asked))


def readers(run: Run) -> dict[str, Callable[[], object]]:
    """What commands read of data/."""
    return {
        "a pack": lambda: shown(run, pack=2, epoch=1),
        "a pack of val": lambda: shown(run, split="val"),
        "a row": lambda: shown(run, row="sums:sums.jsonl:3.0"),
        "rejected rows": lambda: shown(run, rejected=""),
        "a plan": lambda: plan._epoch_sizes(run),
        "counts": lambda: (load_manifest(run / "data") or pytest.fail("no manifest")).counts,
    }


def files_of(run: Run) -> Iterator[Path]:
    yield from (path for path in sorted((run / "data").rglob("*")) if path.is_file())


def test_damage_is_found_or_changes_nothing(copied: Run) -> None:
    asked = readers(copied)
    sound = {name: read() for name, read in asked.items()}
    believed, found = [], 0
    for path in files_of(copied):
        content = path.read_bytes()
        for data in damaged(content, every=len(content) // NUM_DAMAGES + 1):
            path.write_bytes(data)
            for name, read in asked.items():
                told, result = outcome(read)
                found += bool(told)
                if told and not (
                    str(copied / "data") in told and ("hunmin data" in told or "delete" in told)
                ):
                    believed.append(f"{path.name}, {name}: no cure in {told!r}")
                if not told and result != sound[name]:
                    believed.append(f"{path.name}, {name}")
        path.write_bytes(content)
    assert believed == []
    assert found > 50
    assert {name: read() for name, read in asked.items()} == sound


def test_the_manifest_lists_what_the_shards_say(inspected_run: Run) -> None:
    assert plan._epoch_sizes(inspected_run) == PackFolder(inspected_run / "data/train").epoch_sizes


def test_a_run_that_lists_no_epochs_is_verified_and_opened(copied: Run, tmp_path: Path) -> None:
    """As an earlier version left it."""
    old = tmp_path / "run"
    shutil.copytree(copied, old)
    path = old / "data/manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["sha256"], manifest["extra"][EPOCHS]
    path.write_text(json.dumps(manifest))
    for name in ("a pack", "a pack of val", "a plan"):
        assert readers(old)[name]() == readers(copied)[name]()
    shard = sorted((old / "data/train").glob("*.arrow"))[-1]
    shard.write_bytes(shard.read_bytes()[:-1])
    for name in ("a pack", "a plan"):
        told, _ = outcome(readers(old)[name])
        assert shard.name in told


def test_a_corpus_opens_no_shard_to_list_them(copied: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hunmin.shards.read_shard", lambda path: pytest.fail("opened"))
    corpus = Corpus(copied / "data", cure="-")
    assert corpus.shard_of({"split": "train", "epoch": 1, "pack": 0}).startswith("train/shard-")
