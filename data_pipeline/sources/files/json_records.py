"""Records of JSON files: an array, one object a line, or objects over several lines; seen from the file."""

import json
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any

from data_pipeline import reasons
from data_pipeline.sources.files.json_array import (
    array_items,
    broken_json,
    lines_of_the_first_object,
    objects_in,
)
from data_pipeline.sources.files.json_text import PYTHON, decode_line, decode_nested, python_literal
from data_pipeline.sources.files.pandas_layouts import refuse_pandas_layout
from data_pipeline.sources.files.records import Record, Reject, did_you_mean, kind_of, short
from data_pipeline.sources.files.text_files import HEAD_BYTES, lines, open_text
from hunmin.errors import InputError

HEAD_RECORDS = 100
ONE_OBJECT_CHARS = 64 << 20  # a longer object is no record: it would stand in memory whole


def json_records(path: str, *, encoding: str, needed: Mapping[str, tuple[str, ...]]) -> Iterator[Record]:
    """The records of an array, of JSON lines, or of one object. Blank lines are no records.

    Args:
        needed: what a record must hold -> the keys that may hold it.

    Raises:
        InputError: the array is broken, or the first records show that this is another kind of file.
    """
    shape = json_shape(path, encoding=encoding)
    if shape == "JSON array":
        found = _numbered(path, array_items(path, encoding=encoding), "item {} of the array")
    elif shape == "JSON lines":
        found = _line_records(path, encoding=encoding)
    else:
        place = "the object" if shape == "one JSON object" else "object {} of the file"
        found = _numbered(path, objects_in(path, encoding=encoding), place)
    return checked_head(path, found, needed)


def checked_head(
    path: str, found: Iterator[Record], needed: Mapping[str, tuple[str, ...]]
) -> Iterator[Record]:
    """The same records, after a look at the first: whether any of them can become a row at all."""
    head = list(islice(found, HEAD_RECORDS))
    _check_head(path, head, needed)
    return chain(head, found)


def json_shape(path: str, *, encoding: str) -> str:
    """In words: JSON array, JSON lines, one JSON object, or JSON objects over several lines."""
    with open_text(path, encoding=encoding) as handle:
        text = handle.read(HEAD_BYTES).lstrip("\ufeff \t\r\n")
        if text.startswith("["):
            return "JSON array"
        first, end, _ = text.partition("\n")
        if not end:
            first += handle.readline()
    if not text.startswith("{") or _is_json(first):
        return "JSON lines"
    count, more = lines_of_the_first_object(path, encoding=encoding, limit=ONE_OBJECT_CHARS)
    if count < 2:
        return "JSON lines"
    return "JSON objects over several lines" if more else "one JSON object"


def _is_json(line: str) -> bool:
    try:
        decode_line(line)
    except (ValueError, RecursionError):
        return False
    return True


def load_json(path: str, *, encoding: str) -> Any:
    """A whole JSON file; a Reject stands in the place of an object that has a key twice.

    Raises:
        InputError: with line, column and the text there.
    """
    with open_text(path, encoding=encoding) as handle:
        text = handle.read()
    try:
        return decode_nested(text)
    except json.JSONDecodeError as error:
        rest = text[error.pos :]
        raise broken_json(path, error.msg, rest, line=error.lineno, column=error.colno) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets without end
        raise InputError(f"{path}: JSON that cannot be read ({error})") from error


def _numbered(path: str, values: Iterator[Any], place: str) -> Iterator[Record]:
    for number, value in enumerate(values, start=1):
        if number == 1:
            refuse_pandas_layout(path, value)
        yield Record(place.format(number), value)


def _line_records(path: str, *, encoding: str) -> Iterator[Record]:
    for number, line in enumerate(lines(path, encoding=encoding), start=1):
        if line.strip():
            for value in _parse_line(line):
                if number == 1:
                    refuse_pandas_layout(path, value)
                yield Record(f"line {number}", value)


def _parse_line(line: str) -> list[Any]:
    """The values of a line that is not blank: one, but where files were put together without a line end."""
    try:
        return decode_line(line)
    except json.JSONDecodeError as error:
        if python_literal(line):
            return [Reject(reasons.BROKEN_JSON, f"{PYTHON}: {short(line)}", line)]
        return [Reject(reasons.BROKEN_JSON, f"column {error.colno}: {error.msg}: {short(line)}", line)]
    except (ValueError, RecursionError) as error:
        return [Reject(reasons.BROKEN_JSON, f"{error}: {short(line)}", line)]


def _check_head(path: str, head: list[Record], needed: Mapping[str, tuple[str, ...]]) -> None:
    """Stop where no record at all can become a row: that is a wrong mapping or file, not broken records."""
    objects = [record.value for record in head if isinstance(record.value, dict)]
    if head and all(
        isinstance(one.value, Reject) and one.value.reason != reasons.BROKEN_JSON for one in head
    ):
        return  # objects, each with a fault of its own
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
