"""Checkpoints that any number of ranks can read: safetensors slices with their place in the whole.

    checkpoints/step-00000100/rank-00000.safetensors …   param/NAME, exp_avg/NAME, exp_avg_sq/NAME: flat fp32
                              checkpoint.json             last; sizes and sha256 of the files, and the state
    checkpoints/best-00000150/                            param/NAME alone: exported, never gone on from
    checkpoints/latest.json                               the pointer

A slice says where in the flattened parameter it starts, so another world size reads what overlaps.
"""

import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hunmin.artifact import fsync_path, read_sealed, write_sealed
from hunmin.errors import ArtifactError, one_line
from hunmin.hashing import sha256_file
from hunmin.progress import Heartbeat, no_heartbeat
from trainer.checkpoint.slices_file import SlicesFile

FORMAT_VERSION = 2
_UNSEALED_VERSION = 1  # whose descriptions carry no hash of their own
DESCRIPTION = "checkpoint.json"
POINTER = "latest.json"
WEIGHTS = "param"  # the kind of slice that an export reads


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
    """Where the checkpoint of a step stands that training can go on from."""
    return checkpoints / f"step-{step:08d}"


def weights_folder_of(checkpoints: Path, step: int) -> Path:
    """Where the weights of a step stand alone, which was the best and no step to save."""
    return checkpoints / f"best-{step:08d}"


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


def complete(
    checkpoints: Path,
    *,
    state: TrainState,
    digests: Sequence[bytes],
    shapes: dict[str, tuple[int, ...]],
    ranks: dict[str, object],
    weights_alone: bool = False,
) -> Path:
    """Turn what the ranks wrote into the newest checkpoint: whole, or not at all. One process.

    `weights_alone`: they wrote no moments, so it is kept as the best and never gone on from.
    """
    partial = partial_of(checkpoints, state.step)
    final = (weights_folder_of if weights_alone else folder_of)(checkpoints, state.step)
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
    write_sealed(partial / DESCRIPTION, description)
    if final.exists():  # of a run that was cut off between this rename and its pointer
        remove(final)
    partial.rename(final)
    fsync_path(checkpoints)
    if not weights_alone:
        write_sealed(checkpoints / POINTER, {"last": final.name, "best": state.best_step})
    return final


def remove(folder: Path) -> None:
    """Remove a checkpoint, or what was to become one."""
    # The description first: without it, the folder is no checkpoint at any moment.
    (folder / DESCRIPTION).unlink(missing_ok=True)
    shutil.rmtree(folder)


def step_of(folder: Path) -> int:
    """The step of a checkpoint's folder."""
    return int(folder.name.rpartition("-")[2])


def _file_of(rank: int) -> str:
    return f"rank-{rank:05d}.safetensors"


class Checkpoint:
    """A checkpoint folder, read slice by slice; `ranks` says what made it, such as world_size.

    `is_sealed`: its description carries a hash of its own, which those of earlier versions do not.
    """

    def __init__(self, folder: Path):
        """Open the description.

        Raises:
            ArtifactError: it is missing, damaged or of another format.
        """
        self.folder = folder
        try:
            description, self.is_sealed = read_sealed(folder / DESCRIPTION)
            wanted = FORMAT_VERSION if self.is_sealed else _UNSEALED_VERSION
            if description["format_version"] != wanted:
                raise ValueError(f"format_version {description['format_version']}, not {wanted}")
            self.state = TrainState(**description["state"])
            if self.state.step != step_of(folder):
                raise ValueError(f"it is of step {self.state.step}")
            self.ranks: dict[str, Any] = {**description["ranks"]}
            self.shapes = {name: tuple(shape) for name, shape in description["shapes"].items()}
            self._hashes = {
                name: (int(entry["bytes"]), str(entry["sha256"]))
                for name, entry in sorted(description["files"].items())
            }
            if not self._hashes:
                raise ValueError("it names no file")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"{folder / DESCRIPTION}: not a checkpoint ({one_line(error)})") from error
        self._files = [SlicesFile(folder / name) for name in self._hashes]  # in the order of ranks

    def check_sizes(self, *, share: tuple[int, int] = (0, 1)) -> None:
        """Every file of a share is there, with its size: costs next to nothing. For `share` see `verify`.

        Raises:
            ArtifactError: names the file that is missing or differs.
        """
        for path, (num_bytes, _) in self._of_share(share):
            if not path.exists():
                raise ArtifactError(f"{path}: missing")
            if path.stat().st_size != num_bytes:
                raise ArtifactError(f"{path}: {path.stat().st_size} bytes, {DESCRIPTION} says {num_bytes}")

    def verify(self, *, share: tuple[int, int] = (0, 1), alive: Heartbeat = no_heartbeat) -> None:
        """Compare files with their sizes and sha256.

        Args:
            share: (index, count): only the files of one among `count` that share the work. Between equal
                numbers of ranks it is the file that the rank reads.

        Raises:
            ArtifactError: names the file that is missing, differs or cannot be read.
        """
        self.check_sizes(share=share)
        for path, (_, sha256) in self._of_share(share):
            try:
                found = sha256_file(path, alive=alive)
            except OSError as error:
                raise ArtifactError(f"{path}: cannot be read ({one_line(error)})") from error
            if found != sha256:
                raise ArtifactError(f"{path}: its sha256 is not that of {DESCRIPTION}")

    def _of_share(self, share: tuple[int, int]) -> list[tuple[Path, tuple[int, str]]]:
        index, count = share
        return [(self.folder / name, entry) for name, entry in [*self._hashes.items()][index::count]]

    def read(self, kind: str, name: str, start: int, stop: int) -> Tensor:
        """Elements start..stop of a flattened parameter or moment, fp32, put together from what overlaps.

        Opens only the files that hold some of them.

        Raises:
            ArtifactError: no file holds one of them.
        """
        out = torch.empty(stop - start, dtype=torch.float32)
        # Where ZeRO-3 cuts; slices that were cut elsewhere are found from there.
        index = start // max(1, math.ceil(math.prod(self.shapes.get(name, ())) / len(self._files)))
        at = start
        while at < stop:
            index = self._file_with(kind, name, at, near=index)
            until = min(stop, self._files[index].span(kind, name)[1])
            out[at - start : until - start] = self._files[index].values(kind, name, at, until)
            at = until
        return out

    def _file_with(self, kind: str, name: str, element: int, *, near: int) -> int:
        """The file that holds an element: in their order, files hold what follows each other."""
        last = len(self._files) - 1
        index = min(near, last)
        while index > 0 and self._files[index].span(kind, name)[0] > element:
            index -= 1
        while index < last and self._files[index].span(kind, name)[1] <= element:
            index += 1
        start, stop = self._files[index].span(kind, name)
        if not start <= element < stop:
            raise ArtifactError(f"{self.folder}: {kind}/{name} lacks elements from {element} on")
        return index

    def weights(self) -> "CheckpointWeights":
        """The parameters alone, as a source of weights."""
        return CheckpointWeights(self)

    def full(self, name: str) -> Tensor:
        """A whole parameter, fp32, in its shape."""
        shape = self.shapes[name]
        return self.read(WEIGHTS, name, 0, math.prod(shape)).reshape(shape)


@dataclass(frozen=True)
class CheckpointWeights:
    """A checkpoint's parameters, read as one reads a model folder's."""

    checkpoint: Checkpoint

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """Elements start..stop of the flattened parameter, fp32."""
        return self.checkpoint.read(WEIGHTS, name, start, stop)
