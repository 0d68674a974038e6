"""JSON values one after another as they come, in a window of the file: memory does not grow with it."""

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from data_pipeline.sources.files.json_text import PYTHON, decode_at
from data_pipeline.sources.files.records import short
from data_pipeline.sources.files.text_files import MAX_LINE_CHARS, open_text
from hunmin.errors import InputError

WINDOW_CHARS = 1 << 20
_TOKEN_CHARS = 16  # an error nearer to the window's end may only mean that the text goes on
_AS_PYTHON = re.compile(r"'|(?:True|False|None)\b")  # where JSON has a double quote, true, false, null
_WHITE = " \t\n\r\ufeff"  # a byte order mark stands where files were put together


def array_items(path: str, *, encoding: str) -> Iterator[Any]:
    """The items of the array that a file is, one at a time; of several arrays one after another, of them all.

    Raises:
        InputError: the array is broken; with line, column and the text there. Items before it were given.
    """
    with open_text(path, encoding=encoding) as handle:
        window = _Window(path, handle)
        yield from window.items()
        while window.sign() == "[":
            yield from window.items()
        if window.sign():
            raise window.broken("Extra data", window.pos)


def objects_in(path: str, *, encoding: str) -> Iterator[Any]:
    """The objects that stand in a file one after another, over as many lines as each takes.

    Raises:
        InputError: one of them is broken; with line, column and the text there. Those before it were given.
    """
    with open_text(path, encoding=encoding) as handle:
        window = _Window(path, handle)
        while sign := window.sign():
            if sign == ",":
                window.take(",")
            else:
                yield window.value()


def lines_of_the_first_object(path: str, *, encoding: str, limit: int) -> tuple[int, bool]:
    """How many lines the first value of a file takes, 0 where it is broken, and whether another follows.

    Args:
        limit: characters that are read to its end at most; a longer one counts as broken.
    """
    with open_text(path, encoding=encoding) as handle:
        window = _Window(path, handle, limit=limit)
        try:
            window.sign()
            first = window.place(window.pos)[0]
            window.value()
            last = window.place(window.pos)[0]
        except InputError:
            return 0, False
        return last - first + 1, window.sign() not in ("", ",")


class _Window:
    """A part of the file's text and where in the file it begins."""

    def __init__(self, path: str, handle: TextIO, *, limit: int | None = None):
        self.path, self.handle, self.limit = path, handle, limit
        self.text, self.pos = "", 0
        self.line, self.column = 1, 1  # of the first character of `text`

    def sign(self) -> str:
        """The next character that is no white space, or "" at the end; not taken."""
        while True:
            while self.pos < len(self.text):
                if self.text[self.pos] not in _WHITE:
                    return self.text[self.pos]
                self.pos += 1
            if not self._more():
                return ""

    def items(self) -> Iterator[Any]:
        """The items of the array that begins here; a comma may stand behind the last one."""
        self.take("[")
        while self.sign() != "]":
            yield self.value()
            if self.sign() != "]":
                self.take(",")
        self.take("]")

    def take(self, wanted: str) -> None:
        if self.sign() != wanted:
            raise self.broken("Expecting ',' delimiter", self.pos)
        self.pos += 1

    def value(self) -> Any:
        self.sign()
        while True:
            try:
                value, end = decode_at(self.text, self.pos)
            except json.JSONDecodeError as error:
                if self._may_go_on(error) and self._more():
                    continue
                raise self.broken(error.msg, error.pos) from error
            except (ValueError, RecursionError) as error:  # thousands of digits, or of brackets
                raise InputError(f"{self.path}: JSON that cannot be read ({error})") from error
            if end > len(self.text) - _TOKEN_CHARS and self._more():  # a number may go on
                continue
            self.pos = end
            return value

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith("Unterminated string") or error.pos >= len(self.text) - _TOKEN_CHARS

    def _more(self) -> bool:
        """Read on, as much again as is not yet understood; what was understood is let go."""
        held = len(self.text) - self.pos
        if self.limit is not None and held > self.limit:
            return False
        if held > MAX_LINE_CHARS:
            raise InputError(
                f"{self.path}: the item at line {self.place(self.pos)[0]} has more than {MAX_LINE_CHARS} "
                "characters; one record stands in memory whole: cut it, or leave it out"
            )
        added = self.handle.read(max(WINDOW_CHARS, held))
        if not added:
            return False
        self.line, self.column = self.place(self.pos)
        self.text, self.pos = self.text[self.pos :] + added, 0
        return True

    def place(self, pos: int) -> tuple[int, int]:
        """Line and column of a place in the window, from 1."""
        lines = self.text.count("\n", 0, pos)
        if lines == 0:
            return self.line, self.column + pos
        return self.line + lines, pos - self.text.rindex("\n", 0, pos)

    def broken(self, message: str, pos: int) -> InputError:
        line, column = self.place(pos)
        return broken_json(self.path, message, self.text[pos:], line=line, column=column)


def broken_json(path: str, message: str, rest: str, *, line: int, column: int) -> InputError:
    """The error of a file that is no JSON from a place on; `rest` is its text there."""
    if _AS_PYTHON.match(rest):
        return InputError(f"{path}: no JSON at line {line}, column {column}, {short(rest[:40])}: {PYTHON}")
    around = short(rest[:40]) if rest.strip() else "the end of the file, which seems cut off"
    return InputError(
        f"{path}: broken JSON at line {line}, column {column} ({message}), before {around}; repair it there, "
        "or save one object a line: then only a broken line is left out"
    )
