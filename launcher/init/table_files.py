"""Tables of the user's: the delimiter, quotes and header that give every row the same columns."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data_pipeline.config import SourceConfig
from data_pipeline.sources import describe
from data_pipeline.sources.files.records import Record, Reject, short
from data_pipeline.sources.formats.table import first_line, table_records
from data_pipeline.sources.values.columns import columns_in
from hunmin.errors import InputError
from launcher.init.column_names import read_name
from launcher.init.column_roles import is_header
from launcher.init.detected import HEAD, Detected, Hints, detect_columns, make_source, unit_of
from launcher.init.nesting import common, flat, unfold

TABLE_SUFFIXES = (".csv", ".tsv", ".tab")
DELIMITERS = {"\t": "tab", ";": "semicolon", "|": "|", ",": "comma"}


def detect_table(path: Path, hints: Hints) -> Detected:
    """A table's dialect: the delimiter, quotes and header that give every row the same columns."""
    tried = [hints.delimiter] if hints.delimiter else [None, *(set(DELIMITERS.values()) - {None})]
    first: tuple[SourceConfig, list[Record], list[str]] | None = None
    for delimiter in tried:
        if delimiter is None and path.suffix.lower() not in TABLE_SUFFIXES:
            continue
        source = make_source(format="table", path=str(path), encoding=hints.encoding, delimiter=delimiter)
        source, records, notes = _read_table(path, source)
        columns = _columns(records)
        if len(columns) > 1 and _mostly_whole(records):
            return _headed(path, source, records, notes, hints)
        first = first or (source, records, notes)
    assert first is not None, "at least one delimiter is tried"
    _refuse_table(path, first[0], first[1])
    raise AssertionError("unreachable")


def _read_table(path: Path, source: SourceConfig) -> tuple[SourceConfig, list[Record], list[str]]:
    """The first records; a quote that never closes, or quotes around the fields of a TSV, change `quoted`."""
    notes: list[str] = []

    def records(one: SourceConfig) -> list[Record]:
        as_written = one.model_copy(update={"missing": ()})
        return list(itertools.islice(table_records(unit_of(path, one), as_written), HEAD))

    try:
        found = records(source)
    except InputError as error:
        if "never closed" not in str(error):
            raise
        source = source.model_copy(update={"quoted": False})
        notes.append("a quote in it is never closed, so quotes are read as text (quoted: false)")
        return source, records(source), notes
    values = [value for record in found if isinstance(record.value, dict) for value in record.value.values()]
    wrapped = [value for value in values if len(value) > 1 and value[0] == value[-1] == '"']
    if source.quoted is None and len(wrapped) * 3 > len(values):
        again = source.model_copy(update={"quoted": True})
        try:
            return again, records(again), ["fields stand in quotes (quoted: true)"]
        except InputError:
            return source, found, notes
    return source, found, notes


def _columns(records: Sequence[Record]) -> list[str]:
    return next((list(record.value) for record in records if isinstance(record.value, dict)), [])


def _mostly_whole(records: Sequence[Record]) -> bool:
    return 2 * sum(isinstance(record.value, dict) for record in records) >= len(records)


def _refuse_table(path: Path, source: SourceConfig, records: Sequence[Record]) -> None:
    """Why no delimiter gives columns."""
    columns = _columns(records)
    broken = [record for record in records if isinstance(record.value, Reject)]
    if not records:
        raise InputError(f"{path}: a header line and nothing below it; needed are rows")
    if broken and not _mostly_whole(records):
        one = broken[0]
        raise InputError(
            f"{path}: most rows have other fields than the first line ({one.place}: {one.value}); "
            "if lines stand above the header, delete them; else pass --delimiter"
        )
    raise InputError(
        f"{path}: one column only ({short(columns)}); needed are at least what is asked and its answer. "
        "If there are more, pass --delimiter (tab, comma, semicolon, or the sign)"
    )


def _headed(
    path: Path, source: SourceConfig, records: list[Record], notes: list[str], hints: Hints
) -> Detected:
    """The table with its header, or with names of our own where the first line is data."""
    columns = first_line(unit_of(path, source), source)
    rows = [record.value for record in records if isinstance(record.value, dict)]
    named = {name for spec in hints.columns.values() for name in columns_in(spec)}
    if not (named and named <= set(columns)) and not is_header(columns, rows):
        columns = [f"column{number}" for number in range(1, len(columns) + 1)]
        source, records, _ = _read_table(path, source.model_copy(update={"header": tuple(columns)}))
        rows = [record.value for record in records if isinstance(record.value, dict)]
        notes = [*notes, f"the first line is data, so the columns are called {', '.join(columns)}"]
    if "" in columns and not any(read_name(name).role for name in columns):
        raise InputError(
            f"{path}: the first line does not name every column: {short(columns)}; if lines stand above the "
            "header, delete them; else give every column a name"
        )
    words = f"table, {', '.join(describe(unit_of(path, source), source))}"
    each, keys = hints.columns.get("each"), columns
    if each is not None:  # cells hold lists of rows as JSON text
        source = source.model_copy(update={"each": each})
        items = unfold(rows, hints.columns)[1]
        rows, keys = [flat(item) for item in items[:HEAD]], common(items[:HEAD])
        columns = common(rows)
        given = {field: spec for field, spec in hints.columns.items() if field != "each"}
        hints = replace(hints, columns=given)
    detected = detect_columns(path, source, columns, rows, hints, words, keys=keys)
    return replace(detected, seen=(*detected.seen, *notes))
