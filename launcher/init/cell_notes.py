"""What cells hold that the user should know of: words for no value, objects in the place of texts, JSON."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from data_pipeline.sources.files.json_text import decode_nested
from data_pipeline.sources.files.missing import NO_VALUE, PERHAPS_NO_VALUE


def missing_notes(
    columns: Iterable[str], rows: Sequence[Mapping[str, str]], *, delimited: bool
) -> tuple[str, ...]:
    """Words that may stand for no value, where they are all that a cell says.

    Args:
        columns: those that are learned from.
        rows: column -> text as it stands in the file.
        delimited: the file is CSV or TSV, of which some words are read as no value.
    """
    notes = []
    for column in dict.fromkeys(columns):
        counts = Counter(row.get(column, "").strip() for row in rows)
        words = {word: counts[word] for word in counts if word in NO_VALUE | PERHAPS_NO_VALUE}
        texts = [word for word in words if not (delimited and word in NO_VALUE)]
        if not words:
            continue
        told = ", ".join(f"{word} {count} times" for word, count in words.items())
        listed = yaml.safe_dump(list(words), default_flow_style=True, allow_unicode=True, width=10**6)
        if texts:
            cure = f"where they mean no value, add missing: {listed.strip()}"
        else:
            cure = "they are read as no value; missing: [] reads them as texts"
        notes.append(f"{column}: nothing but {told} among the first {len(rows)} rows; {cure}")
    return tuple(notes)


def object_notes(columns: Iterable[str], objects: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Columns whose values are objects or lists, which are no texts."""
    notes = []
    for column in dict.fromkeys(columns):
        count = sum(isinstance(one.get(column), (dict, list)) for one in objects)
        if count:
            notes.append(
                f"{column}: objects or lists in {count} of the first {len(objects)} records, which rejects "
                "them (wrong_type); objects: json writes them as JSON text, a path such as "
                f"{column}.KEY maps a text inside"
            )
    return tuple(notes)


def json_columns(header: Iterable[str], rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The columns whose cells are JSON objects or lists written as text."""
    return [name for name in header if _all_json(row.get(name, "") for row in rows)]


def rows_inside(header: Iterable[str], rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The columns whose cells are JSON lists of objects, which may be rows."""
    return [
        name
        for name in json_columns(header, rows)
        if all(_are_objects(opened(row.get(name, ""))) for row in rows if row.get(name, "").strip())
    ]


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _all_json(cells: Iterable[str]) -> bool:
    found = [cell.strip() for cell in cells if cell.strip()]
    return bool(found) and all(is_json_inside(cell) for cell in found)


def is_json_inside(cell: Any) -> bool:
    """Whether a text is a JSON object or list."""
    return isinstance(cell, str) and isinstance(opened(cell), (dict, list))


def opened(cell: Any) -> Any:
    """The JSON object or list that a text is; any other value as it is."""
    if not isinstance(cell, str) or not cell.lstrip().startswith(("{", "[")):
        return cell
    try:
        found = decode_nested(cell)
    except (ValueError, RecursionError):
        return cell
    return found if isinstance(found, (dict, list)) else cell
