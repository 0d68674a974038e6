"""From a checkpoint to a folder that transformers loads: weights, config, generation config, tokenizer."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoConfig, GenerationConfig

from hunmin.artifact import whole_folder, write_json
from trainer.model.lora import Trained

MAX_SHARD_BYTES = 2 * 2**30  # also what the export holds in memory at a time


def export(
    weights: Trained,
    *,
    base: Path,
    tokenizer_dir: Path,
    stop_ids: Sequence[int],
    pad_id: int | None,
    documents: Mapping[str, str],
    out: Path,
) -> None:
    """Write the model folder, whole or not at all: a pure function of what it reads.

    Weights have the precision the forward computed in.

    Args:
        weights: of a checkpoint that the caller verified.
        base: the folder whose config.json describes the architecture.
        tokenizer_dir: copied, chat template included.
        stop_ids: the tokens that end an answer.
        pad_id: for batched generation; default: the first stop id.
        documents: further files, text by name: the model card, the lineage.
        out: the folder to make.
    """
    dtype = getattr(torch, weights.ranks["dtype"])
    config = AutoConfig.from_pretrained(base)
    config.dtype = dtype
    ends = {"eos_token_id": list(stop_ids), "pad_token_id": stop_ids[0] if pad_id is None else pad_id}
    generation = GenerationConfig(bos_token_id=config.get_text_config().bos_token_id, **ends)
    with whole_folder(out) as partial:
        shutil.copytree(tokenizer_dir, partial, ignore=shutil.ignore_patterns("config.json", "*.safetensors"))
        config.save_pretrained(partial)
        generation.save_pretrained(partial)
        for name, text in documents.items():
            (partial / name).write_text(text, encoding="utf-8")
        _write_weights(weights, dtype=dtype, folder=partial)


def _write_weights(weights: Trained, *, dtype: torch.dtype, folder: Path) -> None:
    """Tensor by tensor into shards, with the index that transformers reads where there are several."""
    shards = _cut(weights, itemsize=dtype.itemsize)
    weight_map, total = {}, 0
    for number, names in enumerate(shards, start=1):
        single = len(shards) == 1
        file = "model.safetensors" if single else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        tensors: dict[str, Tensor] = {name: weights.full(name).to(dtype) for name in names}
        save_file(tensors, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(names, file)
        total += sum(tensor.nbytes for tensor in tensors.values())
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        write_json(folder / "model.safetensors.index.json", index)


def _cut(weights: Trained, *, itemsize: int) -> list[list[str]]:
    """Parameter names for each shard, in the model's order, none above MAX_SHARD_BYTES if avoidable."""
    shards: list[list[str]] = [[]]
    used = 0
    for name, shape in weights.shapes.items():
        size = torch.Size(shape).numel() * itemsize
        if shards[-1] and used + size > MAX_SHARD_BYTES:
            shards.append([])
            used = 0
        shards[-1].append(name)
        used += size
    return shards


def weights_sha256(weights: Trained) -> str:
    """Hash of names, shapes and fp32 values in the order of names: equal for equal weights anywhere."""
    digest = hashlib.sha256()
    for name in sorted(weights.shapes):
        digest.update(json.dumps([name, weights.shapes[name]]).encode())
        digest.update(weights.full(name).numpy().tobytes())
    return digest.hexdigest()
