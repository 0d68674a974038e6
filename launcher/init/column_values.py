"""What the values of a column tell where its name does not: a label set, a score, an id, a text."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from data_pipeline.sources.files.missing import NO_VALUE
from launcher.init.column_names import is_about
from launcher.init.label_values import merged_spellings, number

MAX_LABELS = 30  # more distinct values are no label set
_NUMBER = r"-?\d+([.,]\d+)?"
Row = Mapping[str, str]


def values_of(name: str, rows: Sequence[Row]) -> list[str]:
    """The values of a column that are neither blanks nor a word of databases or Excel for no value."""
    return [value for row in rows if (value := row.get(name, "").strip()) and value not in NO_VALUE]


def mean_length(name: str, rows: Sequence[Row]) -> float:
    """Characters of a value on the average."""
    return sum(len(row.get(name, "")) for row in rows) / max(1, len(rows))


def is_label_like(name: str, rows: Sequence[Row]) -> bool:
    """Whether a column holds a few short values again and again, counted without their spellings."""
    counts = Counter(values_of(name, rows))
    distinct = len(set(merged_spellings(counts).values()))
    return (
        2 <= distinct <= min(MAX_LABELS, max(2, len(rows) // 3))
        and mean_length(name, rows) <= 30
        and not is_score(name, rows)
    )


def is_score(name: str, rows: Sequence[Row]) -> bool:
    """Whether a column holds real numbers, which are measured rather than chosen."""
    numbers = [number(value) for value in values_of(name, rows)]
    found = [one for one in numbers if one is not None]
    return len(found) == len(numbers) > 0 and any(not one.is_integer() for one in found)


def is_number(name: str, rows: Sequence[Row]) -> bool:
    """Whether every value of a column is a number."""
    values = values_of(name, rows)
    return bool(values) and all(re.fullmatch(_NUMBER, value) for value in values)


def has_number(name: str, rows: Sequence[Row]) -> bool:
    """Whether a value of a column is a number, or there is none at all."""
    values = values_of(name, rows)
    return not values or any(re.fullmatch(_NUMBER, value) for value in values)


def is_id(name: str, rows: Sequence[Row]) -> bool:
    """Whether a column numbers or names the records."""
    values = [row.get(name, "").strip() for row in rows]
    distinct = len(set(values)) == len(values) and len(values) > 3
    return is_about(name) or (distinct and all(re.fullmatch(r"[\w-]*\d+", value) for value in values))
