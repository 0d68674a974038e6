"""What is known of a file of the user's: the source it makes, what was seen, what must be decided."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.columnar import columnar_kind
from data_pipeline.sources.files.records import Reject, is_absent, scalar_text
from data_pipeline.sources.files.text_files import suffix_of
from data_pipeline.sources.find import Unit
from data_pipeline.sources.formats import format_of
from data_pipeline.sources.formats.table import JSON_SUFFIXES
from data_pipeline.sources.values.keys import MEANINGFUL
from data_pipeline.sources.values.mapping import same_value
from hunmin.errors import InputError
from hunmin.language.script import language_of
from launcher.init.cell_notes import json_columns, missing_notes
from launcher.init.column_roles import choose_columns, guess_task
from launcher.init.label_names import label_names

HEAD = 2000  # records that are looked at; labels are collected from all


@dataclass(frozen=True)
class Hints:
    """What the user said on the command line; wins over what is detected."""

    format: str | None = None
    task: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Detected:
    """A source as it will stand in the config, with what was seen and what the user must decide."""

    source: SourceConfig
    seen: tuple[str, ...] = ()
    decide: tuple[str, ...] = ()
    values: Mapping[str, int] = field(default_factory=dict)  # of the label column, and how often
    names: tuple[str, ...] = ()  # that the file itself gives to the numbers 0, 1, .. of the label column
    language: str = "und"  # of the texts


def parse_columns(given: Sequence[str]) -> dict[str, str]:
    """The values of --column, FIELD=COLUMN each.

    Raises:
        InputError: one has another form.
    """
    columns: dict[str, str] = {}
    for one in given:
        role, equals, column = one.partition("=")
        if not equals or not role or not column:
            raise InputError(f"--column {one}: needed is FIELD=COLUMN, such as --column input=text")
        columns[role.strip()] = column
    return columns


def make_source(**values: Any) -> SourceConfig:
    """A source with these settings, under a name for now."""
    return SourceConfig.model_validate({"name": "source", **values})


def unit_of(path: Path, source: SourceConfig) -> Unit:
    """The file as the readers take it."""
    return Unit(0, source.name, source.format, path.name, (str(path.absolute()),))


def language_among(texts: Iterable[str]) -> str:
    """The language of most of the texts."""
    counts = Counter(language_of(text) for text in texts)
    del counts["und"]
    return counts.most_common(1)[0][0] if counts else "und"


def no_task(task: str | None, *, default: str = "instruction") -> tuple[str, ...]:
    """What is to be decided where no task was named."""
    if task is not None:
        return ()
    return (f"task: none was named, so the rows count as {default}; --task names one (it picks the scores)",)


def detect_columns(
    path: Path,
    source: SourceConfig,
    header: list[str],
    rows: list[dict[str, str]],
    hints: Hints,
    words: str,
) -> Detected:
    """The source with its columns, task and label values."""
    columns = choose_columns(path, hints.columns, header, rows)
    seen = [
        words,
        ", ".join(f"{role} is column {column}" for role, column in columns.items()),
    ]
    unused = [name for name in header if name and name not in columns.values()]
    nameless = header.count("")
    if nameless:
        unused.append(f"{nameless} without a name, as pandas writes its index")
    if unused:
        seen.append(f"not used: {', '.join(unused)}")
    ignore = tuple(name for name in unused if name.lower() in MEANINGFUL)
    decide = [
        f"column {name} is not used (ignore: [{name}]); if it weighs, explains or illustrates the rows, "
        "see docs/formats.md"
        for name in ignore
    ]
    for name in json_columns(header, rows):
        seen.append(f"column {name} holds JSON; its parts are columns too, as in {name}.KEY or {name}.0")
    asked = columns.get("input") or columns["instruction"]
    source = source.model_copy(
        update={"columns": columns, "task": hints.task or guess_task(columns, rows), "ignore": ignore}
    )
    values = label_values(path, source, columns["label"]) if "label" in columns else {}
    names = label_names(path, columns["label"]) if "label" in columns else ()
    if not _are_of(values, names):
        names = ()
    if names:
        told = ", ".join(f"{number} {name}" for number, name in enumerate(names))
        seen.append(f"the file names its labels: {told}")
    delimited = not columnar_kind(str(path)) and suffix_of(str(path)) not in JSON_SUFFIXES
    return Detected(
        source,
        tuple(seen),
        (*decide, *missing_notes(columns, rows, delimited=delimited)),
        values,
        names,
        language_among(row.get(asked, "") for row in rows),
    )


def _are_of(values: Iterable[str], names: Sequence[str]) -> bool:
    """Whether the names are of these labels: values are their numbers, or names read for numbers."""
    known = (*names, *map(str, range(-1, len(names))))
    return all(any(same_value(value, one) for one in known) for value in values)


def label_values(path: Path, source: SourceConfig, column: str) -> dict[str, int]:
    """Every value of a column and how often, the commonest first: of the whole file, for it may be sorted.

    Raises:
        InputError: the file cannot be read to its end.
    """
    counts: Counter[str] = Counter()
    for record in format_of(source.format).records(unit_of(path, source), source):
        if isinstance(record.value, dict) and not is_absent(record.value.get(column)):
            with suppress(Reject):
                counts[scalar_text(record.value.get(column), column).strip()] += 1
    del counts[""]
    return dict(counts.most_common())
