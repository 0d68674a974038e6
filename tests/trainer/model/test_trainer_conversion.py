"""Each family's files as the hub names them: read slice by slice as transformers reads them, and back."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from family_models import FAMILIES, write_family
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from hunmin.errors import InputError
from trainer.model.folder_weights import FolderWeights

# A name in the files, and the parameter that the tensor is a part of.
RENAMED_OR_FUSED = {
    "qwen3_moe": ("model.layers.1.mlp.experts.7.up_proj.weight", "model.layers.1.mlp.experts.gate_up_proj"),
    "mixtral": (
        "model.layers.1.block_sparse_moe.experts.7.w2.weight",
        "model.layers.1.mlp.experts.down_proj",
    ),
    "gpt_neox": ("embed_out.weight", "lm_head.weight"),
    "gemma3_with_eyes": ("language_model.model.norm.weight", "model.norm.weight"),
    "qwen3_next": (
        "model.layers.0.mlp.experts.0.gate_proj.weight",
        "model.layers.0.mlp.experts.gate_up_proj",
    ),
    "exaone_moe": (
        "model.layers.1.mlp.e_score_correction_bias",
        "model.layers.1.mlp.gate.e_score_correction_bias",
    ),
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family(request.param, tmp_path_factory.mktemp("families") / request.param)


def full(weights: FolderWeights, name: str) -> Tensor:
    shape = weights.shapes[name]
    return weights.read(name, 0, math.prod(shape)).reshape(shape)


def stock_tensors(folder: Path) -> dict[str, Tensor]:
    """As transformers loads them, by the language model's names."""
    stock: Any = AutoModelForCausalLM.from_pretrained(folder)
    return {name.replace(".language_model", ""): tensor for name, tensor in stock.state_dict().items()}


def test_slices_put_together_are_what_transformers_loads(family: Path) -> None:
    weights, stock = FolderWeights(family), stock_tensors(family)
    if family.name in RENAMED_OR_FUSED:
        in_files, parameter = RENAMED_OR_FUSED[family.name]
        assert in_files in weights.layout.group_of(parameter).files
    for name, shape in weights.shapes.items():
        flat, size = stock[name].flatten(), math.prod(shape)
        cuts = sorted({0, min(3, size), min(37, size), size // 2 + 1, size})  # across rows and across experts
        parts = [weights.read(name, a, b) for a, b in zip(cuts, cuts[1:], strict=False)]  # noqa: RUF007
        assert torch.equal(torch.cat(parts), flat), name
        assert not len(weights.read(name, size, size))
    weights.check({name: tuple(stock[name].shape) for name in weights.shapes})


def test_what_is_written_back_is_the_folder(family: Path) -> None:
    weights, stored = FolderWeights(family), load_file(family / "model.safetensors")
    written: dict[str, Tensor] = {}
    for size, piece in weights.as_stored(lambda name: full(weights, name), torch.float32):
        tensors = piece()
        assert sum(tensor.nbytes for tensor in tensors.values()) == size
        written |= tensors
    assert written.keys() == stored.keys()
    for name, tensor in stored.items():
        assert torch.equal(written[name], tensor), name


def test_a_folder_with_the_names_of_the_modules_is_read_and_written_as_it_is(tmp_path: Path) -> None:
    """What transformers 5 would not write: fused names, as some tools save them."""
    folder = write_family("qwen3_moe", tmp_path / "model")
    tensors = stock_tensors(folder)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")
    weights = FolderWeights(folder)
    assert weights.files.shapes.keys() == weights.shapes.keys()
    for _, piece in weights.as_stored(lambda name: full(weights, name), torch.float32):
        for name, tensor in piece().items():
            assert torch.equal(tensor, tensors[name])


def test_only_the_experts_of_a_slice_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = FolderWeights(write_family("mixtral", tmp_path / "model"))
    name, read = "model.layers.0.mlp.experts.gate_up_proj", []
    stock = weights.files.full
    monkeypatch.setattr(weights.files, "full", lambda file: read.append(file) or stock(file))
    of_expert = math.prod(weights.shapes[name][1:])
    weights.read(name, 3 * of_expert + 1, 5 * of_expert)
    assert read == [
        f"model.layers.0.block_sparse_moe.experts.{n}.{w}.weight" for n in (3, 4) for w in ("w1", "w3")
    ]


def test_other_parts_of_a_model_are_kept_in_their_precision(tmp_path: Path) -> None:
    folder = write_family("gemma3_with_eyes", tmp_path / "model")
    weights, stored = FolderWeights(folder), load_file(folder / "model.safetensors")
    assert weights.layout.kept
    assert all(name.startswith(("vision_tower", "multi_modal_projector")) for name in weights.layout.kept)
    for _, piece in weights.as_stored(lambda name: full(weights, name), torch.bfloat16):
        for name, tensor in piece().items():
            kept = name in weights.layout.kept
            assert tensor.dtype == (torch.float32 if kept else torch.bfloat16)
            assert torch.equal(tensor, stored[name].to(tensor.dtype))


def change_files(folder: Path, change: Any) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


EXPERT = "model.layers.0.mlp.experts.7"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda tensors: [tensors.pop(f"{EXPERT}.{part}_proj.weight") for part in ("gate", "up", "down")],
            r"experts.down_proj is \(7, 32, 16\), the config says \(8, 32, 16\)",
        ),
        (
            lambda tensors: tensors.pop(f"{EXPERT}.up_proj.weight"),
            "by transformers' MergeModulelist, Concatenate",
        ),
        (
            lambda tensors: tensors.update({f"{EXPERT}.up_proj.weight": torch.zeros(3, 32)}),
            "does not fit the others",
        ),
        (lambda tensors: tensors.update({"model.extra": torch.zeros(3)}), "unknown model.extra"),
        (
            lambda tensors: tensors.update({"model.layers.0.mlp.experts.down_proj": torch.zeros(8, 32, 16)}),
            "are both model.layers.0.mlp.experts.down_proj; take a folder with one of them",
        ),
    ],
    ids=["an expert", "half an expert", "another shape", "unknown", "twice"],
)
def test_experts_that_do_not_fit_are_refused(tmp_path: Path, change: Any, message: str) -> None:
    folder = write_family("qwen3_moe", tmp_path / "model")
    wanted = FolderWeights(folder).shapes
    change_files(folder, change)
    with pytest.raises(InputError, match=message):
        FolderWeights(folder).check(wanted)


def test_quantized_weights_are_refused(tmp_path: Path) -> None:
    folder = write_family("llama", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "mxfp4"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"quantized \(mxfp4\).*take the same model in bf16 or fp32"):
        FolderWeights(folder)
