"""Records of JSON files: one array, or one object a line; which of the two is seen from the file."""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import chain, islice
from pathlib import Path
from typing import Any

from data_pipeline.errors import InputError
from data_pipeline.sources import reasons
from data_pipeline.sources.records import Record, Reject, kind_of, short
from data_pipeline.sources.text import lines, open_text

HEAD_RECORDS = 100


def json_records(path: str, *, encoding: str, needed: Mapping[str, tuple[str, ...]]) -> Iterator[Record]:
    """The records of an array or of JSON lines. Blank lines are no records.

    Args:
        path: the file.
        encoding: see `open_text`.
        needed: what a record must hold -> the keys that may hold it.

    Raises:
        InputError: the array is broken, or the first records show that this is another kind of file.

    """
    array = is_array(path, encoding=encoding)
    found = _array_items(path, encoding=encoding) if array else _line_records(path, encoding=encoding)
    head = list(islice(found, HEAD_RECORDS))
    _check_head(path, head, needed)
    return chain(head, found)


def is_array(path: str, *, encoding: str) -> bool:
    """Whether the file's first sign is an opening bracket."""
    with open_text(path, encoding=encoding) as handle:
        for line in handle:
            if line.strip():
                return line.lstrip().startswith("[")
    return False


def load_json(path: str, *, encoding: str) -> Any:
    """A whole JSON file.

    Raises:
        InputError: with line, column and the text there.

    """
    with open_text(path, encoding=encoding) as handle:
        text = handle.read()
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at_end = not text[error.pos :].strip()
        around = (
            "the end of the file, which seems cut off" if at_end else short(text[error.pos : error.pos + 40])
        )
        raise InputError(
            f"{path}: broken JSON at line {error.lineno}, column {error.colno} ({error.msg}), "
            f"before {around}; repair it there, or save one object a line: "
            "then only a broken line is left out"
        ) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets without end
        raise InputError(f"{path}: JSON that cannot be read ({error})") from error


def _array_items(path: str, *, encoding: str) -> Iterator[Record]:
    for number, value in enumerate(load_json(path, encoding=encoding), start=1):
        yield Record(f"item {number} of the array", value)


def _line_records(path: str, *, encoding: str) -> Iterator[Record]:
    for number, line in enumerate(lines(path, encoding=encoding), start=1):
        if line.strip():
            yield Record(f"line {number}", _parse_line(line))


def _parse_line(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        return Reject(reasons.BROKEN_JSON, f"column {error.colno}: {error.msg}: {short(line)}")
    except (ValueError, RecursionError) as error:
        return Reject(reasons.BROKEN_JSON, f"{error}: {short(line)}")


def _check_head(path: str, head: list[Record], needed: Mapping[str, tuple[str, ...]]) -> None:
    """Stop where no record at all can become a row: that is a wrong mapping or file, not broken records."""
    objects = [record.value for record in head if isinstance(record.value, dict)]
    if head and not objects:
        raise InputError(
            f"{path}: no JSON object among the first {len(head)} records ({_shape(path, head[0])}); "
            "needed is an array of objects or one object a line"
        )
    for field, keys in needed.items():
        if objects and not any(key in record for record in objects for key in keys):
            have = list(dict.fromkeys(key for record in objects for key in record))
            raise InputError(
                f"{path}: none of the first {len(objects)} records has the key {' or '.join(keys)} "
                f"({field}); their keys: {short(have)}; {did_you_mean(keys[0], have)}"
            )


def _shape(path: str, first: Record) -> str:
    """What the file is instead, in words."""
    try:
        whole = json.loads(Path(path).read_bytes())
    except ValueError:  # no JSON, or no UTF-8: the first record says it
        whole = None
    if isinstance(whole, dict):
        keys = list(whole)
        task = ", which is format natural_instructions" if "Instances" in keys else ""
        return f"the file is one object with the keys {short(keys)}{task}"
    found = first.value
    text = str(found) if isinstance(found, Reject) else f"{kind_of(found)}: {short(found)}"
    return f"{first.place}: {text}"


def did_you_mean(name: str, known: list[str]) -> str:
    """The nearest known name, or the advice to map one."""
    near = get_close_matches(name, known, n=1) or [other for other in known if other.lower() == name.lower()]
    return f"did you mean {near[0]}?" if near else "name the right one in the config, or another format"


def as_object(value: Any) -> dict[str, Any]:
    """The record as an object, or Reject."""
    if isinstance(value, dict):
        return value
    raise Reject(reasons.NOT_AN_OBJECT, f"found {kind_of(value)}, needed is an object: {short(value)}")
