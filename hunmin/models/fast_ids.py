"""Token ids by gigatoken, which gives those of tokenizers in a sixth of the time. Optional, and held to them.

gigatoken reads byte-level BPE and SentencePiece BPE. Whether it does so exactly is tried on texts that are
hard to split before it is used, and on one of CHECKED_EVERY texts that it encodes.
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from tokenizers import Tokenizer

from hunmin.errors import InputError, one_line

PACKAGE = "gigatoken==0.10.0"
CHECKED_EVERY = 64  # texts; the first is one of them
_HARD = (
    "안녕하세요! 오늘 3.14% 올랐다…  ㅋㅋㅋ\r\n\t탭",
    "don't  I'LL they'Ve 12345678901 A1b2 x=y**2;\n\n\n  def f():\n\treturn 'a'\n",
    "👩‍👩‍👧 🇰🇷 é e\u0301 ｆｕｌｌ 漢字かな العربية ไทย \u200b\u00a0\ufeff\ue000\U000f0000",
    " 앞뒤 빈칸 ",
    "\n",
)


class FastIdsDiffer(Exception):
    """gigatoken gave other ids for a text than tokenizers. Whoever catches it does the work again without."""


class FastIds:
    """Encodes texts as `slow` does.

    Raises:
        InputError: gigatoken is not installed.
        FastIdsDiffer: on construction and later: it cannot read the tokenizer, or gives other ids.
    """

    def __init__(self, backend: Tokenizer, slow: Callable[[str], list[int]], special: Iterable[str]):
        self._slow, self._count = slow, 0
        try:
            self._fast = _package().Tokenizer.from_json(backend.to_str())
        except RuntimeError as error:  # of Rust, whatever it does not know
            raise FastIdsDiffer(f"it does not read this tokenizer: {one_line(error)}") from error
        marks = [*special][:20]
        for text in (*_HARD, "".join(marks), *(f"가{mark} b{mark}\n" for mark in marks)):
            self._check(text, self._ids(text))

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""
        ids = self._ids(text)
        if self._count % CHECKED_EVERY == 0:
            self._check(text, ids)
        self._count += 1
        return ids

    def _ids(self, text: str) -> list[int]:
        return self._fast.encode(text).tolist()

    def _check(self, text: str, ids: list[int]) -> None:
        if ids != self._slow(text):
            raise FastIdsDiffer(f"it gives other ids for {text[:60]!r}")


def require_package() -> None:
    """Find that gigatoken can be imported.

    Raises:
        InputError: it cannot; with the command that installs it.
    """
    _package()


def _package() -> Any:
    try:
        return import_module("gigatoken")
    except ImportError as error:
        raise InputError(
            f"data.fast_tokenizer needs gigatoken, which is not installed ({one_line(error)}); "
            f"pip install --no-deps {PACKAGE}, or leave data.fast_tokenizer out"
        ) from error
