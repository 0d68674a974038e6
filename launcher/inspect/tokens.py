"""Token ids as text that a person can read: whole characters, special tokens by name.

Reads tokenizer.json alone: showing a pack must not wait for transformers to load.
"""

import codecs
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from hunmin.language.script import byte_letters
from hunmin.models.part_marks import MarkedKind
from hunmin.schema import IGNORE_INDEX


@dataclass(frozen=True)
class TokenGroup:
    """The fewest tokens that are whole characters: one, or those that a syllable or an emoji was split into.

    `position` is the first token's, in the pack. All tokens of a group are trained or none is.
    """

    position: int
    ids: tuple[int, ...]
    text: str
    trained: bool
    special: bool
    kind: MarkedKind | None = None  # a thought or a call, where the template marks them


class TokenTexts:
    """The text of tokens, by a folder's tokenizer.json."""

    def __init__(self, folder: Path):
        path = folder / "tokenizer.json"
        self._tokenizer = Tokenizer.from_file(str(path))
        added = self._tokenizer.get_added_tokens_decoder()
        self._added = {index: token.content for index, token in added.items()}
        self._special = {index for index, token in added.items() if token.special}
        kinds = set(_decoders(json.loads(path.read_text(encoding="utf-8")).get("decoder")))
        self._byte_level = "ByteLevel" in kinds
        self._byte_fallback = "ByteFallback" in kinds
        self._metaspace = bool(kinds & {"Metaspace", "Replace"})

    def groups(self, ids: Sequence[int], labels: Sequence[int], *, start: int = 0) -> Iterator[TokenGroup]:
        """Whole characters of one segment."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        first, text = 0, ""
        for index, token in enumerate(ids):
            trained = labels[index] != IGNORE_INDEX
            if token in self._special:
                yield TokenGroup(start + index, (token,), self._added[token], trained, True)
                first, text = index + 1, ""
                continue
            # A character never goes on behind a special token, a change of the mask, or the segment.
            last = (
                index + 1 == len(ids)
                or ids[index + 1] in self._special
                or (labels[index + 1] != IGNORE_INDEX) != trained
            )
            text += decoder.decode(self._bytes(token), final=last)
            if last or not decoder.getstate()[0]:
                yield TokenGroup(start + first, tuple(ids[first : index + 1]), text, trained, False)
                first, text = index + 1, ""

    def offsets(self, text: str, ids: Sequence[int]) -> list[tuple[int, int]] | None:
        """The characters of the text that each token stands for, by counting bytes.

        More exact than the tokenizer's own offsets, which give the bytes of neighbouring rare syllables one
        span, and leave out spaces. None where the tokens are not the text byte by byte (a normalizer).
        """
        pieces = [self._bytes(token) for token in ids]
        if b"".join(pieces) != text.encode():
            return None
        at_byte = [index for index, char in enumerate(text) for _ in char.encode()]
        found, start = [], 0
        for piece in pieces:
            end = start + len(piece)
            found.append((at_byte[start], at_byte[end - 1] + 1) if piece else (0, 0))
            start = end
        return found

    def _bytes(self, token: int) -> bytes:
        """The bytes that a token stands for."""
        if token in self._added:
            return self._added[token].encode()
        piece = self._tokenizer.id_to_token(token)
        if piece is None:
            return f"<{token}>".encode()
        if self._byte_level:
            return bytes(byte_letters()[char] for char in piece)
        if self._byte_fallback and len(piece) == 6 and piece.startswith("<0x"):
            return bytes([int(piece[3:5], 16)])
        if self._metaspace:
            return piece.replace("▁", " ").encode()
        return self._tokenizer.decode([token]).encode()


def _decoders(value: Any) -> Iterator[str]:
    """The types of a decoder and of those inside it; a Replace only where it writes the space."""
    if isinstance(value, dict):
        if value.get("type") != "Replace" or value.get("pattern") == {"String": "▁"}:
            yield str(value.get("type"))
        for one in value.get("decoders", []):
            yield from _decoders(one)
