"""Which checkpoints a run has: the one to go on from, the one to export, and those that are removed."""

import shutil
from contextlib import suppress
from pathlib import Path

from hunmin.artifact import read_sealed
from hunmin.errors import ArtifactError
from hunmin.progress import say
from trainer.checkpoint.checkpoint import (
    DESCRIPTION,
    POINTER,
    Checkpoint,
    folder_of,
    partial_of,
    remove,
    step_of,
    weights_folder_of,
)


def best_folder(checkpoints: Path, step: int) -> Path | None:
    """Where the weights of the best step stand, not verified; None where they are gone."""
    both = (folder_of(checkpoints, step), weights_folder_of(checkpoints, step))
    return next((folder for folder in both if (folder / DESCRIPTION).exists()), None)


def prune(checkpoints: Path, *, keep: int, best_step: int | None) -> None:
    """Remove all but the `keep` newest, the best, and what any of those newest knows as the best."""
    newest = _steps(checkpoints)[:keep]
    bests = {best_step}
    for step in newest:
        with suppress(ArtifactError):  # told when it is to be gone on from
            bests.add(Checkpoint(folder_of(checkpoints, step)).state.best_step)
    kept = {folder_of(checkpoints, step) for step in newest}
    kept |= {best_folder(checkpoints, step) for step in bests if step is not None}
    for folder in _complete_folders(checkpoints):
        if folder not in kept:
            remove(folder)


def discard_partial(checkpoints: Path, step: int) -> None:
    """Remove what was written of a checkpoint that failed, as far as the disk lets us."""
    shutil.rmtree(partial_of(checkpoints, step), ignore_errors=True)


def newest_step(checkpoints: Path) -> int | None:
    """The step of the newest complete checkpoint, not verified; None where there is none."""
    return next(iter(_steps(checkpoints)), None)


def _complete_folders(checkpoints: Path) -> list[Path]:
    found = (path.parent for path in checkpoints.glob(f"*-*/{DESCRIPTION}"))
    return [path for path in found if path.name.startswith(("step-", "best-"))]


def _steps(checkpoints: Path) -> list[int]:
    """Steps of the complete checkpoints to go on from, newest first."""
    folders = [folder for folder in _complete_folders(checkpoints) if folder.name.startswith("step-")]
    return sorted(map(step_of, folders), reverse=True)


def candidates(checkpoints: Path) -> list[int]:
    """Steps to go on from, the first sound one to be taken: the pointer's, then the others, newest first."""
    steps = _steps(checkpoints)
    pointed = _pointed(checkpoints)
    return sorted(steps, key=lambda step: (folder_of(checkpoints, step).name != pointed, -step))


def newest_valid(checkpoints: Path) -> int | None:
    """The first sound one of the candidates; None: from the start. Says what it passes over, and why."""
    for step in candidates(checkpoints):
        try:
            found = Checkpoint(folder_of(checkpoints, step))
            found.verify()
        except ArtifactError as error:
            say_passed_over(error)
        else:
            say_if_unsealed(found)
            return step
    return None


def say_passed_over(error: ArtifactError | str) -> None:
    """Of a checkpoint that is not sound."""
    say(f"train: {error}; taking an older checkpoint")


def say_if_unsealed(found: Checkpoint) -> None:
    """Of a sound checkpoint whose description nothing vouches for."""
    if not found.is_sealed:
        say(
            f"train: {found.folder / DESCRIPTION} is of an earlier version and has no hash of its own; "
            "it is believed"
        )


def _pointed(checkpoints: Path) -> str | None:
    pointer = checkpoints / POINTER
    if not pointer.exists():
        return None
    try:
        return read_sealed(pointer)[0]["last"]
    except (OSError, ValueError, KeyError) as error:
        say(f"train: {pointer}: not a pointer ({error}); taking the newest checkpoint")
        return None


def discard_after(checkpoints: Path, step: int) -> None:
    """Remove what a run that goes on from `step` will write anew, and leftovers of a kill."""
    kept = {folder for folder in _complete_folders(checkpoints) if step_of(folder) <= step}
    for pattern in ("step-*", "best-*", ".*.partial"):
        for folder in checkpoints.glob(pattern):
            if folder not in kept:
                remove(folder)


def to_export(checkpoints: Path, last: Checkpoint) -> Checkpoint:
    """The checkpoint of the best step, verified; the last one where that is the best, or the best is gone.

    Raises:
        ArtifactError: the best one is damaged.
    """
    best = last.state.best_step
    if best is None or best == last.state.step:
        return last
    folder = best_folder(checkpoints, best)
    if folder is None:
        say(
            f"train: the checkpoint of the best step, {best}, is gone; the last step, {last.state.step}, is "
            "exported"
        )
        return last
    try:
        chosen = Checkpoint(folder)
        chosen.verify()
    except ArtifactError as error:
        raise ArtifactError(
            f"{error}; it is the checkpoint of the best step, which is to be exported: put the file back, or "
            f"delete {folder} and run the same command again to export the last step"
        ) from error
    return chosen
