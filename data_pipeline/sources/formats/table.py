"""CSV and TSV (JSON, Parquet and Arrow tables are mapped as objects): delimiter, quotes, header."""

import csv
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from data_pipeline import reasons
from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.columnar import columnar_kind
from data_pipeline.sources.files.missing import missing_words, without_missing
from data_pipeline.sources.files.objects import describe_objects
from data_pipeline.sources.files.records import Record, Reject, Unit, did_you_mean, short
from data_pipeline.sources.files.text_files import lines, open_text, suffix_of, text_dialect
from data_pipeline.sources.formats import KEYED, SourceFormat
from data_pipeline.sources.values.columns import columns_in, keys_for
from data_pipeline.sources.values.mapping import (
    check_columns,
    columns_of_choice,
    mapped_records,
    parse_mapped,
)
from data_pipeline.sources.values.promptsource import chosen, load_templates
from hunmin.errors import ConfigError, InputError

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_NAMES = {"\t": "tab", ",": "comma", ";": "semicolon", " ": "space"}
_SPELLED = {name: sign for sign, name in _NAMES.items()} | {"\\t": "\t"}

_EXCEL = re.compile(r"\ufeff?\"?sep=(.)\"?\s*", re.IGNORECASE)  # Excel's line that names the delimiter

csv.field_size_limit(sys.maxsize)  # the default refuses documents above 128 KiB

Row = tuple[int, list[str] | Reject]  # line number, fields


@dataclass(frozen=True)
class TableDialect:
    """How a table's lines are cut into fields."""

    delimiter: str
    quoted: bool  # fields may stand in double quotes, and then hold delimiters and line ends
    declared: bool = False  # by a first line such as sep=; which is no row

    def words(self) -> list[str]:
        """For `describe`."""
        quotes = "double quotes around fields" if self.quoted else "quotes are text"
        declared = ", as its line sep= says" if self.declared else ""
        return [f"delimiter {_NAMES.get(self.delimiter, self.delimiter)}{declared}", quotes]


def is_objects(unit: Unit, source: SourceConfig) -> bool:
    """Whether a table file is JSON, Parquet or Arrow; settings of CSV are refused then."""
    kind = columnar_kind(unit.paths[0]) or ("JSON" if suffix_of(unit.paths[0]) in JSON_SUFFIXES else None)
    for name in ("delimiter", "quoted", "header") if kind else ():
        if getattr(source, name) is not None:
            raise InputError(f"{unit.paths[0]}: {kind} has no {name}; remove it from source {source.name}")
    return kind is not None


def table_dialect(unit: Unit, source: SourceConfig) -> TableDialect:
    """Declared by the source or the file, else by suffix.

    Tab-separated corpora rarely quote, and hold single quotes as text.
    """
    suffix = suffix_of(unit.paths[0])
    first = next(lines(unit.paths[0], encoding=source.encoding), "")
    excel = _EXCEL.fullmatch(first)
    delimiter = source.delimiter or (excel[1] if excel else _DELIMITERS.get(suffix))
    if delimiter is None:
        known = ", ".join((*_DELIMITERS, *JSON_SUFFIXES))
        raise InputError(
            f"{unit.paths[0]}: a table with the suffix {suffix or '(none)'} (known: {known}); "
            f"set the source's delimiter, as in delimiter: tab"
        )
    delimiter = _SPELLED.get(delimiter, delimiter)
    quoted = source.quoted if source.quoted is not None else delimiter in (",", ";") or excel is not None
    if quoted and len(delimiter) > 1:
        raise InputError(
            f"{unit.paths[0]}: quoted fields need a delimiter of one character, not {delimiter!r}"
        )
    return TableDialect(delimiter, quoted, declared=excel is not None)


def table_records(unit: Unit, source: SourceConfig) -> Iterator[Record]:
    """The rows of a table as dictionaries by column name. Blank lines are no records.

    Raises:
        InputError: no header, a column that the header does not have, a quote that is never closed.
    """
    if is_objects(unit, source):
        yield from mapped_records(unit, source, source.columns)
        return
    dialect = table_dialect(unit, source)
    rows = _rows(unit.paths[0], source, dialect)
    header = _header(unit, source, rows, dialect)
    yield from without_missing(_records(rows, header, dialect), missing_words(source, delimited=True))


def _records(rows: Iterator[Row], header: list[str], dialect: TableDialect) -> Iterator[Record]:
    for line, fields in rows:
        if isinstance(fields, Reject):
            yield Record(f"line {line}", fields)
        elif [
            field.strip() for field in fields
        ] == header:  # declared although present, or files put together
            text = dialect.delimiter.join(fields)
            yield Record(f"line {line}", Reject(reasons.BROKEN_ROW, "the header stands here as a row", text))
        elif len(fields) != len(header):
            text = dialect.delimiter.join(fields)
            detail = f"{len(fields)} fields, the header has {len(header)}: {short(text)}"
            yield Record(f"line {line}", Reject(reasons.BROKEN_ROW, detail, text))
        else:
            yield Record(f"line {line}", dict(zip(header, fields, strict=True)))


def first_line(unit: Unit, source: SourceConfig) -> list[str]:
    """The fields of the first line, whether it names columns or is data; none where it cannot be read.

    Raises:
        InputError: the file cannot be read.
    """
    fields = next(_rows(unit.paths[0], source, table_dialect(unit, source)), (0, []))[1]
    return [] if isinstance(fields, Reject) else [field.strip() for field in fields]


def _rows(path: str, source: SourceConfig, dialect: TableDialect) -> Iterator[Row]:
    rows = _quoted_rows(path, source, dialect) if dialect.quoted else _plain_rows(path, source, dialect)
    if dialect.declared:
        next(rows, None)
    return rows


def _plain_rows(path: str, source: SourceConfig, dialect: TableDialect) -> Iterator[Row]:
    for number, line in enumerate(lines(path, encoding=source.encoding), start=1):
        if line.strip():
            yield number, line.split(dialect.delimiter)


def _quoted_rows(path: str, source: SourceConfig, dialect: TableDialect) -> Iterator[Row]:
    """Rows by the csv module. Strict: a stray quote is an error in its row, not in all that follow."""
    with open_text(path, encoding=source.encoding, newline="") as handle:
        marked = (line.removeprefix("\ufeff") for line in handle)  # where files were put together
        taken: list[str] = []  # lines of the row at hand
        reader = csv.reader(_noted(marked, taken), delimiter=dialect.delimiter, strict=True)
        while True:
            start = reader.line_num + 1
            taken.clear()
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if "unexpected end of data" in str(error):
                    raise InputError(
                        f"{path}: the quote opened in the row of line {start} is never closed, it swallows "
                        f"the file to line {reader.line_num}; repair it, or set quoted: false "
                        "if quotes are text"
                    ) from error
                yield start, Reject(reasons.BROKEN_ROW, str(error), "".join(taken).rstrip("\r\n"))
                continue
            # A blank line has no field, or one of white space; `""` is a field, and it is empty.
            if len(fields) > 1 or (fields and (fields[0] == "" or fields[0].strip())):
                yield start, fields


def _noted(lines_: Iterable[str], taken: list[str]) -> Iterator[str]:
    """The same lines, each appended to `taken` when it is asked for."""
    for line in lines_:
        taken.append(line)
        yield line


def _header(unit: Unit, source: SourceConfig, rows: Iterator[Row], dialect: TableDialect) -> list[str]:
    """The column names, after a check that every column the mapping uses is among them, once."""
    path = unit.paths[0]
    if source.header is not None:
        header = list(source.header)
    else:
        first = next(rows, None)
        if first is None:
            raise InputError(
                f"{path}: empty; needed is a header line with column names, or the source's header"
            )
        if isinstance(first[1], Reject):
            raise InputError(f"{path}: the header line cannot be read: {first[1]}")
        header = [name.strip() for name in first[1]]
    used = [
        (f"columns.{field}", column) for field, spec in source.columns.items() for column in columns_in(spec)
    ]
    used += [
        (f"labels.{raw}", column) for raw, text in source.labels.items() for column in columns_of_choice(text)
    ]
    used += [(f"filters: {rule.column}", rule.column) for rule in source.filters]
    used += [("family", column) for column in columns_in(source.family or "=")]
    if source.each is not None:  # the items may hold all the rest
        used = [("each", source.each)]
    if source.join is not None:  # what stands under its key is not of this file
        used = [(setting, path_) for setting, path_ in used if source.join.under not in keys_for(path_)]
        used += [("join.by", key) for key in source.join.keys]
    for setting, path_ in used:
        # A path may go on into the JSON that the cells of a column hold.
        column = next((key for key in keys_for(path_) if key in header), path_)
        if column not in header:
            raise InputError(_no_column(path, setting, column, header, dialect))
        if header.count(column) > 1:
            raise InputError(f"{path}: the header names {column} twice ({setting}); set the source's header")
    return header


def _no_column(path: str, setting: str, column: str, header: list[str], dialect: TableDialect) -> str:
    found = f"{path}: no column {column} ({setting}); the header has {short(header)}"
    others = [sign for sign in "\t,;|" if sign != dialect.delimiter and sign in header[0]]
    if len(header) == 1 and others:
        name = _NAMES.get(others[0], others[0])
        return f"{found}: one column, though it holds the sign {name}; set the source's delimiter: {name}"
    return f"{found}; {did_you_mean(column, header)} A file without a header line needs the source's header"


def describe_table(unit: Unit, source: SourceConfig) -> list[str]:
    """The table's dialect in words, header included."""
    if is_objects(unit, source):
        return describe_objects(unit, source)
    words = text_dialect(unit.paths[0], encoding=source.encoding).words()
    dialect = table_dialect(unit, source)
    header = _header(unit, source, _rows(unit.paths[0], source, dialect), dialect)
    kind = "header declared" if source.header is not None else "header line"
    return [*words, *dialect.words(), f"{kind}: {', '.join(header)}"]


def _describe(unit: Unit, source: SourceConfig) -> list[str]:
    words = describe_table(unit, source)
    if unit.templates is None:
        return words
    templates = load_templates(unit.templates)
    used = chosen(templates, source, path=unit.templates)
    return [*words, f"{len(used)} of {len(templates)} templates"]


def _check(source: SourceConfig, where: str) -> None:
    """Columns that give a row; beside templates, which write the rows, they only rename what is read."""
    if source.templates is None:
        if source.template_names:
            raise ConfigError(f"{where}: template_names chooses among templates; set templates: FILE.yaml")
        check_columns(source, where, source.columns)
    elif source.each is not None:
        raise ConfigError(f"{where}: each and templates exclude each other; templates read whole records")
    elif source.labels and "label" not in source.columns:
        raise ConfigError(f"{where}: labels maps the templates' label; add columns: {{label: COLUMN}}")


FORMAT = SourceFormat(
    records=table_records,
    parse=lambda value, source: parse_mapped(value, source, source.columns),
    settings=KEYED
    | {"columns", "labels", "each", "objects", "missing", "templates", "template_names"}
    | {"delimiter", "quoted", "header"},
    check=_check,
    describe=_describe,
    needs_wordings=lambda source: "instruction" not in source.columns and source.templates is None,
)
