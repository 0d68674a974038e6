"""What a new best costs, and that the export is its weights to the bit: whole trainings on real ranks."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from rank_helpers import make_data, run_ranks
from safetensors.torch import load_file

from hunmin.models.config import ModelConfig
from hunmin.stage import Inputs, open_stage
from trainer.checkpoint import checkpoint, kept
from trainer.checkpoint.checkpoint import Checkpoint
from trainer.config import TrainConfig
from trainer.job import Job, finish_training

NUM_STEPS, SAVE_INTERVAL = 6, 3
VAL_LOSSES = [5.0, 4.0, 3.0, 3.5, 2.0, 2.5]  # of the steps
MODEL = ModelConfig.model_validate({"from_scratch": {"hidden_size": 32, "num_layers": 1, "vocab_size": 512}})


def job_in(root: Path) -> Job:
    settings = {"global_batch_size": 2, "num_steps": NUM_STEPS, "learning_rate": 1e-2, "tensorboard": False}
    settings |= {"val_interval": 1, "save_interval": SAVE_INTERVAL}
    return Job(
        config=TrainConfig(**settings),
        model=MODEL,
        seed=3,
        data_dir=root / "data",
        out_dir=root / "train",
        inputs=Inputs(1, {"data": "d"}, "c"),
    )


def train_and_count(root: Path) -> dict[str, int]:
    """Bytes that a rank wrote, by the folder they ended in; the validation losses are made up."""
    from trainer import loop
    from trainer.checkpoint import saving

    written: dict[str, int] = {}
    complete, write = checkpoint.complete, saving.write_slices
    sizes: list[int] = []

    def count(path: Path, slices: Any) -> bytes:
        digest = write(path, slices)
        sizes.append(path.stat().st_size)
        return digest

    def note(*args: Any, **kwargs: Any) -> Path:
        folder = complete(*args, **kwargs)
        written[folder.name] = sizes[-1]
        return folder

    saving.write_slices, checkpoint.complete = count, note
    loop.loss_to_compare = lambda losses, best_by: VAL_LOSSES[losses["step"] - 1]
    loop.train(job_in(root))
    return written


def standing(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "train/checkpoints").glob("*-*"))


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """A training of two ranks, before its export, and what its first rank wrote."""
    root = tmp_path_factory.mktemp("straight")
    make_data(root / "data")
    open_stage(root / "train", job_in(root).inputs)
    return root, run_ranks(train_and_count, 2, root)[0]


def test_a_best_between_saves_writes_its_weights_and_at_a_save_nothing_more(
    straight: tuple[Path, dict[str, int]],
) -> None:
    root, written = straight
    bests = ["best-00000001", "best-00000002", "best-00000005"]
    assert sorted(written) == [*bests, "step-00000003", "step-00000006"]
    whole = written["step-00000006"]
    assert all(written[name] < 0.4 * whole for name in bests), "a third, and the header"
    assert sum(written.values()) < 3.2 * whole, "5 whole ones before"
    assert standing(root) == ["best-00000005", "step-00000003", "step-00000006"]


def test_killed_after_a_best_the_same_is_exported_to_the_bit(
    straight: tuple[Path, dict[str, int]], tmp_path: Path
) -> None:
    """The kill comes after step 5 was remembered; step 3, which was the best itself, is gone on from."""
    shutil.copytree(straight[0], tmp_path / "killed")
    kept.discard_after(tmp_path / "killed/train/checkpoints", SAVE_INTERVAL)
    assert standing(tmp_path / "killed") == ["step-00000003"]
    run_ranks(train_and_count, 2, tmp_path / "killed")
    assert standing(tmp_path / "killed") == standing(straight[0])
    ends = []
    for root in (straight[0], tmp_path / "killed"):
        manifest = finish_training(job_in(root), open_stage(root / "train", job_in(root).inputs))
        assert (manifest.counts["best_step"], manifest.counts["export_step"]) == (5, 5)
        assert manifest.extra["export"] == "lowest validation loss"
        ends.append(manifest.content_sha256)
        best = Checkpoint(checkpoint.weights_folder_of(root / "train/checkpoints", 5))
        exported = load_file(root / "train/export/model.safetensors")
        assert all(torch.equal(exported[name], best.full(name)) for name in best.shapes)
    assert ends[0] == ends[1]
