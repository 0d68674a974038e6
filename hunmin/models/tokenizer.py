"""Tokenizers: loaded, chosen for a model, and which of their ids are pieces of characters."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from transformers import AddedToken, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from hunmin.errors import InputError, one_line
from hunmin.language.script import byte_letters
from hunmin.models.config import ModelConfig
from hunmin.models.folder import locate_model
from hunmin.progress import say

_BYTE_TOKEN = re.compile(r"<0x[0-9A-Fa-f]{2}>")


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The fast tokenizer of a folder. Code from the folder is never run.

    Raises:
        InputError: it cannot be loaded, or has no fast version.
    """
    try:
        tokenizer = _class_of(folder).from_pretrained(str(folder), trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{folder}: no tokenizer could be loaded ({one_line(error)}); "
            "a model's folder needs tokenizer.json and tokenizer_config.json"
        ) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise InputError(f"{folder}: {type(tokenizer).__name__} has no fast tokenizer (tokenizer.json)")
    return tokenizer


def _class_of(folder: Path) -> Any:
    """What `AutoTokenizer` would choose, without it where that is known: it imports torch, 1.5 s of CPU time.

    A folder that holds a tokenizer and no model's config, such as data/tokenizer, names its class.
    """
    settings = folder / "tokenizer_config.json"
    if settings.is_file() and not (folder / "config.json").exists():
        named = getattr(transformers, json.loads(settings.read_text()).get("tokenizer_class") or "", None)
        if isinstance(named, type) and issubclass(named, PreTrainedTokenizerFast):
            return named
    return transformers.AutoTokenizer


def chosen_tokenizer(model: ModelConfig, *, base: Path, quiet: bool = False) -> PreTrainedTokenizerFast:
    """The tokenizer of a model that is not from scratch: its own or `model.tokenizer`, with `add_tokens`.

    Raises:
        InputError: its ids are not the model's, and the config does not declare that they are mapped; or a
            folder has no tokenizer.
        EnvironmentFailure: the hub cannot be reached.
    """
    assert model.path is not None
    own = load_tokenizer(locate_model(model.path, base=base, weights=False))
    chosen = own
    if model.tokenizer is not None:
        chosen = load_tokenizer(locate_model(model.tokenizer, base=base, weights=False))
        differing = count_differing_ids(chosen.get_vocab(), own.get_vocab())
        if differing and model.vocabulary == "refuse":
            raise InputError(
                f"model.tokenizer {model.tokenizer}: {differing} of its {len(chosen)} ids are other tokens "
                f"than in {model.path}; to move the embeddings to it, declare model.vocabulary: map"
            )
    if model.add_tokens:
        known = chosen.get_vocab()
        new = [token for token in model.add_tokens if token not in known]
        # Not special: a special token in a row's text stays text, and the model could never learn these.
        chosen.add_tokens([AddedToken(token, special=False, normalized=False) for token in new])
        if not quiet:
            say(f"data: {len(new)} of {len(model.add_tokens)} model.add_tokens are new to the tokenizer")
    return chosen


def count_differing_ids(vocab: dict[str, int], of_model: dict[str, int]) -> int:
    """Ids of `vocab` that are another token, or none, in the model's vocabulary."""
    return sum(of_model.get(token) != number for token, number in vocab.items())


def byte_tokens(tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    """Which ids stand for bytes that are no whole characters: bool, (vocab_size,).

    SentencePiece falls back to tokens <0xNN>. A byte-level BPE writes its tokens in letters that stand for
    bytes; those whose bytes do not decode by themselves are parts of characters.
    """
    byte_level = "ByteLevel" in _parts(tokenizer)
    found = np.zeros(len(tokenizer), bool)
    special = set(tokenizer.all_special_ids)
    for token, number in tokenizer.get_vocab().items():
        if number not in special and number < len(found):
            found[number] = _is_torn(token) if byte_level else bool(_BYTE_TOKEN.fullmatch(token))
    return found


def _parts(tokenizer: PreTrainedTokenizerBase) -> set[str]:
    """The types of the pre-tokenizer and the decoder, sequences taken apart."""
    spec = json.loads(tokenizer.backend_tokenizer.to_str())  # type: ignore[attr-defined]
    found: set[str] = set()
    for part in (spec.get("pre_tokenizer"), spec.get("decoder")):
        members = (part or {}).get("pretokenizers") or (part or {}).get("decoders") or [part or {}]
        found |= {member.get("type", "") for member in members}
    return found


def _is_torn(token: str) -> bool:
    """A token of a byte-level BPE whose bytes are no whole characters."""
    letters = byte_letters()
    if not all(letter in letters for letter in token):
        return False  # added as plain text
    try:
        bytes(letters[letter] for letter in token).decode()
    except UnicodeDecodeError:
        return True
    return False
