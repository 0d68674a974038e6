"""A rank's file is what safetensors would write, hashed on the way; a rank opens those it needs alone."""

import hashlib
import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hunmin.errors import ArtifactError
from trainer.checkpoint import checkpoint, slices_file
from trainer.checkpoint.checkpoint import Checkpoint, TrainState
from trainer.checkpoint.slices_file import SlicesFile, write_slices

SHAPES = {"embed": (700, 3), "norm": (5,), "layers.0.글/\\": (64, 64)}  # norm: fewer elements than ranks
KINDS = ("param", "exp_avg")


def whole(kind: str, name: str) -> torch.Tensor:
    return torch.arange(math.prod(SHAPES[name])).float() + 10_000 * KINDS.index(kind)


def extent(name: str, rank: int, world_size: int) -> tuple[int, int]:
    """As ZeRO-3 cuts."""
    numel = math.prod(SHAPES[name])
    size = math.ceil(numel / world_size)
    return min(rank * size, numel), min((rank + 1) * size, numel)


def slices_of(rank: int, world_size: int) -> list[tuple[str, str, int, torch.Tensor]]:
    extents = {name: extent(name, rank, world_size) for name in SHAPES}
    return [
        (kind, name, start, whole(kind, name)[start:stop])
        for name, (start, stop) in extents.items()
        for kind in KINDS
    ]


def test_the_bytes_are_those_of_save_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices_file, "BLOCK_BYTES", 100)
    slices = slices_of(63, 64)  # some of them empty
    digest = write_slices(tmp_path / "ours", slices)
    starts = {name: start for _, name, start, _ in slices}
    theirs = {f"{kind}/{name}": values for kind, name, _, values in slices}
    save_file(theirs, tmp_path / "theirs", metadata={"starts": json.dumps(starts)})
    written = (tmp_path / "ours").read_bytes()
    assert written == (tmp_path / "theirs").read_bytes()
    assert digest == hashlib.sha256(written).digest()


def test_what_a_view_shows_is_written(tmp_path: Path) -> None:
    values = torch.arange(10.0)[::2]
    write_slices(tmp_path / "file", [("param", "w", 7, values)])
    found = SlicesFile(tmp_path / "file")
    assert found.span("param", "w") == (7, 12)
    assert found.values("param", "w", 8, 11).tolist() == [2.0, 4.0, 6.0]
    with pytest.raises(ArtifactError, match="holds nothing of other"):
        found.span("param", "other")


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\0" * 20)
    with pytest.raises(ArtifactError, match="no slices can be read"):
        SlicesFile(tmp_path / "file").span("param", "w")


@pytest.fixture(scope="module")
def of_64(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that 64 ranks wrote."""
    folder = tmp_path_factory.mktemp("of_64")
    checkpoint.begin_checkpoint(folder, 1)
    digests = [
        write_slices(checkpoint.slices_file(folder, 1, rank), slices_of(rank, 64)) for rank in range(64)
    ]
    return checkpoint.complete(folder, state=TrainState(step=1), digests=digests, shapes=SHAPES, ranks={})


@pytest.mark.parametrize(("world_size", "most"), [(64, 1), (128, 3), (32, 4), (48, 4), (7, 11), (1, 64)])
def test_a_rank_opens_the_files_that_hold_its_slices(
    of_64: Path, monkeypatch: pytest.MonkeyPatch, world_size: int, most: int
) -> None:
    """`most`: files that overlap a slice of a rank; between equal numbers of ranks it is the rank's own."""
    opened: list[str] = []
    plain = slices_file.safe_open
    monkeypatch.setattr(
        slices_file, "safe_open", lambda path, **how: opened.append(path) or plain(path, **how)
    )
    for rank in range(world_size):
        opened.clear()
        found = Checkpoint(of_64)
        for name in SHAPES:
            start, stop = extent(name, rank, world_size)
            for kind in KINDS:
                assert torch.equal(found.read(kind, name, start, stop), whole(kind, name)[start:stop])
        assert len(opened) == len(set(opened))
        assert len(opened) <= most


def test_the_ranks_together_look_at_each_file_once(of_64: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    hashed = checkpoint.sha256_file
    monkeypatch.setattr(
        checkpoint, "sha256_file", lambda path, **how: looked.append(path.name) or hashed(path, **how)
    )
    for rank in range(64):
        Checkpoint(of_64).verify(share=(rank, 64))
        assert looked[-1] == f"rank-{rank:05d}.safetensors", "the one that the rank reads"
    assert len(looked) == 64


def test_files_that_another_cut_made_are_found_too(tmp_path: Path) -> None:
    """As an older DeepSpeed, which pads slices, may have cut."""
    checkpoint.begin_checkpoint(tmp_path, 1)
    cuts = [0, 2, 2, 9, 10]
    values = torch.arange(10.0)
    digests = [
        write_slices(checkpoint.slices_file(tmp_path, 1, rank), [("param", "w", start, values[start:stop])])
        for rank, (start, stop) in enumerate(pairwise(cuts))
    ]
    found = Checkpoint(
        checkpoint.complete(
            tmp_path, state=TrainState(step=1), digests=digests, shapes={"w": (10,)}, ranks={}
        )
    )
    for start in range(10):
        for stop in range(start, 11):
            assert torch.equal(found.read("param", "w", start, stop), values[start:stop])
