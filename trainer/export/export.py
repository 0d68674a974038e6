"""From a checkpoint to a folder that transformers loads: weights, config, generation config, tokenizer."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, GenerationConfig

from hunmin.artifact import whole_folder, write_json
from trainer.model.folder_weights import FolderWeights, Piece
from trainer.model.lora import Trained

MAX_SHARD_BYTES = 2 * 2**30  # also what the export holds in memory at a time
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")  # of a model that also sees


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

    Weights have the precision the forward computed in, and the names of the base's files, so that whatever
    loads the base loads the export. What is not trained (another part of the model, such as its eyes) is as
    the base has it.

    Args:
        weights: of a checkpoint that the caller verified.
        base: the folder whose config.json describes the architecture, and whose files name the weights.
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
        for path in (base / name for name in PROCESSOR_FILES):
            if path.exists():
                shutil.copy(path, partial)
        _write_weights(weights, base=FolderWeights(base), dtype=dtype, folder=partial)


def _write_weights(weights: Trained, *, base: FolderWeights, dtype: torch.dtype, folder: Path) -> None:
    """Piece by piece into shards, with the index that transformers reads where there are several."""
    shards = _cut(base.as_stored(weights.full, dtype))
    weight_map, total = {}, 0
    for number, pieces in enumerate(shards, start=1):
        single = len(shards) == 1
        file = "model.safetensors" if single else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        tensors = {name: tensor for piece in pieces for name, tensor in piece().items()}
        save_file(tensors, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(tensors, file)
        total += sum(tensor.nbytes for tensor in tensors.values())
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        write_json(folder / "model.safetensors.index.json", index)


def _cut(sized_pieces: Iterable[tuple[int, Piece]]) -> list[list[Piece]]:
    """Pieces for each shard, in their order, none above MAX_SHARD_BYTES if avoidable."""
    shards: list[list[Piece]] = [[]]
    used = 0
    for size, piece in sized_pieces:
        if shards[-1] and used + size > MAX_SHARD_BYTES:
            shards.append([])
            used = 0
        shards[-1].append(piece)
        used += size
    return shards


def weights_sha256(weights: Trained) -> str:
    """Hash of names, shapes and fp32 values in the order of names: equal for equal weights anywhere."""
    digest = hashlib.sha256()
    for name in sorted(weights.shapes):
        digest.update(json.dumps([name, weights.shapes[name]]).encode())
        digest.update(weights.full(name).numpy().tobytes())
    return digest.hexdigest()
