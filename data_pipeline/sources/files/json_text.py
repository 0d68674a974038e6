"""JSON as the file spells it: numbers keep their digits, NaN is null, a key that stands twice is refused.

Everything that hunmin reads as JSON goes through `decode`, and what it writes back as text through `encode`.
"""

import ast
import json
import re
from decimal import Decimal
from typing import Any

from data_pipeline import reasons
from data_pipeline.sources.files.records import Reject, Spelled, is_absent, scalar_text, short

_WHITE = re.compile(r"[ \t\r\n\ufeff]*")  # a byte order mark stands where files were put together
MAX_DEPTH = 200  # of objects and lists inside each other; what walks through them may call itself for each
PYTHON = (
    "Python prints an object like this, and it is no JSON; write it with json.dumps(row, ensure_ascii=False)"
)
_PYTHON_CHARS = 1 << 20  # a longer text is not tried as a Python literal


def _object(pairs: list[tuple[str, Any]]) -> Any:
    """An object; a Reject in its place where a key stands twice, for it then says two things."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    keys = [key for key, _ in pairs]
    twice = next(key for key in keys if keys.count(key) > 1)
    values = ", ".join(short(value) for key, value in pairs if key == twice)
    return Reject(reasons.DUPLICATE_KEY, f"the key {short(twice)} stands {keys.count(twice)} times: {values}")


def _whole(text: str) -> int | Spelled:
    return Spelled(text) if text == "-0" else int(text)


_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=Spelled, parse_int=_whole, parse_constant=float
)


def decode_at(text: str, pos: int) -> tuple[Any, int]:
    """The value at a place of a text, and where it ends; a Reject in the value's place as `checked` says.

    Raises:
        ValueError: there is no JSON value; a JSONDecodeError says where it breaks.
        RecursionError: more brackets in brackets than can be read.
    """
    value, end = _decoder.raw_decode(text, pos)
    return checked(value), end


def decode_nested(text: str) -> Any:
    """The one value that a text is; a Reject stands only in the place of the object that it is of.

    Raises:
        ValueError, RecursionError: as `decode_at`.
    """
    return _decoder.decode(text)


def decode_line(line: str) -> list[Any]:
    """The value of a line, a comma behind it left away; several objects where files were joined in the line.

    Raises:
        ValueError, RecursionError: as `decode_at`.
    """
    values: list[Any] = []
    pos = _after_white(line, 0)
    while not values or pos < len(line):
        value, end = decode_at(line, pos)
        values.append(value)
        pos = _after_white(line, end)
        if line.startswith(",", pos):
            pos = _after_white(line, pos + 1)
        if pos < len(line) and not isinstance(value, (dict, Reject)):
            raise json.JSONDecodeError("Extra data", line, end)
    return values


def _after_white(text: str, pos: int) -> int:
    found = _WHITE.match(text, pos)
    return found.end() if found else pos


def checked(value: Any) -> Any:
    """The value; or the first Reject that stands in it, or one where it is nested too deep to walk."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for container in level:
            for item in container.values() if type(container) is dict else container:
                kind = type(item)  # most items are texts: one look is all that they cost
                if kind is dict or kind is list:
                    below.append(item)
                elif kind is Reject:
                    return item
        if not below:
            return value
        level = below
    return Reject(reasons.BROKEN_JSON, f"more than {MAX_DEPTH} objects and lists inside each other")


def encode(value: Any) -> str:
    """A value as JSON text on one line: letters as they are, numbers as the file spells them, NaN as null.

    Raises:
        Reject: it holds what no text can say, such as bytes.
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{encode(str(key))}: {encode(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(encode, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if is_absent(value):
        return "null"
    text = scalar_text(value, "a value")
    return text if isinstance(value, (int, float, Decimal)) else json.dumps(text, ensure_ascii=False)


def python_literal(text: str) -> bool:
    """Whether a text that is no JSON is an object as Python prints it: 'single quotes', True, None."""
    text = text.strip()
    if not text.startswith(("{", "[")) or len(text) > _PYTHON_CHARS:
        return False
    try:
        return isinstance(ast.literal_eval(text.rstrip(",")), (dict, list))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
