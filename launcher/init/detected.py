"""What is known of a file of the user's: the source it makes, what was seen, what must be decided."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.columnar import columnar_kind
from data_pipeline.sources.files.records import Reject, as_object, short
from data_pipeline.sources.files.text_files import suffix_of
from data_pipeline.sources.find import Unit
from data_pipeline.sources.formats.table import JSON_SUFFIXES
from data_pipeline.sources.join import joined_records
from data_pipeline.sources.settings import paths_of
from data_pipeline.sources.values.beside import USUAL
from data_pipeline.sources.values.columns import columns_in, is_text, items_of, keys_in, text_of
from data_pipeline.sources.values.keys import MEANINGFUL, THOUGHTS, WEIGHTS, keys_read
from data_pipeline.sources.values.mapping import TEXTS, same_value
from hunmin.errors import InputError
from hunmin.language.script import language_of
from launcher.init.cell_notes import json_columns, missing_notes
from launcher.init.column_roles import choose_columns
from launcher.init.column_values import is_label_like
from launcher.init.label_names import label_names
from launcher.init.left_over import as_option

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
    ask: str | None = None  # the wording of a task of its own, where the file tells what is asked


def parse_columns(given: Sequence[str]) -> dict[str, str]:
    r"""The values of --column, FIELD=COLUMN each; in a text with columns, \n is a line end.

    Raises:
        InputError: one has another form.
    """
    columns: dict[str, str] = {}
    for one in given:
        role, equals, column = one.partition("=")
        if not equals or not role or not column:
            raise InputError(f"--column {one}: needed is FIELD=COLUMN, such as --column input=text")
        columns[role.strip()] = column.replace("\\n", "\n") if is_text(column) else column
    return columns


def make_source(**values: Any) -> SourceConfig:
    """A source with these settings, under a name for now."""
    return SourceConfig.model_validate({"name": "source", **values})


def unit_of(path: Path, source: SourceConfig) -> Unit:
    """The file as the readers take it, with those that are joined."""
    joined = () if source.join is None else paths_of(source.join)
    others = tuple(str(Path(other).absolute()) for other in joined)
    return Unit(0, source.name, source.format, path.name, (str(path.absolute()),), joined=others)


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
    rows: Sequence[Mapping[str, str]],
    hints: Hints,
    words: str,
    *,
    keys: Sequence[str] = (),
) -> Detected:
    """The source with its columns, task, filters and label values.

    Args:
        header: columns, or paths to the values of a record.
        keys: of the records where the header has paths; absent: as the header.
    """
    chosen = choose_columns(path, hints.columns, header, rows, keys=keys)
    columns = chosen.columns
    source = source.model_copy(
        update={
            "columns": columns,
            "labels": dict(chosen.labels or {}),
            "filters": chosen.filters,
            "task": hints.task or chosen.task,
        }
    )
    read = keys_read(source, columns)
    ignore = tuple(key for key in keys or header if key not in read and key.lower() in MEANINGFUL)
    source = source.model_copy(update={"ignore": ignore})
    seen = [words, ", ".join(f"{role} is {_shown(spec)}" for role, spec in columns.items())]
    seen += _not_used(source, header, keys or header)
    for name in json_columns(header, rows):
        seen.append(f"column {name} holds JSON; its parts are columns too, as in {name}.KEY or {name}.0")
    answered = columns.get("label") or columns["answer"]
    few = "label" in columns or (answered in header and is_label_like(answered, rows))
    values = label_values(path, source, answered) if few and not source.labels else {}
    names = _names_of(path, answered, values)
    if names:
        told = ", ".join(f"{number} {name}" for number, name in enumerate(names))
        seen.append(f"the file names its labels: {told}")
    asked = columns_in(columns.get("input") or columns["instruction"])
    language = language_among(row.get(name, "") for row in rows for name in asked)
    decide = [*chosen.decide, *(_ignored(key, header) for key in ignore)]
    marked = [row for row in rows if "\n####" in row.get(answered, "")]
    if 2 * len(marked) > len(rows):
        decide.append(f"{answered}: the answers end in #### and the result, which is learned as it stands")
    delimited = not columnar_kind(str(path)) and suffix_of(str(path)) not in JSON_SUFFIXES
    decide += missing_notes(text_columns(source), rows, delimited=delimited)
    return Detected(source, tuple(seen), tuple(decide), values, names, language)


def text_columns(source: SourceConfig) -> list[str]:
    """The columns and paths whose texts a source asks and answers with."""
    specs = [spec for field, spec in source.columns.items() if field in TEXTS]
    specs += filter(is_text, source.labels.values())
    return list(dict.fromkeys(name for spec in specs for name in columns_in(spec)))


def _not_used(source: SourceConfig, header: Sequence[str], keys: Sequence[str]) -> list[str]:
    """A line with the columns that nothing is read of, those that no path leads into among them."""
    used = {*text_columns(source), *(rule.column for rule in source.filters)}
    used |= set() if source.join is None else {*source.join.keys}
    used |= {name for spec in source.columns.values() for name in columns_in(spec)}
    unused = [name for name in header if name and name not in used]
    led_into = {key for name in (*header, source.each or "") for key in keys_in(name)}
    unused += [key for key in keys if key and key not in used | led_into]
    nameless = header.count("")
    if nameless:
        unused.append(f"{nameless} without a name, as pandas writes its index")
    return [f"not used: {', '.join(unused)}"] if unused else []


def _ignored(key: str, header: Sequence[str]) -> str:
    """What to decide of a key that would reject its records, were it not ignored."""
    path = next((name for name in header if key in keys_in(name)), key)
    field = next((field for field, keys in USUAL.items() if key.lower() in keys), None)
    if path in header or key.lower() == "weight":
        field = "weight" if key.lower() in WEIGHTS else "reasoning" if key.lower() in THOUGHTS else field
    cure = f"{as_option(field, path)} reads it" if field else "see docs/formats.md"
    return (
        f"column {key} is not used (ignore: [{key}]); if it weighs, explains or illustrates the rows, {cure}"
    )


def _shown(spec: str) -> str:
    return f"the text {short(spec)}" if is_text(spec) else f"column {spec}"


def _names_of(path: Path, column: str, values: Mapping[str, int]) -> tuple[str, ...]:
    """The names that the file gives to these labels: values are their numbers, or names read for numbers."""
    names = label_names(path, column) if values else ()
    known = (*names, *map(str, range(-1, len(names))))
    return names if all(any(same_value(value, one) for one in known) for value in values) else ()


def label_values(path: Path, source: SourceConfig, column: str) -> dict[str, int]:
    """Every value of a column or path and how often, the commonest first.

    Of the whole file, for it may be sorted.

    Raises:
        InputError: the file cannot be read to its end.
    """
    counts: Counter[str] = Counter()
    for record in joined_records(unit_of(path, source), source):
        with suppress(Reject):
            value = as_object(record.value)
            for item in [value] if source.each is None else items_of(value, source.each):
                with suppress(Reject):
                    counts[text_of(as_object(item), column).strip()] += 1
    del counts[""]
    return dict(counts.most_common())
