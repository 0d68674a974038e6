"""A model folder whose embeddings follow another vocabulary, made once from the model's own.

A token that the model knows by the same string keeps its row. A new one begins as the mean of the rows of the
pieces that the model's own tokenizer cuts it into (Gee et al., 2022, "Fast Vocabulary Transfer"), and where
there are no such pieces as the mean of all rows (Hewitt, 2021, "Initializing New Word Embeddings").
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import safe_open
from torch import Tensor
from transformers import AutoConfig, PreTrainedConfig, PreTrainedTokenizerFast

from hunmin.artifact import whole_folder, write_json
from hunmin.models.tokenizer import load_tokenizer
from hunmin.progress import Heartbeat, no_heartbeat
from trainer.model.architecture import language_model_on_meta
from trainer.model.folder_weights import FolderWeights

BLOCK_ROWS = 4096  # of an embedding, held beside the old one
COPY_BYTES = 2**24
TORN = "\N{REPLACEMENT CHARACTER}"  # what bytes decode to that are no whole character


@dataclass(frozen=True)
class VocabMap:
    """Where the rows of a new embedding come from."""

    sources: list[list[int]]  # for each new id the old ids whose rows are averaged; none: the mean of all
    num_kept: int  # tokens known by the same string
    num_new: int  # the others


def vocab_map(new: PreTrainedTokenizerFast, old: PreTrainedTokenizerFast, *, num_rows: int) -> VocabMap:
    """From the ids of one tokenizer to those of another.

    Args:
        num_rows: of the old embeddings, which may be padded: where the new vocabulary only adds to the old,
            the padding behind it stays.
    """
    known, wanted = old.get_vocab(), new.get_vocab()
    sources: list[list[int]] = [[] for _ in range(max(wanted.values()) + 1)]
    for token, number in wanted.items():
        same = known.get(token)
        sources[number] = _pieces(new, old, token) if same is None else [same]
    sources += [[number] for number in range(len(sources), num_embeddings(new, old, num_rows=num_rows))]
    num_kept = sum(token in known for token in wanted)
    return VocabMap(sources, num_kept=num_kept, num_new=len(wanted) - num_kept)


def num_embeddings(new: PreTrainedTokenizerFast, old: PreTrainedTokenizerFast, *, num_rows: int) -> int:
    """Rows of the embeddings that follow the new vocabulary; arguments as for `vocab_map`."""
    known, wanted = old.get_vocab(), new.get_vocab()
    adds_only = all(wanted.get(token) == number for token, number in known.items())
    return max(max(wanted.values()) + 1, num_rows if adds_only else 0)


def _pieces(new: PreTrainedTokenizerFast, old: PreTrainedTokenizerFast, token: str) -> list[int]:
    """The old ids of a new token's text; none where its bytes are no whole characters."""
    added = new.added_tokens_encoder
    decoder = new.backend_tokenizer.decoder
    text = token if token in added or decoder is None else decoder.decode([token])
    return [] if TORN in text else list(old.encode(text, add_special_tokens=False))


def remake_base(base: Path, *, tokenizer_dir: Path, out: Path, alive: Heartbeat = no_heartbeat) -> VocabMap:
    """Write the model folder that follows the data's tokenizer, whole or not at all.

    Weights go from file to file in their own precision; no more than one tensor is in memory. Tied embeddings
    stay tied. Called in one process.

    Args:
        base: a transformers folder with safetensors and its own tokenizer.
        tokenizer_dir: the tokenizer to follow; copied.

    Raises:
        InputError: the base has no tokenizer, or no causal language model.
    """
    new, old = load_tokenizer(tokenizer_dir), load_tokenizer(base)
    config = AutoConfig.from_pretrained(base)
    mapped = vocab_map(new, old, num_rows=config.get_text_config().vocab_size)
    names = FolderWeights(base).files_of(vocabulary_tensors(config))
    text_config: Any = config.get_text_config()
    text_config.vocab_size = len(mapped.sources)
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        setattr(text_config, name, getattr(new, name))
    with whole_folder(out) as partial:
        shutil.copytree(tokenizer_dir, partial)
        total = 0
        for path in sorted(base.glob("*.safetensors")):
            total += _copy_file(path, partial / path.name, names=names, mapped=mapped, alive=alive)
        index = base / "model.safetensors.index.json"
        if index.exists():
            listed = json.loads(index.read_text())
            write_json(partial / index.name, listed | {"metadata": {"total_size": total}})
        config.save_pretrained(partial)
    return mapped


def vocabulary_tensors(config: PreTrainedConfig) -> set[str]:
    """Names of the language model's tensors with a row per token: embedding, head, the head's bias.

    Raises:
        InputError: transformers has no causal language model for it.
    """
    lm = language_model_on_meta(config)
    modules = [lm.get_input_embeddings(), lm.get_output_embeddings()]
    rows = {id(tensor) for module in modules if module is not None for tensor in module.parameters()}
    return {name for name, tensor in lm.named_parameters(remove_duplicate=False) if id(tensor) in rows}


def _copy_file(source: Path, target: Path, *, names: set[str], mapped: VocabMap, alive: Heartbeat) -> int:
    """One safetensors file (header, then bytes: github.com/huggingface/safetensors); bytes of its tensors."""
    with source.open("rb") as read, target.open("wb") as write, safe_open(source, framework="pt") as handle:
        start = 8 + int.from_bytes(read.read(8), "little")
        header = json.loads(read.read(start - 8))
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        ordered = sorted(tensors, key=lambda name: tensors[name]["data_offsets"])
        written, new_header, end = [], {"__metadata__": {"format": "pt"}}, 0
        for name in ordered:
            first, last = tensors[name]["data_offsets"]
            shape, size = tensors[name]["shape"], last - first
            if name in names:
                size = size // shape[0] * len(mapped.sources)
                shape = [len(mapped.sources), *shape[1:]]
            new_header[name] = tensors[name] | {"shape": shape, "data_offsets": [end, end + size]}
            end += size
            written.append((name, start + first, last - first))
        text = json.dumps(new_header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        write.write(len(text).to_bytes(8, "little") + text)
        for name, offset, size in written:
            alive()
            if name in names:
                for block in _rows(handle.get_tensor(name), mapped.sources):
                    write.write(block.contiguous().view(torch.uint8).numpy().tobytes())
            else:
                read.seek(offset)
                _copy(read, write, size, alive=alive)
    return end


def _rows(old: Tensor, sources: list[list[int]]) -> Iterator[Tensor]:
    """The new tensor in blocks of rows, in the precision of the old; means are taken in fp32."""
    mean_of_all: Tensor | None = None
    for first in range(0, len(sources), BLOCK_ROWS):
        block = sources[first : first + BLOCK_ROWS]
        out = old[[ids[0] if ids else 0 for ids in block]].clone()
        for number, ids in enumerate(block):
            if len(ids) > 1:
                out[number] = old[ids].float().mean(0).to(old.dtype)
            elif not ids:
                mean_of_all = _mean(old) if mean_of_all is None else mean_of_all
                out[number] = mean_of_all
        yield out


def _mean(old: Tensor) -> Tensor:
    """Of all rows, block by block, in fp64."""
    blocks = old.split(BLOCK_ROWS)
    return (torch.stack([block.double().sum(0) for block in blocks]).sum(0) / len(old)).to(old.dtype)


def _copy(read: BinaryIO, write: BinaryIO, size: int, *, alive: Heartbeat) -> None:
    while size:
        alive()
        part = read.read(min(size, COPY_BYTES))
        assert part, "safetensors checked the file's length"
        write.write(part)
        size -= len(part)
