"""Checkpoints that any number of ranks can read: safetensors slices with their place in the whole.

    checkpoints/step-00000100/rank-00000.safetensors …   param/NAME, exp_avg/NAME, exp_avg_sq/NAME: flat fp32
                              checkpoint.json             last; sizes and sha256 of the files, and the state
    checkpoints/latest.json                               the pointer

A slice says where in the flattened parameter it starts, so another world size reads what overlaps.
"""

import json
import math
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hunmin.artifact import fsync_path, write_json
from hunmin.errors import ArtifactError, EnvironmentFailure, one_line
from hunmin.hashing import sha256_file
from hunmin.progress import Heartbeat, no_heartbeat, say

FORMAT_VERSION = 1
DESCRIPTION = "checkpoint.json"
POINTER = "latest.json"


@dataclass(frozen=True)
class TrainState:
    """All that a run remembers besides weights and moments."""

    step: int = 0  # optimizer steps done, skipped ones included
    num_updates: int = 0  # applied
    num_skipped_in_a_row: int = 0
    best_step: int | None = None
    best_val_loss: float | None = None
    recent_losses: Sequence[float] = ()  # of the last applied updates, oldest first

    def __post_init__(self) -> None:
        object.__setattr__(self, "recent_losses", tuple(self.recent_losses))  # JSON gives a list


def folder_of(checkpoints: Path, step: int) -> Path:
    """Where the checkpoint of a step stands."""
    return checkpoints / f"step-{step:08d}"


def partial_of(checkpoints: Path, step: int) -> Path:
    """Where the checkpoint of a step is written, before it is one."""
    return checkpoints / f".step-{step:08d}.partial"


def begin_checkpoint(checkpoints: Path, step: int) -> None:
    """Make the folder that the ranks write into. One process."""
    partial = partial_of(checkpoints, step)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)


def slices_file(checkpoints: Path, step: int, rank: int) -> Path:
    """Where a rank writes its slices of a step's checkpoint, before it is one."""
    return partial_of(checkpoints, step) / _file_of(rank)


def write_slices(path: Path, slices: Iterable[tuple[str, str, int, Tensor]]) -> bytes:
    """Write a rank's (kind, name, start, values) and put them to the disk.

    Returns:
        The file's sha256.

    Raises:
        EnvironmentFailure: the disk is full, read-only or gone.
    """
    tensors, starts = {}, {}
    for kind, name, start, values in slices:
        tensors[f"{kind}/{name}"] = values
        starts[name] = start
    try:
        save_file(tensors, path, metadata={"starts": json.dumps(starts)})
        fsync_path(path)
        return bytes.fromhex(sha256_file(path))
    except (SafetensorError, OSError) as error:  # how a full or broken disk is told
        raise EnvironmentFailure(f"{path}: {one_line(error)}") from error


def complete(
    checkpoints: Path,
    *,
    state: TrainState,
    digests: Sequence[bytes],
    shapes: dict[str, tuple[int, ...]],
    ranks: dict[str, object],
) -> Path:
    """Turn what the ranks wrote into the newest checkpoint: whole, or not at all. One process."""
    partial, final = partial_of(checkpoints, state.step), folder_of(checkpoints, state.step)
    files = {
        _file_of(rank): {"bytes": (partial / _file_of(rank)).stat().st_size, "sha256": digest.hex()}
        for rank, digest in enumerate(digests)
    }
    description = {
        "format_version": FORMAT_VERSION,
        "state": asdict(state),
        "ranks": ranks,
        "shapes": shapes,
        "files": files,
    }
    write_json(partial / DESCRIPTION, description)
    if final.exists():  # of a run that was cut off between this rename and its pointer
        _remove(final)
    partial.rename(final)
    fsync_path(checkpoints)
    write_json(checkpoints / POINTER, {"last": final.name, "best": state.best_step})
    return final


def _file_of(rank: int) -> str:
    return f"rank-{rank:05d}.safetensors"


def prune(checkpoints: Path, *, keep: int, best_step: int | None) -> None:
    """Remove all but the `keep` newest and the best."""
    steps = _steps(checkpoints)
    for step in set(steps[keep:]) - {best_step}:
        _remove(folder_of(checkpoints, step))


def discard_partial(checkpoints: Path, step: int) -> None:
    """Remove what was written of a checkpoint that failed, as far as the disk lets us."""
    shutil.rmtree(partial_of(checkpoints, step), ignore_errors=True)


def newest_step(checkpoints: Path) -> int | None:
    """The step of the newest complete checkpoint, not verified; None where there is none."""
    return next(iter(_steps(checkpoints)), None)


def is_complete(checkpoints: Path, step: int) -> bool:
    """Whether there is a checkpoint of the step, not verified."""
    return (folder_of(checkpoints, step) / DESCRIPTION).exists()


def _remove(folder: Path) -> None:
    # The description first: without it, the folder is no checkpoint at any moment.
    (folder / DESCRIPTION).unlink(missing_ok=True)
    shutil.rmtree(folder)


def _steps(checkpoints: Path) -> list[int]:
    """Steps of the complete checkpoints, newest first."""
    found = checkpoints.glob(f"step-*/{DESCRIPTION}")
    return sorted((int(path.parent.name.removeprefix("step-")) for path in found), reverse=True)


def candidates(checkpoints: Path) -> list[int]:
    """Steps to go on from, the first sound one to be taken: the pointer's, then the others, newest first."""
    steps = _steps(checkpoints)
    pointed = _pointed(checkpoints)
    return sorted(steps, key=lambda step: (folder_of(checkpoints, step).name != pointed, -step))


def newest_valid(checkpoints: Path) -> int | None:
    """The first sound one of the candidates; None: from the start. Says what it passes over, and why."""
    for step in candidates(checkpoints):
        try:
            Checkpoint(folder_of(checkpoints, step)).verify()
            return step
        except ArtifactError as error:
            say_passed_over(error)
    return None


def say_passed_over(error: ArtifactError | str) -> None:
    """Of a checkpoint that is not sound."""
    say(f"train: {error}; taking an older checkpoint")


def _pointed(checkpoints: Path) -> str | None:
    pointer = checkpoints / POINTER
    if not pointer.exists():
        return None
    try:
        return json.loads(pointer.read_text())["last"]
    except (ValueError, KeyError, TypeError) as error:
        say(f"train: {pointer}: not a pointer ({error}); taking the newest checkpoint")
        return None


def discard_after(checkpoints: Path, step: int) -> None:
    """Remove what a run that goes on from `step` will write anew, and leftovers of a kill."""
    kept = {folder_of(checkpoints, found) for found in _steps(checkpoints) if found <= step}
    for folder in [*checkpoints.glob("step-*"), *checkpoints.glob(".*.partial")]:
        if folder not in kept:
            _remove(folder)


class Checkpoint:
    """A checkpoint folder, read slice by slice; `ranks` says what made it, such as world_size."""

    def __init__(self, folder: Path):
        """Open the description.

        Raises:
            ArtifactError: it is missing or of another format.
        """
        self.folder = folder
        try:
            description: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text())
            if description["format_version"] != FORMAT_VERSION:
                raise ValueError(f"format_version {description['format_version']}, not {FORMAT_VERSION}")
            self.state = TrainState(**description["state"])
            self.ranks: dict[str, Any] = description["ranks"]
            self._files: dict[str, dict[str, Any]] = description["files"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{folder / DESCRIPTION}: not a checkpoint ({error})") from error
        self.shapes = {name: tuple(shape) for name, shape in description["shapes"].items()}
        self._open: list[tuple[Any, dict[str, int]]] | None = None

    def check_sizes(self) -> None:
        """Every file is there, with its size: costs next to nothing.

        Raises:
            ArtifactError: names the file that is missing or differs.
        """
        for name, entry in self._files.items():
            path = self.folder / name
            if not path.exists():
                raise ArtifactError(f"{path}: missing")
            if path.stat().st_size != entry["bytes"]:
                raise ArtifactError(
                    f"{path}: {path.stat().st_size} bytes, {DESCRIPTION} says {entry['bytes']}"
                )

    def verify(self, *, share: tuple[int, int] = (0, 1), alive: Heartbeat = no_heartbeat) -> None:
        """Compare every file with its size and sha256.

        Args:
            share: (index, count): hash only the files of one among `count` that share the work.

        Raises:
            ArtifactError: names the file that is missing or differs.
        """
        self.check_sizes()
        index, count = share
        for name, entry in sorted(self._files.items())[index::count]:
            path = self.folder / name
            if sha256_file(path, alive=alive) != entry["sha256"]:
                raise ArtifactError(f"{path}: its sha256 is not that of {DESCRIPTION}")

    def read(self, kind: str, name: str, start: int, stop: int) -> Tensor:
        """Elements start..stop of a flattened parameter or moment, fp32, put together from what overlaps."""
        out = torch.empty(stop - start, dtype=torch.float32)
        filled = 0
        for handle, starts in self._handles():
            part = handle.get_slice(f"{kind}/{name}")
            low = max(start, starts[name])
            high = min(stop, starts[name] + part.get_shape()[0])
            if low < high:
                out[low - start : high - start] = part[low - starts[name] : high - starts[name]]
                filled += high - low
        if filled != stop - start:
            raise ArtifactError(f"{self.folder}: {kind}/{name} lacks elements {start} to {stop}")
        return out

    def weights(self) -> "CheckpointWeights":
        """The parameters alone, as a source of weights."""
        return CheckpointWeights(self)

    def full(self, name: str) -> Tensor:
        """A whole parameter, fp32, in its shape."""
        shape = self.shapes[name]
        return self.read("param", name, 0, math.prod(shape)).reshape(shape)

    def _handles(self) -> list[tuple[Any, dict[str, int]]]:
        if self._open is None:
            handles = [safe_open(self.folder / name, framework="pt") for name in self._files]
            self._open = [(handle, json.loads(handle.metadata()["starts"])) for handle in handles]
        return self._open


@dataclass(frozen=True)
class CheckpointWeights:
    """A checkpoint's parameters, read as one reads a model folder's."""

    checkpoint: Checkpoint

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """Elements start..stop of the flattened parameter, fp32."""
        return self.checkpoint.read("param", name, start, stop)
