"""Checkpoints written beside the training, on real ranks and on disks that fail."""

import errno
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rank_helpers import run_ranks

from hunmin.errors import EnvironmentFailure
from trainer.checkpoint import checkpoint, kept, saving
from trainer.checkpoint.checkpoint import Checkpoint, TrainState
from trainer.checkpoint.saving import Saver
from trainer.engine.ranks import join_ranks

NUM = 1000


def slices_of(rank: int, step: int) -> list[tuple[str, str, int, torch.Tensor]]:
    return [
        (kind, "w", rank * NUM, torch.arange(NUM, dtype=torch.float32) + step)
        for kind in ("param", "exp_avg", "exp_avg_sq")
    ]


def save_one(folder: Path, step: int, overlap: bool) -> None:
    with join_ranks(timeout_s=60) as me:
        saver = Saver(folder, keep=2, overlap=overlap, me=me)
        slices = slices_of(me.index, step)
        saver.begin(TrainState(step=step), iter(slices), {"w": (2 * NUM,)})
        if overlap:
            for *_, values in slices:
                values.zero_()  # as the next step does to what was handed over
        saver.finish()


def test_overlapped_is_byte_equal(tmp_path: Path) -> None:
    for overlap in (False, True):
        run_ranks(save_one, 2, tmp_path / str(overlap), 3, overlap)
    for rank in range(2):
        plain, overlapped = (
            (checkpoint.folder_of(tmp_path / str(overlap), 3) / f"rank-{rank:05d}.safetensors").read_bytes()
            for overlap in (False, True)
        )
        assert plain == overlapped
    assert kept.newest_valid(tmp_path / "True") == 3


def steps_beside_a_save(folder: Path) -> dict[str, Any]:
    """Rank 1's disk is slow; steps go on until both have written."""
    with join_ranks(timeout_s=60) as me:
        saver = Saver(folder, keep=1, overlap=True, me=me)
        release = folder / "release"
        write = saving.write_slices

        def slow(path: Path, slices: Any) -> bytes:
            while me.index == 1 and not release.exists():
                os.sched_yield()
            return write(path, slices)

        saving.write_slices = slow
        saver.begin(TrainState(step=1), slices_of(me.index, 1), {"w": (2 * NUM,)})
        before = []
        for step in range(20):
            if step == 10:
                before.append(kept.newest_step(folder))
                me.barrier()
                release.touch()
                saver._written.exception(timeout=30)
            saver.advance(me.gather([saver.progress()])[:, 0])
        return {"before": before, "after": kept.newest_step(folder)}


def test_steps_go_on_and_no_half_checkpoint_counts(tmp_path: Path) -> None:
    for found in run_ranks(steps_beside_a_save, 2, tmp_path):
        assert found == {"before": [None], "after": 1}


def die_before_it_is_valid(folder: Path) -> None:
    with join_ranks(timeout_s=60) as me:
        saver = Saver(folder, keep=2, overlap=True, me=me)
        saver.begin(TrainState(step=1), slices_of(me.index, 1), {"w": (2 * NUM,)})
        saver.finish()
        saver.begin(TrainState(step=2), slices_of(me.index, 2), {"w": (2 * NUM,)})
        saver._written.exception(timeout=30)


def test_what_was_written_but_not_completed_is_no_checkpoint(tmp_path: Path) -> None:
    run_ranks(die_before_it_is_valid, 2, tmp_path)
    assert checkpoint.partial_of(tmp_path, 2).exists()
    assert kept.newest_valid(tmp_path) == 1
    kept.discard_after(tmp_path, 1)
    assert not checkpoint.partial_of(tmp_path, 2).exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for one checkpoint and a half."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"needs the right to mount: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def two_saves(folder: Path, overlap: bool, read_only: bool) -> str:
    """The second save fails: what each rank is told."""
    with join_ranks(timeout_s=60) as me:
        saver = Saver(folder, keep=2, overlap=overlap, me=me)
        saver.begin(TrainState(step=1), slices_of(me.index, 1), {"w": (2 * NUM,)})
        saver.finish()
        if read_only and me.is_first:
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        me.barrier()
        try:
            saver.begin(TrainState(step=2), slices_of(me.index, 2), {"w": (2 * NUM,)})
            saver.finish()
        except EnvironmentFailure as error:
            return str(error)
        return "saved"


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize(("read_only", "words"), [(False, "No space left"), (True, "Read-only file system")])
def test_a_disk_that_fails_is_one_message_and_the_newest_stays(
    small_disk: Path, overlap: bool, read_only: bool, words: str
) -> None:
    told = run_ranks(two_saves, 2, small_disk, overlap, read_only)
    assert told[0] == told[1], "every rank says the same"
    assert words in told[0] or {"No space left": "os error 28"}.get(words, words) in told[0]
    assert "the one of step 1 is untouched" in told[0]
    assert kept.newest_valid(small_disk) == 1
    assert Checkpoint(checkpoint.folder_of(small_disk, 1)).full("w")[NUM] == 1
    if not read_only:
        assert not checkpoint.partial_of(small_disk, 2).exists()


def saves_on_a_disk_that_is_nearly_full(disk: Path) -> list[tuple[int, str]]:
    """With one page more left each time, until a save fits: what was told, and nothing was lost."""
    folder = disk / "checkpoints"
    few = [(kind, "w", 0, torch.zeros(600)) for kind in ("param", "exp_avg", "exp_avg_sq")]  # two pages
    told: list[tuple[int, str]] = []
    with join_ranks(timeout_s=60) as me:
        saver = Saver(folder, keep=9, overlap=False, me=me)
        saver.begin(TrainState(step=1), few, {"w": (600,)})
        for num_pages in range(20):
            (disk / "filler").unlink(missing_ok=True)
            free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
            (disk / "filler").write_bytes(b"x" * max(0, free - 4096 * num_pages))
            try:
                saver.begin(TrainState(step=2), few, {"w": (600,)})
            except EnvironmentFailure as error:
                told.append((error.exit_code, str(error)))
                Checkpoint(checkpoint.folder_of(folder, 1)).verify()
                assert not list(folder.glob(".step*")), "what was written of it is gone"
            else:
                break
        else:
            raise AssertionError("it never fitted")
    return told


def test_wherever_in_a_checkpoint_the_disk_is_full_it_is_exit_4_and_the_older_one_stays(
    small_disk: Path,
) -> None:
    (told,) = run_ranks(saves_on_a_disk_that_is_nearly_full, 1, small_disk)
    assert len(told) >= 4, "in the header, the values, the description, the pointer"
    for code, text in told:
        assert code == 4
        assert "\n" not in text
        assert "No space left" in text
        assert "run the same command again" in text
        assert "of step 1 is untouched" in text or "of step 2 is untouched" in text
    for step in (1, 2):
        Checkpoint(checkpoint.folder_of(small_disk / "checkpoints", step)).verify()


def no_room(folder: Path) -> bool:
    with join_ranks(timeout_s=60) as me:
        saving.ROOM = 1e15
        saver = Saver(folder, keep=2, overlap=True, me=me)
        saver.begin(TrainState(step=1), slices_of(me.index, 1), {"w": (2 * NUM,)})
        return saver.progress() == saving.IDLE and kept.newest_step(folder) == 1


def save_where_the_disk_is_gone(folder: Path) -> str:
    def lost(checkpoints: Path) -> int | None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(checkpoints))

    with join_ranks(timeout_s=60) as me:
        kept.newest_step = lost  # a mount cannot be taken away here
        folder.write_text("no folder")
        with pytest.raises(EnvironmentFailure) as failure:
            Saver(folder, keep=1, overlap=False, me=me).begin(
                TrainState(step=1), iter(slices_of(0, 1)), {"w": (2 * NUM,)}
            )
        return str(failure.value)


def test_a_disk_that_is_gone_is_one_message_too(tmp_path: Path) -> None:
    (told,) = run_ranks(save_where_the_disk_is_gone, 1, tmp_path / "checkpoints")
    assert told.startswith("the checkpoint cannot be written (")
    assert "older ones cannot be seen now" in told
    assert "run the same command again" in told


def test_without_room_for_a_copy_it_is_written_at_once(tmp_path: Path) -> None:
    assert run_ranks(no_room, 2, tmp_path) == [True, True]


def no_room_twice(folder: Path) -> list[int | None]:
    with join_ranks(timeout_s=60) as me:
        saving.ROOM = 1e15
        saver = Saver(folder, keep=2, overlap=True, me=me)
        seen = []
        for step in (1, 2):
            saver.begin(TrainState(step=step), slices_of(me.index, step), {"w": (2 * NUM,)})
            seen.append(kept.newest_step(folder))
        return seen


def test_without_room_later_saves_are_written_at_once_too(tmp_path: Path) -> None:
    assert run_ranks(no_room_twice, 2, tmp_path) == [[1, 2], [1, 2]]


def fails_on_rank_1(folder: Path) -> str:
    with join_ranks(timeout_s=60) as me:
        saver = Saver(folder, keep=2, overlap=True, me=me)
        saver.begin(TrainState(step=1), slices_of(me.index, 1), {"w": (2 * NUM,)})
        saver.finish()
        write = saving.write_slices

        def broken(path: Path, slices: Any) -> bytes:
            return write(path.parent / "gone" / path.name if me.index == 1 else path, slices)

        saving.write_slices = broken
        saver.begin(TrainState(step=2), slices_of(me.index, 2), {"w": (2 * NUM,)})
        saver._written.exception(timeout=30)
        me.barrier()
        try:
            saver.advance(me.gather([saver.progress()])[:, 0])
        except EnvironmentFailure as error:
            return str(error)
        return "saved"


def test_one_rank_that_fails_is_told_on_all_at_the_next_step(tmp_path: Path) -> None:
    told = run_ranks(fails_on_rank_1, 2, tmp_path)
    assert told[0] == told[1]
    assert "rank-00001.safetensors" in told[0]
    assert "the one of step 1 is untouched" in told[0]
    assert kept.newest_valid(tmp_path) == 1
    assert not checkpoint.partial_of(tmp_path, 2).exists()


def killed_before_it_is_valid(folder: Path) -> None:
    with join_ranks(timeout_s=60) as me:
        saver = Saver(folder, keep=2, overlap=True, me=me)
        saver.begin(TrainState(step=1), slices_of(me.index, 1), {"w": (2 * NUM,)})
        saver.finish()
        saver.begin(TrainState(step=2), slices_of(me.index, 2), {"w": (2 * NUM,)})
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_kill_between_begin_and_valid_leaves_the_older_one(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="died with -9"):
        run_ranks(killed_before_it_is_valid, 2, tmp_path)
    assert kept.newest_valid(tmp_path) == 1
