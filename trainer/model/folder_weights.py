"""The weights of a model folder, read slice by slice under the names of the model that is trained."""

import json
import math
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor
from transformers import AutoConfig

from hunmin.errors import InputError
from trainer.model.conversion import Group, Layout, Shape

Piece = Callable[[], dict[str, Tensor]]  # gives tensors by their names in the files


class TensorFiles:
    """The safetensors of a folder, as they are: shapes by name, and slices of them."""

    def __init__(self, folder: Path):
        self._files = {path.name: safe_open(path, framework="pt") for path in sorted(_weight_files(folder))}
        self._file_of = {name: file for file, handle in self._files.items() for name in handle.offset_keys()}
        self.shapes: dict[str, Shape] = {
            name: tuple(self._files[file].get_slice(name).get_shape()) for name, file in self._file_of.items()
        }

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """Elements start..stop of the flattened tensor, fp32 (stop - start,)."""
        if start == stop:  # a small parameter leaves nothing for the last ranks
            return torch.empty(0)
        part = self._files[self._file_of[name]].get_slice(name)
        shape = self.shapes[name]
        if len(shape) < 2:
            return part[start:stop].float() if shape else part[...].reshape(1)[start:stop].float()
        width = int(torch.Size(shape[1:]).numel())
        first = start // width
        rows = part[first : -(-stop // width)]
        return rows.reshape(-1)[start - first * width : stop - first * width].float()

    def full(self, name: str) -> Tensor:
        """A whole tensor, fp32, in its shape."""
        return self.read(name, 0, math.prod(self.shapes[name])).reshape(self.shapes[name])

    def stored(self, name: str) -> Tensor:
        """A whole tensor as it is stored."""
        return self._files[self._file_of[name]].get_tensor(name)


class FolderWeights:
    """The weights of a transformers folder by the names of its language model, slice by slice.

    No more is in memory than a slice, or what a rule of transformers makes one parameter of; of a stack of
    experts the few that the slice touches.
    """

    def __init__(self, folder: Path):
        """Open the files and sort their tensors.

        Raises:
            InputError: transformers has no such model or a rule that does not fit its weights, or they are
                quantized.
        """
        config = AutoConfig.from_pretrained(folder)
        quantized = config.to_dict().get("quantization_config")
        if quantized:
            raise InputError(
                f"{folder}: its weights are quantized ({quantized.get('quant_method')}), and rounded weights "
                "cannot be trained; take the same model in bf16 or fp32"
            )
        self._folder = folder
        self.files = TensorFiles(folder)
        self.layout = Layout(config, self.files.shapes)

    @property
    def shapes(self) -> dict[str, Shape]:
        """Of the language model's parameters and constants, by name."""
        return self.layout.shapes

    @property
    def parameters(self) -> dict[str, Shape]:
        """Of the parameters alone."""
        return {name: shape for name, shape in self.shapes.items() if name not in self.layout.constants}

    def check(self, wanted: dict[str, Shape]) -> None:
        """Every tensor of the model is in the files with its shape, and no other.

        Raises:
            InputError: lists what is missing, extra or of another shape.
        """
        shapes = self.shapes
        found = [
            *(f"missing {name}" for name in sorted(wanted.keys() - shapes.keys())),
            *(f"unknown {name}" for name in self.layout.unknown),
            *(
                f"{name} is {shapes[name]}, the config says {wanted[name]}"
                for name in sorted(wanted.keys() & shapes.keys())
                if wanted[name] != shapes[name]
            ),
        ]
        if found:
            raise InputError(
                f"{self._folder}: weights do not fit config.json: {'; '.join(found[:5])}"
                + (f" and {len(found) - 5} more" if len(found) > 5 else "")
                + "; take a complete model folder"
            )

    def files_of(self, names: Collection[str]) -> set[str]:
        """The names in the files of some parameters, shared ones under every name they have there.

        Raises:
            InputError: the files hold one of them in parts, or with others.
        """
        groups = [
            group
            for group in (*self.layout.groups, *self.layout.tied)
            if group.parameters.keys() & set(names)
        ]
        for group in groups:
            if group.rule is not None:
                raise InputError(
                    f"{self._folder}: {group.files[0]} is not all of {next(iter(group.parameters))}; its "
                    "vocabulary cannot be changed here"
                )
        return {file for group in groups for file in group.files}

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """Elements start..stop of the flattened parameter, fp32 (stop - start,)."""
        group = self.layout.group_of(name)
        if group.rule is None:
            return self.files.read(group.files[0], start, stop)
        if start == stop:
            return torch.empty(0)
        shape = group.parameters[name]
        size = math.prod(shape[1:]) if group.is_stack else math.prod(shape)  # of what is made at a time
        parts = []
        for member in range(start // size, -(-stop // size)):
            rows = slice(member, member + 1) if group.is_stack else slice(None)
            made = self.layout.convert(group, self.files.full, rows)[name].flatten()
            parts.append(made[max(start - member * size, 0) : stop - member * size])
        return torch.cat(parts)

    def as_stored(self, full: Callable[[str], Tensor], dtype: torch.dtype) -> Iterator[tuple[int, Piece]]:
        """All that a folder of the same model holds, piece by piece: bytes, and what gives the tensors by the
        names of the files. What was never trained is as it was, and so is its precision.

        Args:
            full: gives a whole parameter of the language model, in its shape.
            dtype: of the parameters.
        """
        for group in self.layout.groups:
            if group.parameters.keys() <= self.layout.constants:
                yield from map(self._piece, group.files)
                continue
            size = dtype.itemsize * sum(map(math.prod, group.parameters.values()))
            yield size, lambda group=group: self._reverted(group, full, dtype)
        yield from map(self._piece, self.layout.kept)

    def _reverted(self, group: Group, full: Callable[[str], Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
        made = self.layout.revert(group, {name: full(name).to(dtype) for name in group.parameters})
        return {name: tensor.contiguous() for name, tensor in made.items()}

    def _piece(self, name: str) -> tuple[int, Piece]:
        return self.files.stored(name).nbytes, lambda: {name: self.files.stored(name)}


def _weight_files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.exists():
        return [folder / file for file in set(json.loads(index.read_text())["weight_map"].values())]
    return [folder / "model.safetensors"]
