"""A rendered text to token ids, as the tokenizer gives them for the whole text, with each token's characters.

Special tokens only count where the template wrote them. The text of one inside a user's text is *masked*: it
is rendered as private characters of the same length, so that what is left of special tokens in a render is
the template's own. To tokenize such a render, a copy of the tokenizer knows the template's special tokens by
their masks, and users' are split like any other text. All of it goes through one call over the whole text:
what normalizers and pre-tokenizers do at its beginning, they do once.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache

from tokenizers import AddedToken, Encoding, Tokenizer
from transformers import PreTrainedTokenizerFast

from hunmin.models.fast_ids import FastIds

_FIRST_MASK = 0xF0000  # private use, plane 15


class TextIds:
    """Token ids, and the characters `offsets[i]` of the text that token i stands for.

    Tokens that share a character (bytes of one syllable) have the same offsets.
    """

    def __init__(
        self,
        input_ids: list[int],
        find_offsets: Callable[[], list[tuple[int, int]]],
        find_specials: Callable[[], tuple[list[int], list[int]]],
    ):
        """What is seldom needed is found when it is: offsets as a list take a sixth of tokenizing's time.

        Args:
            find_specials: where special tokens begin in the text, and which tokens are special.
        """
        self.input_ids, self._find_offsets, self._find_specials = input_ids, find_offsets, find_specials

    @cached_property
    def offsets(self) -> list[tuple[int, int]]:
        """(start, end) of each token."""
        return self._find_offsets()

    @cached_property
    def _specials(self) -> tuple[list[int], list[int]]:
        return self._find_specials()

    def special_at(self, char: int) -> int:
        """The token that is the special token at a character of the text."""
        starts, tokens = self._specials
        if len(starts) == len(tokens):
            return tokens[bisect_right(starts, char) - 1]
        return self.token_at(char)  # of a tokenizer that does not know all of them as such

    def token_at(self, char: int) -> int:
        """The last token that begins at or before a character."""
        return max(0, bisect_right(self.offsets, char, key=lambda offset: offset[0]) - 1)

    def tokens_to(self, char: int) -> int:
        """How many tokens end at or before a character."""
        return bisect_right(self.offsets, char, key=lambda offset: offset[1])

    def token_from(self, char: int) -> int:
        """The first token that begins at or behind a character; their number where none does."""
        return bisect_right(self.offsets, char - 1, key=lambda offset: offset[0])


class TextEncoder:
    """Tokenizes whole renders.

    Attributes:
        special_ids: ids of the special tokens.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        self._backend = tokenizer.backend_tokenizer
        self._backend.no_truncation()
        self._backend.no_padding()
        added = tokenizer.added_tokens_decoder
        self._special = {index: token for index, token in added.items() if token.special}
        for index in tokenizer.all_special_ids:  # in the vocabulary only, in hand-made tokenizers
            if index not in self._special:
                self._special[index] = AddedToken(str(tokenizer.convert_ids_to_tokens(index)), special=True)
        self.special_ids = set(self._special)
        texts = [token.content for token in self._special.values()]
        self._masks = {text: chr(_FIRST_MASK + at) * len(text) for at, text in enumerate(texts)}
        unmasks = {mask: text for text, mask in self._masks.items()}
        self._swaps = self._masks | unmasks
        self._pattern = _any_of(self._masks)
        self._mask_pattern = _any_of(unmasks)
        self._swap_pattern = _any_of(self._swaps)
        self._mask_chars = re.compile(f"[{chr(_FIRST_MASK)}-{chr(_FIRST_MASK + len(texts))}]")
        self._fast: FastIds | None = None
        self._twin: tuple[Tokenizer, dict[int, int]] | None = None
        self._of_end = lru_cache(maxsize=4096)(lambda text: self._plain(text).input_ids)

    def has_special(self, texts: Iterable[str]) -> bool:
        """Whether the text of a special token stands in one of the texts."""
        return any(self._pattern.search(text) for text in texts)

    def has_mask(self, texts: Iterable[str]) -> bool:
        """Whether a text holds the private characters that masks are made of."""
        return any(self._mask_chars.search(text) for text in texts)

    def mask(self, text: str) -> str:
        """The text with private characters where it spells a special token. Of the same length."""
        return self._pattern.sub(lambda found: self._masks[found.group()], text)

    def unmask(self, text: str) -> str:
        """A masked text as it was."""
        return self._mask_pattern.sub(lambda found: self._swaps[found.group()], text)

    def encode(self, text: str, *, masked: bool = False) -> TextIds:
        """Ids of a whole render; `masked`: users' special tokens are masked in it."""
        if not masked:
            return self._plain(text)
        twin, ids = self._twin = self._twin or self._masked_twin()
        encoded = twin.encode(
            self._swap_pattern.sub(lambda found: self._swaps[found.group()], text), add_special_tokens=False
        )
        return self._text_ids(text, [ids.get(token, token) for token in encoded.ids], lambda: encoded)

    def specials(self, text: str, input_ids: list[int]) -> tuple[list[int], list[int]]:
        """Where special tokens begin in a render, and which of its tokens are special."""
        starts = [found.start() for found in self._pattern.finditer(text)]
        return starts, [place for place, token in enumerate(input_ids) if token in self.special_ids]

    def encode_exactly(self, text: str) -> list[int]:
        """Ids as tokenizers itself gives them."""
        return self._plainly(text).ids

    def encode_fast(self) -> None:
        """Encode by gigatoken from now on.

        Raises:
            InputError: it is not installed.
            FastIdsDiffer: it is not exact for this tokenizer; and later, for a text.
        """
        self._fast = FastIds(self._backend, self.encode_exactly, self._masks)

    def encode_slowly(self) -> None:
        """Encode by tokenizers from now on."""
        self._fast = None

    def encode_end(self, text: str, *, masked: bool = False) -> list[int]:
        """Ids of the end of a text, from a special token on; ends recur, so they are kept."""
        return self.encode(text, masked=True).input_ids if masked else self._of_end(text)

    def last_special(self, text: str) -> int:
        """Where the last special token of a render begins; 0 where there is none."""
        return max((found.start() for found in self._pattern.finditer(text)), default=0)

    def special_run(self, text: str, start: int = 0) -> tuple[int, int]:
        """Where the first special tokens from `start` on begin and end that follow one another directly.

        (len(text), len(text)) where there is none.
        """
        first = end = None
        for found in self._pattern.finditer(text, start):
            if end is not None and found.start() != end:
                break
            first, end = found.start() if first is None else first, found.end()
        return (len(text), len(text)) if first is None or end is None else (first, end)

    def last_special_end(self, text: str) -> int:
        """Where the last special token of a render ends; 0 where there is none."""
        return max((found.end() for found in self._pattern.finditer(text)), default=0)

    def _plain(self, text: str) -> TextIds:
        if self._fast is not None:
            return self._text_ids(text, self._fast.encode(text), lambda: self._plainly(text))
        encoded = self._plainly(text)
        return self._text_ids(text, encoded.ids, lambda: encoded)

    def _text_ids(self, text: str, input_ids: list[int], encode: Callable[[], Encoding]) -> TextIds:
        return TextIds(input_ids, lambda: encode().offsets, lambda: self.specials(text, input_ids))

    def _plainly(self, text: str) -> Encoding:
        self._backend.encode_special_tokens = False  # transformers' calls leave there what they asked for
        return self._backend.encode(text, add_special_tokens=False)

    def _masked_twin(self) -> tuple[Tokenizer, dict[int, int]]:
        """A tokenizer that knows special tokens by their masks, and its ids of those by ours."""
        twin = Tokenizer.from_str(self._backend.to_str())
        for token in self._special.values():
            twin.add_tokens(
                [
                    AddedToken(
                        self._masks[token.content],
                        single_word=token.single_word,
                        lstrip=token.lstrip,
                        rstrip=token.rstrip,
                        normalized=token.normalized,
                        special=False,
                    )
                ]
            )
        twin.encode_special_tokens = True  # theirs are split: they stand in users' texts
        named = {self._masks[token.content]: index for index, token in self._special.items()}
        return twin, {index: named[text] for text, index in twin.get_vocab().items() if text in named}


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """A pattern of any of the texts, the longest first; of nothing where there are none."""
    return re.compile("|".join(map(re.escape, sorted(texts, key=len, reverse=True))) or r"(?!)")
