r"""What a mapping's value means: a column, a path into nested values, or a text with columns in braces.

review                       the value under this key
instances.0.input            of nested lists and objects; * means every item, joined by line ends
sentences.@summaries         the items of `sentences` at the index, or list of indices, under `summaries`
"{premise}\\n{hypothesis}"    a text with the values of columns in it; {{ and }} are braces
"=Translate this."           a text alone: what follows the sign is written as it is

A path goes on into a text that holds a JSON object or list, as cells of tables do.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from data_pipeline import reasons
from data_pipeline.sources.files.json_text import checked, decode_nested, encode, python_literal
from data_pipeline.sources.files.records import (
    Reject,
    did_you_mean,
    is_absent,
    kind_of,
    present,
    scalar_text,
    short,
)

_PIECES = re.compile(r"(\{\{|\}\})|\{([^{}]+)\}")


class Piece(NamedTuple):
    """A part of a text: literal, or the name of a column."""

    text: str
    is_column: bool


class _Joined(list):
    """Several values that are one text, a line each."""


@lru_cache(maxsize=1024)
def pieces(spec: str) -> tuple[Piece, ...]:
    """The parts of a mapping's value; a plain column name or path is one piece."""
    if not is_text(spec):
        return (Piece(spec, True),)
    text, found, end = spec.removeprefix("="), [], 0
    for match in _PIECES.finditer(text):
        literal = text[end : match.start()] + (match[1][0] if match[1] else "")
        found += [Piece(literal, False)] if literal else []
        found += [Piece(match[2], True)] if match[2] else []
        end = match.end()
    return (*found, Piece(text[end:], False)) if text[end:] else tuple(found)


def is_text(spec: str) -> bool:
    """Whether a mapping's value is a text with columns in it, rather than a column."""
    return spec.startswith("=") or bool(_PIECES.search(spec))


def columns_in(spec: str) -> list[str]:
    """The columns and paths that a mapping's value reads."""
    return [piece.text for piece in pieces(spec) if piece.is_column]


def keys_for(path: str) -> tuple[str, ...]:
    """The keys of a record that may hold what a path means: its whole name, or its first step."""
    return tuple(dict.fromkeys((path, path.split(".")[0])))


def keys_in(path: str) -> set[str]:
    """The keys of a record that a path may read: those that hold its values, and its `@` indices."""
    return {*keys_for(path), *(step[1:] for step in path.split(".") if step.startswith("@"))}


def text_of(record: Mapping[str, Any], spec: str, *, optional: bool = False, as_json: bool = False) -> str:
    """The text that a mapping's value means for a record; empty for null and NaN.

    Args:
        optional: a key that is not there means the same as null.
        as_json: objects and lists are written as JSON text.

    Raises:
        Reject: a key is missing or no text; or some columns of a text are empty and others are not.
    """
    parts = [
        column_text(record, piece.text, optional=optional, as_json=as_json) if piece.is_column else piece.text
        for piece in pieces(spec)
    ]
    if len(parts) == 1:
        return parts[0]
    values = [part for part, piece in zip(parts, pieces(spec), strict=True) if piece.is_column]
    if not values or all(present(value) for value in values):
        return "".join(parts)
    empty = [name for name, value in zip(columns_in(spec), values, strict=True) if not present(value)]
    if len(empty) < len(values):
        raise Reject(reasons.MISSING_FIELD, f"{' and '.join(empty)} empty, which {short(spec)} needs")
    return ""


def column_text(
    record: Mapping[str, Any], path: str, *, optional: bool = False, as_json: bool = False
) -> str:
    """The text under a key or path of a record, or Reject."""
    value = value_at(record, path, optional=optional)
    items = value if isinstance(value, _Joined) else [value]
    return "\n".join(
        encode(item) if as_json and isinstance(item, (dict, list)) else scalar_text(item, path)
        for item in items
    )


def value_at(record: Mapping[str, Any], path: str, *, optional: bool = False) -> Any:
    """The value under a key or path of a record, or Reject; None for one that is optional and not there."""
    if path in record:
        return record[path]
    head, *steps = path.split(".")
    if head in record and steps:
        return _follow(record[head], steps, path, record, optional)
    if optional:
        return None
    hint = did_you_mean(head, list(record))
    raise Reject(reasons.MISSING_FIELD, f"no key {head}; the record has {short(list(record))}; {hint}")


def opened(value: Any, what: str) -> Any:
    """The object or list that a text holds as JSON; any other value as it is.

    Raises:
        Reject: the text looks like one, and is none that can be read.
    """
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return _or_raise(checked(decode_nested(value)))
    except (ValueError, RecursionError) as error:
        found = (
            "as Python prints it, which is no JSON" if python_literal(value) else f"that is no JSON ({error})"
        )
        raise Reject(reasons.WRONG_TYPE, f"{what} is a text {found}: {short(value)}") from error


def _or_raise(value: Any) -> Any:
    if isinstance(value, Reject):
        raise value
    return value


def _follow(value: Any, steps: list[str], path: str, record: Mapping[str, Any], optional: bool) -> Any:
    if not steps:
        return value
    step, *rest = steps
    value = opened(value, path)
    if optional and is_absent(value):
        return None
    if isinstance(value, dict):
        if step in value:
            return _follow(value[step], rest, path, record, optional)
        if optional:
            return None
        raise Reject(reasons.MISSING_FIELD, f"{path}: no key {step} among {short(list(value))}")
    if not isinstance(value, list):
        reason = reasons.MISSING_FIELD if is_absent(value) else reasons.WRONG_TYPE
        raise Reject(reason, f"{path}: {step} of {kind_of(value)}, needed is an object or a list")
    if step == "*":
        return _Joined(_follow(item, rest, path, record, optional) for item in value)
    if not step.startswith("@"):
        return _follow(_item(value, step, path), rest, path, record, optional)
    index = value_at(record, step[1:])
    if isinstance(index, list):
        return _Joined(_follow(_item(value, one, path), rest, path, record, optional) for one in index)
    return _follow(_item(value, index, path), rest, path, record, optional)


def _item(values: list[Any], index: Any, path: str) -> Any:
    """The item at a 0-based index, which tables spell as a text."""
    text = str(index).strip()
    text = text.removesuffix(".0")  # as columns with empty cells spell their whole numbers
    if not text.isdecimal() or int(text) >= len(values):
        raise Reject(reasons.MISSING_FIELD, f"{path}: no item {short(index)} in a list of {len(values)}")
    return values[int(text)]


def items_of(record: Mapping[str, Any], path: str) -> list[Mapping[str, Any] | Reject]:
    """The record once for each item of the list under a path, with the item's own keys laid over it.

    A path through several lists (data.paragraphs.qas) gives the items of them all. An item that is no object
    stands under the path's last step.

    Raises:
        Reject: there is no such list, or it is empty.
    """
    found = _laid_over(record, path.split("."), path)
    if not found:
        raise Reject(reasons.NO_ITEMS, f"{path} is an empty list")
    return found


def _laid_over(record: Mapping[str, Any], steps: list[str], path: str) -> list[Mapping[str, Any] | Reject]:
    key, *rest = steps
    values = opened(value_at(record, key), key)
    if isinstance(values, dict):  # an object on the way
        return _laid_over({**record, **values}, rest, path) if rest else [{**record, **values}]
    if not isinstance(values, list):
        raise Reject(reasons.WRONG_TYPE, f"{path}: {key} is {kind_of(values)}, needed is a list")
    found: list[Mapping[str, Any] | Reject] = []
    for value in values:
        item = {**record, **value} if isinstance(value, dict) else {**record, key: value}
        try:
            found += _laid_over(item, rest, path) if rest else [item]
        except Reject as reject:
            found.append(reject)
    return found
