"""A rank's slices as one safetensors file: hashed from memory as they are written, opened when first read."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hunmin.errors import ArtifactError, EnvironmentFailure, one_line
from hunmin.hashing import BLOCK_BYTES

_ALIGNMENT = 8  # of the header's length, as safetensors pads it

Slices = Iterable[tuple[str, str, int, Tensor]]  # kind, parameter's name, start in it when flattened, values


def write_slices(path: Path, slices: Slices) -> bytes:
    """Write a rank's slices, fp32, and put them to the disk: the bytes that safetensors' save_file writes.

    Nothing is read back, and no more than one tensor of a GPU is copied at a time.

    Returns:
        The file's sha256.

    Raises:
        EnvironmentFailure: the disk is full, read-only or gone.
    """
    tensors: dict[str, Tensor] = {}
    starts: dict[str, int] = {}
    for kind, name, start, values in slices:
        tensors[f"{kind}/{name}"] = values
        starts[name] = start
    digest = hashlib.sha256()
    try:
        with path.open("wb") as file:
            for block in _blocks(dict(sorted(tensors.items())), starts):
                digest.update(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise EnvironmentFailure(f"{path}: {one_line(error)}") from error
    return digest.digest()


def _blocks(tensors: dict[str, Tensor], starts: dict[str, int]) -> Iterator[bytes | memoryview]:
    header: dict[str, Any] = {"__metadata__": {"starts": json.dumps(starts)}}
    end = 0
    for key, values in tensors.items():
        assert values.dtype == torch.float32, f"{key}: {values.dtype}"
        begin, end = end, end + values.nbytes
        header[key] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    yield len(text).to_bytes(8, "little") + text
    for values in tensors.values():
        content = values.detach().cpu().contiguous().numpy().view(np.uint8).data
        for begin in range(0, len(content), BLOCK_BYTES):
            yield content[begin : begin + BLOCK_BYTES]


class SlicesFile:
    """A file that `write_slices` wrote. Not opened before something is asked of it."""

    def __init__(self, path: Path):
        self.path = path

    @cached_property
    def _opened(self) -> tuple[Any, dict[str, int]]:
        try:
            handle = safe_open(self.path, framework="pt")
            return handle, json.loads(handle.metadata()["starts"])
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{self.path}: no slices can be read from it ({one_line(error)})") from error

    def span(self, kind: str, name: str) -> tuple[int, int]:
        """Start and stop of what it holds of a flattened parameter or moment.

        Raises:
            ArtifactError: it holds nothing of that name, or cannot be read.
        """
        handle, starts = self._opened
        if name not in starts:
            raise ArtifactError(f"{self.path}: holds nothing of {name}")
        size = handle.get_slice(f"{kind}/{name}").get_shape()[0]
        return starts[name], starts[name] + size

    def values(self, kind: str, name: str, start: int, stop: int) -> Tensor:
        """Elements start..stop of the flattened parameter or moment, which lie in its span."""
        handle, starts = self._opened
        return handle.get_slice(f"{kind}/{name}")[start - starts[name] : stop - starts[name]]
