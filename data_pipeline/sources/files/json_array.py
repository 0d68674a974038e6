"""The items of a JSON array as they come, in a window of the file: memory does not grow with it."""

import json
from collections.abc import Iterator
from typing import Any, TextIO

from data_pipeline.sources.files.records import short
from data_pipeline.sources.files.text_files import MAX_LINE_CHARS, open_text
from hunmin.errors import InputError

WINDOW_CHARS = 1 << 20
_TOKEN_CHARS = 16  # an error nearer to the window's end may only mean that the text goes on
_WHITE = " \t\n\r"
_decode = json.JSONDecoder().raw_decode


def array_items(path: str, *, encoding: str) -> Iterator[Any]:
    """The items of the array that a file is, one at a time.

    Raises:
        InputError: the array is broken; with line, column and the text there. Items before it were given.
    """
    with open_text(path, encoding=encoding) as handle:
        window = _Window(path, handle)
        window.take("[")
        if window.sign() == "]":
            window.take("]")
        else:
            yield window.value()
            while window.sign() == ",":
                window.take(",")
                yield window.value()
            window.take("]")
        if window.sign():
            raise window.broken("Extra data", window.pos)


class _Window:
    """A part of the file's text and where in the file it begins."""

    def __init__(self, path: str, handle: TextIO):
        self.path, self.handle = path, handle
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

    def take(self, wanted: str) -> None:
        if self.sign() != wanted:
            raise self.broken("Expecting ',' delimiter", self.pos)
        self.pos += 1

    def value(self) -> Any:
        self.sign()
        while True:
            try:
                value, end = _decode(self.text, self.pos)
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
        if (held := len(self.text) - self.pos) > MAX_LINE_CHARS:
            raise InputError(
                f"{self.path}: the item at line {self._place(self.pos)[0]} has more than {MAX_LINE_CHARS} "
                "characters; one record stands in memory whole: cut it, or leave it out"
            )
        added = self.handle.read(max(WINDOW_CHARS, held))
        if not added:
            return False
        self.line, self.column = self._place(self.pos)
        self.text, self.pos = self.text[self.pos :] + added, 0
        return True

    def _place(self, pos: int) -> tuple[int, int]:
        lines = self.text.count("\n", 0, pos)
        if lines == 0:
            return self.line, self.column + pos
        return self.line + lines, pos - self.text.rindex("\n", 0, pos)

    def broken(self, message: str, pos: int) -> InputError:
        line, column = self._place(pos)
        return broken_json(self.path, message, self.text[pos:], line=line, column=column)


def broken_json(path: str, message: str, rest: str, *, line: int, column: int) -> InputError:
    """The error of a file that is no JSON from a place on; `rest` is its text there."""
    around = short(rest[:40]) if rest.strip() else "the end of the file, which seems cut off"
    return InputError(
        f"{path}: broken JSON at line {line}, column {column} ({message}), before {around}; repair it there, "
        "or save one object a line: then only a broken line is left out"
    )
