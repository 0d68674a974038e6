"""How well the tokenizer fits each language: characters a token, tokens that are bytes, vocabulary in use."""

import base64
import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from data_pipeline.schema import LanguageTokens

_BYTE_TOKEN = re.compile(r"<0x[0-9A-Fa-f]{2}>")


@dataclass
class TokenCount:
    """What is counted of the tokens of one language.

    Attributes:
        used: bool, (vocab_size,): which ids were seen.
    """

    tokens: int = 0
    byte_tokens: int = 0
    chars: int = 0
    used: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    def add(self, input_ids: list[int], *, chars: int, is_byte: np.ndarray) -> None:
        """Count a row: its ids, and the characters they stand for."""
        ids = np.asarray(input_ids)
        self.tokens += len(ids)
        self.byte_tokens += int(is_byte[ids].sum())
        self.chars += chars
        if not len(self.used):
            self.used = np.zeros(len(is_byte), bool)
        self.used[ids] = True

    def merge(self, other: "TokenCount") -> None:
        """Take in what another one counted with the same tokenizer."""
        self.tokens += other.tokens
        self.byte_tokens += other.byte_tokens
        self.chars += other.chars
        self.used = self.used | other.used if len(self.used) else other.used

    def summary(self) -> LanguageTokens:
        """For stats.json."""
        return LanguageTokens(
            tokens=self.tokens,
            chars_per_token=round(self.chars / max(self.tokens, 1), 4),
            byte_share=round(self.byte_tokens / max(self.tokens, 1), 6),
            vocabulary_share=round(float(self.used.sum()) / max(len(self.used), 1), 6),
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "tokens": self.tokens,
            "byte_tokens": self.byte_tokens,
            "chars": self.chars,
            "vocab_size": len(self.used),
            "used": base64.b64encode(np.packbits(self.used).tobytes()).decode(),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "TokenCount":
        """What `to_json` made."""
        bits = np.frombuffer(base64.b64decode(values["used"]), np.uint8)
        used = np.unpackbits(bits, count=values["vocab_size"]).astype(bool)
        return cls(values["tokens"], values["byte_tokens"], values["chars"], used)


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
    letters = _byte_letters()
    if not all(letter in letters for letter in token):
        return False  # added as plain text
    try:
        bytes(letters[letter] for letter in token).decode()
    except UnicodeDecodeError:
        return True
    return False


@lru_cache(maxsize=1)
def _byte_letters() -> dict[str, int]:
    """Letter -> byte, as GPT-2's encoder has them: what prints stands for itself, the rest from U+0100."""
    printed = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printed]
    return {chr(byte): byte for byte in printed} | {chr(256 + at): byte for at, byte in enumerate(others)}
