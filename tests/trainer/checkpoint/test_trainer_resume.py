"""Where ranks go on, chosen and verified together; and that long work of one of them is no hang."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from rank_helpers import run_ranks

from hunmin.errors import ArtifactError
from hunmin.progress import Heartbeat, said_to
from trainer.checkpoint import checkpoint, kept
from trainer.checkpoint.checkpoint import TrainState
from trainer.checkpoint.resume import resume_point
from trainer.checkpoint.slices_file import write_slices
from trainer.engine.long_work import together
from trainer.engine.ranks import join_ranks

NUM_FILES = 3  # of the ranks that saved


def save(folder: Path, step: int, best_step: int | None = None) -> None:
    checkpoint.begin_checkpoint(folder, step)
    digests = [
        write_slices(
            checkpoint.slices_file(folder, step, rank),
            [(kind, "w", 2 * rank, torch.full((2,), float(step))) for kind in ("param", "exp_avg")],
        )
        for rank in range(NUM_FILES)
    ]
    state = TrainState(step=step, num_updates=step, best_step=best_step, best_val_loss=best_step and 1.0)
    checkpoint.complete(folder, state=state, digests=digests, shapes={"w": (2 * NUM_FILES,)}, ranks={})


def resume(folder: Path) -> dict[str, Any]:
    with join_ranks(timeout_s=60) as me, said_to(folder / f"said-{me.index}"):
        signs: list[float] = []
        found, state = resume_point(folder, me, alive=lambda: signs.append(time.monotonic()))
    return {"step": found.state.step if found else None, "state": state, "signs": len(signs)}


@pytest.mark.parametrize("damaged", range(NUM_FILES))
def test_whichever_file_is_damaged_all_ranks_take_the_older_one(tmp_path: Path, damaged: int) -> None:
    for step in (1, 2):
        save(tmp_path, step)
    file = checkpoint.folder_of(tmp_path, 2) / f"rank-{damaged:05d}.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    for found in run_ranks(resume, 2, tmp_path):
        assert (found["step"], found["state"].num_updates) == (1, 1)
        assert found["signs"] > 0
    assert "taking an older checkpoint" in (tmp_path / "said-0").read_text()
    assert file.name in (tmp_path / "said-0").read_text()
    assert not (tmp_path / "said-1").exists(), "said once"
    assert not file.exists(), "it is written anew"


def sees_it_late(folder: Path) -> dict[str, Any]:
    """As on a node whose file system shows it a second later than the first rank's."""
    check, shown_at = checkpoint.Checkpoint.check_sizes, time.monotonic() + 1

    def late(self: checkpoint.Checkpoint, *, share: tuple[int, int] = (0, 1)) -> None:
        if os.environ["RANK"] == "1" and time.monotonic() < shown_at:
            raise ArtifactError("missing")
        check(self, share=share)

    checkpoint.Checkpoint.check_sizes = late
    return resume(folder)


def test_what_a_node_sees_late_is_not_taken_for_damaged(tmp_path: Path) -> None:
    for step in (1, 2):
        save(tmp_path, step)
    assert [found["step"] for found in run_ranks(sees_it_late, 2, tmp_path)] == [2, 2]
    assert kept.newest_step(tmp_path) == 2
    assert not (tmp_path / "said-0").exists()


@pytest.mark.parametrize("damage", ["removed", "cut"])
def test_a_checkpoint_that_lacks_something_is_passed_over_at_once(tmp_path: Path, damage: str) -> None:
    for step in (1, 2):
        save(tmp_path, step)
    file = checkpoint.folder_of(tmp_path, 2) / "rank-00001.safetensors"
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1])
    start = time.monotonic()
    assert [found["step"] for found in run_ranks(resume, 2, tmp_path)] == [1, 1]
    assert time.monotonic() - start < 60
    assert file.name in (tmp_path / "said-0").read_text()


def test_nothing_sound_is_the_start(tmp_path: Path) -> None:
    assert [found["step"] for found in run_ranks(resume, 2, tmp_path)] == [None, None]


def test_a_best_step_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    """Somebody removed it: the run must still be able to end."""
    save(tmp_path, 1, best_step=1)
    save(tmp_path, 2, best_step=1)
    save(tmp_path, 3, best_step=3)
    shutil.rmtree(checkpoint.folder_of(tmp_path, 1))
    shutil.rmtree(checkpoint.folder_of(tmp_path, 3))
    for found in run_ranks(resume, 2, tmp_path):
        assert (found["step"], found["state"].best_step, found["state"].best_val_loss) == (2, None, None)
    assert "the checkpoint of the best step, 1, is gone" in (tmp_path / "said-0").read_text()


def two_works(signs_of_life: bool) -> dict[str, Any]:
    """Rank 0 works for two seconds, with or without signs of life; rank 1 has nothing to do."""
    signs: list[float] = []

    def work(alive: Heartbeat) -> str:
        for _ in range(20):
            time.sleep(0.1)
            if signs_of_life:
                alive()
        return "done"

    with join_ranks(timeout_s=60) as me:
        result = together(
            me, work if me.is_first else lambda alive: "nothing", alive=lambda: signs.append(time.monotonic())
        )
    return {"result": result, "signs": len(signs)}


def test_a_rank_that_waits_hears_that_the_other_goes_on(tmp_path: Path) -> None:
    first, second = run_ranks(two_works, 2, True)
    assert (first["result"], second["result"]) == ("done", "nothing")
    assert second["signs"] >= 2
    silent = run_ranks(two_works, 2, False)[1]["signs"]
    assert silent <= 2, "only that a rank was done: a hang stays one"


def one_fails() -> str:
    def fail(alive: Heartbeat) -> None:
        raise ValueError("only here")

    with join_ranks(timeout_s=60) as me:
        try:
            together(me, fail if me.is_first else lambda alive: None, alive=lambda: None)
        except ValueError as error:
            return str(error)
    return "nothing"


def test_what_the_work_raises_is_raised_where_it_was(tmp_path: Path) -> None:
    assert run_ranks(one_fails, 2) == ["only here", "nothing"]
