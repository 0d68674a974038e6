"""Records of JSON files: one array, one object a line, or one object; which of them is seen from the file."""

import json
import os
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any

from data_pipeline import reasons
from data_pipeline.sources.files.json_array import array_items, broken_json
from data_pipeline.sources.files.records import Record, Reject, did_you_mean, kind_of, short
from data_pipeline.sources.files.text_files import HEAD_BYTES, lines, open_text
from hunmin.errors import InputError

HEAD_RECORDS = 100
ONE_OBJECT_BYTES = 64 << 20  # a larger file is read as lines: one object would stand in memory whole


def json_records(path: str, *, encoding: str, needed: Mapping[str, tuple[str, ...]]) -> Iterator[Record]:
    """The records of an array, of JSON lines, or of one object. Blank lines are no records.

    Args:
        needed: what a record must hold -> the keys that may hold it.

    Raises:
        InputError: the array is broken, or the first records show that this is another kind of file.
    """
    shape = json_shape(path, encoding=encoding)
    if shape == "JSON array":
        found = _array_records(path, encoding=encoding)
    elif shape == "one JSON object":
        found = iter([Record("the object", load_json(path, encoding=encoding))])
    else:
        found = _line_records(path, encoding=encoding)
    return checked_head(path, found, needed)


def checked_head(
    path: str, found: Iterator[Record], needed: Mapping[str, tuple[str, ...]]
) -> Iterator[Record]:
    """The same records, after a look at the first: whether any of them can become a row at all."""
    head = list(islice(found, HEAD_RECORDS))
    _check_head(path, head, needed)
    return chain(head, found)


def json_shape(path: str, *, encoding: str) -> str:
    """In words: JSON array, JSON lines, or one JSON object (over several lines)."""
    with open_text(path, encoding=encoding) as handle:
        text = handle.read(HEAD_BYTES).lstrip()
        if text.startswith("["):
            return "JSON array"
        if not text.startswith("{") or os.path.getsize(path) > ONE_OBJECT_BYTES:
            return "JSON lines"
        first, end, _ = text.partition("\n")
        if not end:
            first += handle.readline()
        try:
            json.loads(first)
        except (ValueError, RecursionError):
            return "one JSON object" if _is_whole(path, encoding) else "JSON lines"
    return "JSON lines"


def _is_whole(path: str, encoding: str) -> bool:
    try:
        return isinstance(load_json(path, encoding=encoding), dict)
    except InputError:
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
        rest = text[error.pos :]
        raise broken_json(path, error.msg, rest, line=error.lineno, column=error.colno) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets without end
        raise InputError(f"{path}: JSON that cannot be read ({error})") from error


def _array_records(path: str, *, encoding: str) -> Iterator[Record]:
    for number, value in enumerate(array_items(path, encoding=encoding), start=1):
        yield Record(f"item {number} of the array", value)


def _line_records(path: str, *, encoding: str) -> Iterator[Record]:
    for number, line in enumerate(lines(path, encoding=encoding), start=1):
        if line.strip():
            yield Record(f"line {number}", _parse_line(line))


def _parse_line(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        return Reject(reasons.BROKEN_JSON, f"column {error.colno}: {error.msg}: {short(line)}", line)
    except (ValueError, RecursionError) as error:
        return Reject(reasons.BROKEN_JSON, f"{error}: {short(line)}", line)


def _check_head(path: str, head: list[Record], needed: Mapping[str, tuple[str, ...]]) -> None:
    """Stop where no record at all can become a row: that is a wrong mapping or file, not broken records."""
    objects = [record.value for record in head if isinstance(record.value, dict)]
    if head and not objects:
        found = head[0].value
        text = str(found) if isinstance(found, Reject) else f"{kind_of(found)}: {short(found)}"
        raise InputError(
            f"{path}: no JSON object among the first {len(head)} records ({head[0].place}: {text}); "
            "needed is an array of objects or one object a line"
        )
    for field, keys in needed.items():
        if objects and not any(key in record for record in objects for key in keys):
            have = list(dict.fromkeys(key for record in objects for key in record))
            advice = did_you_mean(keys[0], have)
            if "Instances" in have:
                advice = "which is format natural_instructions"
            raise InputError(
                f"{path}: none of the first {len(objects)} records has the key {' or '.join(keys)} "
                f"({field}); their keys: {short(have)}; {advice}"
            )
