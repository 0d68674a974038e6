"""A stage's folder: what is continued, what is put aside, and that no two starters derive other inputs."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from damage import damaged, outcome

from hunmin.artifact import MANIFEST, load_manifest
from hunmin.errors import ArtifactError
from hunmin.stage import Inputs, find_finished, made_by_a_stage, note_of, open_stage

INPUTS = Inputs(1, {"data": "d"}, "c")
OTHERS = [Inputs(2, {"data": "d"}, "c"), Inputs(1, {"data": "e"}, "c"), Inputs(1, {"data": "d"}, "x")]


def half_of(folder: Path) -> Path:
    """A stage that was begun, with something in it."""
    open_stage(folder, INPUTS)
    (folder / "kept").write_text("work")
    return folder


def finish(folder: Path, inputs: Inputs = INPUTS) -> None:
    stage = open_stage(folder, inputs)
    (folder / "file").write_text("done")
    stage.commit(content_sha256="s", counts={"rows": 1}, files=[folder / "file"])


def test_half_a_stage_is_continued_with_equal_inputs(tmp_path: Path) -> None:
    folder = half_of(tmp_path / "train")
    open_stage(folder, INPUTS)
    assert (folder / "kept").exists()
    assert not (tmp_path / "old").exists()


@pytest.mark.parametrize("others", OTHERS)
def test_half_a_stage_of_other_inputs_is_put_aside(
    tmp_path: Path, others: Inputs, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = half_of(tmp_path / "train")
    open_stage(folder, others)
    assert [*folder.iterdir()] == []
    (kept,) = tmp_path.glob("old/train-*/kept")
    assert kept.read_text() == "work"
    assert "train: what was made from other inputs is kept in" in capsys.readouterr().out


def test_a_start_that_is_killed_at_once_leaves_no_folder_without_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hunmin.artifact.write_sealed", killed)
    with pytest.raises(KeyboardInterrupt):
        open_stage(tmp_path / "train", INPUTS)
    assert not (tmp_path / "train").exists()


def test_what_nothing_is_known_of_is_never_mixed_in(tmp_path: Path) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    (folder / "foreign").write_text("?")
    assert not made_by_a_stage(folder)
    open_stage(folder, INPUTS)
    assert len([*tmp_path.glob("old/train-*/foreign")]) == 1


def test_cheap_halves_follow_their_own_identity(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    open_stage(folder, INPUTS, half={"code": "a"})
    (folder / "part").write_text("1")
    open_stage(folder, OTHERS[2], half={"code": "a"})  # such as another reason for allowed leaks
    assert (folder / "part").exists()
    open_stage(folder, OTHERS[2], half={"code": "b"})
    assert [*folder.iterdir()] == []
    assert not (tmp_path / "old").exists()


def test_a_finished_stage_is_found_or_it_is_said_why_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "eval"
    finish(folder)
    found = find_finished(folder, INPUTS)
    assert found == load_manifest(folder)
    assert found is not None
    assert (found.stage, found.stage_version, found.parents, found.config_sha256) == (
        "eval",
        1,
        {"data": "d"},
        "c",
    )
    said = []
    for others in OTHERS:
        assert find_finished(folder, others) is None
        said.append(capsys.readouterr().out.strip().split("because of ")[1])
    assert said == ["a newer stage version (1 -> 2)", "other data", "another config"]


def test_an_opened_stage_is_not_finished(tmp_path: Path) -> None:
    folder = tmp_path / "eval"
    finish(folder)
    open_stage(folder, INPUTS)
    assert not (folder / MANIFEST).exists()
    assert (folder / "file").exists()


def test_a_finished_stage_of_other_inputs_is_put_aside(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    finish(folder)
    open_stage(folder, OTHERS[1], half={})
    assert len([*tmp_path.glob("old/data-*/manifest.json")]) == 1


def test_a_training_that_an_earlier_version_began_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "train"
    (folder / "checkpoints").mkdir(parents=True)
    old = {"config": "c", "parents": {"data": "d"}, "stage_version": 1}
    (folder / "identity.json").write_text(json.dumps(old))
    assert made_by_a_stage(folder)
    open_stage(folder, INPUTS)
    assert (folder / "checkpoints").exists()
    assert json.loads(note_of(folder).read_text())["config_sha256"] == "c"


def test_no_damaged_note_lets_a_half_be_taken_for_another(tmp_path: Path) -> None:
    """Each byte flipped, and cut there: exit 4 with the cure, or the half is gone on with as it was."""
    folder = half_of(tmp_path / "train")
    note = note_of(folder)
    sound = note.read_bytes()
    for data in damaged(sound, every=1):
        note.write_bytes(data)
        told, stage = outcome(open_stage, folder, INPUTS)
        assert stage is not None or (str(note) in told and f"delete {folder}" in told)
        assert (folder / "kept").exists()
        assert not (tmp_path / "old").exists()
    note.write_bytes(sound[:40])
    shutil.rmtree(folder)  # the cure
    open_stage(folder, INPUTS)
    assert note.read_bytes() == sound


def test_a_damaged_note_of_a_cheap_half_makes_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    for data in (b"", b"{", b"[]", b"\xff"):
        open_stage(folder, INPUTS, half={"code": "a"})
        (folder / "part").write_text("1")
        note_of(folder).write_bytes(data)
        open_stage(folder, INPUTS, half={"code": "a"})
        assert [*folder.iterdir()] == []
        assert "made again" in capsys.readouterr().out


def test_a_cut_note_of_an_earlier_version_is_told(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "identity.json").write_text('{"config": "c", "par')
    with pytest.raises(ArtifactError, match=r"identity\.json: damaged .* delete"):
        open_stage(tmp_path / "train", INPUTS)


def test_both_starters_of_a_training_derive_the_same_inputs(tmp_path: Path) -> None:
    """A drift would put checkpoints aside when the other starter goes on."""
    from launcher.run import open_run
    from launcher.stages import STAGES
    from trainer.__main__ import load_job

    (tmp_path / "a.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    config = {
        "name": "t",
        "seed": 7,
        "model": {"from_scratch": {"hidden_size": 32}},
        "data": {"sources": [{"name": "a", "format": "alpaca", "path": "a.jsonl"}]},
        "train": {"learning_rate": 1e-3, "keep": 1, "lora": {"rank": 2}},
    }
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(config))
    run_dir = tmp_path / "run"
    (run_dir).mkdir()
    run = open_run(tmp_path / "t.yaml", [], run_dir, force=False)
    finish(run_dir / "data")
    assert load_job(run_dir).inputs == STAGES["train"].inputs(run)
