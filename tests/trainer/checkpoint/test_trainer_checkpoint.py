"""Damage is found and passed over; what a checkpoint says is what it holds."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from damage import damaged

from hunmin.errors import ArtifactError
from trainer.checkpoint import checkpoint, kept
from trainer.checkpoint.checkpoint import Checkpoint, TrainState
from trainer.checkpoint.slices_file import write_slices

WEIGHT = torch.arange(12, dtype=torch.float32).reshape(3, 4)


def save(folder: Path, step: int, best_step: int | None = None, *, weights_alone: bool = False) -> None:
    kinds = ("param",) if weights_alone else ("param", "exp_avg", "exp_avg_sq")
    slices = [(kind, "w", 0, WEIGHT.flatten() * step) for kind in kinds]
    state = TrainState(step=step, num_updates=step, best_step=best_step)
    checkpoint.begin_checkpoint(folder, step)
    digest = write_slices(checkpoint.slices_file(folder, step, 0), slices)
    checkpoint.complete(
        folder,
        state=state,
        digests=[digest],
        shapes={"w": (3, 4)},
        ranks={"world_size": 1},
        weights_alone=weights_alone,
    )


def test_round_trip(tmp_path: Path) -> None:
    save(tmp_path, 3)
    saved = Checkpoint(checkpoint.folder_of(tmp_path, 3))
    saved.verify()
    assert saved.state == TrainState(step=3, num_updates=3)
    assert torch.equal(saved.full("w"), WEIGHT * 3)
    assert saved.read("exp_avg", "w", 5, 8).tolist() == [15.0, 18.0, 21.0]


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "description"])
def test_falls_back_to_the_newest_valid(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for step in (1, 2, 3):
        save(tmp_path, step)
    folder = checkpoint.folder_of(tmp_path, 3)
    path = folder / "rank-00000.safetensors"
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-1] ^= 1
        path.write_bytes(content)
    elif damage == "truncate":
        path.write_bytes(content[:-1])
    elif damage == "remove":
        path.unlink()
    else:
        (folder / "checkpoint.json").write_text("{")
    assert kept.newest_valid(tmp_path) == 2
    assert "step-00000003" in capsys.readouterr().out, "never silently"


def test_whatever_byte_is_damaged_an_older_checkpoint_is_taken_or_nothing_changed(tmp_path: Path) -> None:
    for step in (1, 2):
        save(tmp_path, step, best_step=1)
    folder = checkpoint.folder_of(tmp_path, 2)
    sound = Checkpoint(folder)
    for name, every in (("checkpoint.json", 1), ("rank-00000.safetensors", 7), ("../latest.json", 1)):
        content = (folder / name).read_bytes()
        for data in damaged(content, every=every):
            (folder / name).write_bytes(data)
            found = kept.newest_valid(tmp_path)
            if found == 2:
                read = Checkpoint(folder)
                assert (read.state, read.shapes, read.ranks) == (sound.state, sound.shapes, sound.ranks)
                assert torch.equal(read.full("w"), WEIGHT * 2)
            else:
                assert found == 1
        (folder / name).write_bytes(content)


def description_of(folder: Path, step: int) -> Path:
    return checkpoint.folder_of(folder, step) / "checkpoint.json"


def unseal(path: Path, **changes: object) -> dict:
    """Make a description what earlier versions wrote."""
    value = json.loads(path.read_text()) | {"format_version": 1} | changes
    del value["sha256"]
    path.write_text(json.dumps(value))
    return value


def test_one_digit_of_the_best_loss_is_seen(tmp_path: Path) -> None:
    """It decides what is exported."""
    save(tmp_path, 1)
    value = json.loads(description_of(tmp_path, 1).read_text())
    value["state"]["best_val_loss"] = 1.25
    description_of(tmp_path, 1).write_text(json.dumps(value))
    with pytest.raises(ArtifactError, match="its content is not that of its sha256"):
        Checkpoint(checkpoint.folder_of(tmp_path, 1))


def test_a_checkpoint_of_an_earlier_version_is_gone_on_from_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, 1)
    unseal(description_of(tmp_path, 1))
    assert kept.newest_valid(tmp_path) == 1
    said = capsys.readouterr().out.strip().splitlines()
    assert len(said) == 1
    assert "of an earlier version and has no hash of its own" in said[0]


@pytest.mark.parametrize("field", ["state", "ranks", "shapes", "files", "format_version"])
@pytest.mark.parametrize("has_seal", [True, False])
def test_a_description_without_a_field_is_passed_over(tmp_path: Path, field: str, has_seal: bool) -> None:
    for step in (1, 2):
        save(tmp_path, step)
    path = description_of(tmp_path, 2)
    value = json.loads(path.read_text()) if has_seal else unseal(path)
    path.write_text(json.dumps({key: found for key, found in value.items() if key != field}))
    assert kept.newest_valid(tmp_path) == 1


@pytest.mark.parametrize("value", [None, 3, "x", [], [[]]])
@pytest.mark.parametrize("field", ["state", "ranks", "shapes", "files"])
def test_a_field_of_another_kind_is_passed_over(tmp_path: Path, field: str, value: object) -> None:
    for step in (1, 2):
        save(tmp_path, step)
    unseal(description_of(tmp_path, 2), **{field: value})
    assert kept.newest_valid(tmp_path) == 1


def test_weights_alone_are_the_best_and_never_gone_on_from(tmp_path: Path) -> None:
    save(tmp_path, 4)
    save(tmp_path, 5, best_step=5, weights_alone=True)
    assert kept.newest_valid(tmp_path) == kept.newest_step(tmp_path) == 4
    folder = checkpoint.weights_folder_of(tmp_path, 5)
    assert kept.best_folder(tmp_path, 5) == folder
    assert torch.equal(Checkpoint(folder).full("w"), WEIGHT * 5)
    kept.discard_after(tmp_path, 4)
    assert not folder.exists(), "step 5 is done again"


def test_what_any_kept_checkpoint_knows_as_the_best_is_kept(tmp_path: Path) -> None:
    """Step 4 is killed away: going on from step 3 must find the best that it knows, 1."""
    save(tmp_path, 1, best_step=1, weights_alone=True)
    save(tmp_path, 3, best_step=1)
    save(tmp_path, 4, best_step=4, weights_alone=True)
    kept.prune(tmp_path, keep=1, best_step=4)
    assert sorted(p.name for p in tmp_path.glob("*-*")) == ["best-00000001", "best-00000004", "step-00000003"]
    save(tmp_path, 6, best_step=4)
    kept.prune(tmp_path, keep=1, best_step=4)
    assert sorted(p.name for p in tmp_path.glob("*-*")) == ["best-00000004", "step-00000006"]


def exported(folder: Path, state: TrainState) -> Checkpoint:
    last = Checkpoint(checkpoint.folder_of(folder, state.step))
    last.state = state
    return kept.to_export(folder, last)


def test_the_best_is_exported_and_its_damage_told_with_a_way_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, 2, best_step=2, weights_alone=True)
    save(tmp_path, 3, best_step=2)
    state = TrainState(step=3, num_updates=3, best_step=2)
    assert exported(tmp_path, state).state.step == 2
    assert exported(tmp_path, replace(state, best_step=3)).state.step == 3
    assert exported(tmp_path, replace(state, best_step=None)).state.step == 3
    folder = checkpoint.weights_folder_of(tmp_path, 2)
    (folder / "rank-00000.safetensors").write_bytes(b"")
    with pytest.raises(ArtifactError, match=f"delete {folder} and run the same command again"):
        exported(tmp_path, state)
    assert capsys.readouterr().out == ""
    shutil.rmtree(folder)
    assert exported(tmp_path, state).state.step == 3
    assert "the best step, 2, is gone; the last step, 3, is exported" in capsys.readouterr().out


def test_a_broken_save_is_no_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    (checkpoint.folder_of(tmp_path, 2) / "checkpoint.json").unlink()  # as a kill in the middle leaves it
    (tmp_path / ".step-00000009.partial").mkdir()
    assert kept.newest_valid(tmp_path) == 1
    kept.discard_after(tmp_path, 1)
    assert not (tmp_path / ".step-00000009.partial").exists()
    save(tmp_path, 2)
    assert kept.newest_valid(tmp_path) == 2


def test_none_is_a_start_from_zero(tmp_path: Path) -> None:
    assert kept.newest_valid(tmp_path / "nothing") is None


def test_prune_keeps_the_newest_and_the_best(tmp_path: Path) -> None:
    for step in range(1, 7):
        save(tmp_path, step, best_step=2)
    kept.prune(tmp_path, keep=2, best_step=2)
    assert sorted(p.name for p in tmp_path.glob("step-*")) == [
        "step-00000002",
        "step-00000005",
        "step-00000006",
    ]


def test_a_missing_part_is_an_error(tmp_path: Path) -> None:
    save(tmp_path, 1)
    with pytest.raises(ArtifactError, match="lacks elements"):
        Checkpoint(checkpoint.folder_of(tmp_path, 1)).read("param", "w", 10, 13)
