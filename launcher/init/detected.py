"""What is known of a file of the user's: the source it makes, what was seen, what must be decided."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_pipeline.config import SourceConfig
from data_pipeline.errors import InputError
from data_pipeline.sources.files import Unit
from data_pipeline.text.korean import language_of
from launcher.init.columns import choose_columns, guess_task

HEAD = 2000  # records that are looked at


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


def mapped(
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
    asked = columns.get("input") or columns["instruction"]
    values: dict[str, int] = {}
    if "label" in columns:
        counts = Counter(
            row[columns["label"]].strip() for row in rows if row.get(columns["label"], "").strip()
        )
        values = dict(counts.most_common())
    return Detected(
        source.model_copy(update={"columns": columns, "task": hints.task or guess_task(columns, rows)}),
        tuple(seen),
        (),
        values,
        language_among(row.get(asked, "") for row in rows),
    )
