"""How well the tokenizer fits each language: characters a token, tokens that are bytes, vocabulary in use."""

import base64
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hunmin.schema import LanguageTokens


@dataclass
class TokenCount:
    """What is counted of the tokens of one language."""

    tokens: int = 0
    byte_tokens: int = 0
    chars: int = 0
    used: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))  # (vocab_size,): ids that were seen

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
