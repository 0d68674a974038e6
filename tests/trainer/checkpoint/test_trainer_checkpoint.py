"""Damage is found and passed over; what a checkpoint says is what it holds."""

from pathlib import Path

import pytest
import torch

from hunmin.errors import ArtifactError
from trainer.checkpoint import checkpoint, kept
from trainer.checkpoint.checkpoint import Checkpoint, TrainState
from trainer.checkpoint.slices_file import write_slices

WEIGHT = torch.arange(12, dtype=torch.float32).reshape(3, 4)


def save(folder: Path, step: int, best_step: int | None = None) -> None:
    slices = [(kind, "w", 0, WEIGHT.flatten() * step) for kind in ("param", "exp_avg", "exp_avg_sq")]
    state = TrainState(step=step, num_updates=step, best_step=best_step)
    checkpoint.begin_checkpoint(folder, step)
    digest = write_slices(checkpoint.slices_file(folder, step, 0), slices)
    checkpoint.complete(folder, state=state, digests=[digest], shapes={"w": (3, 4)}, ranks={"world_size": 1})


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
