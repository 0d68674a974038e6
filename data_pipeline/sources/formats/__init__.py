"""The seam of source formats: a module here is a format, under its own name, and holds a `FORMAT`.

`format_of` finds it; nothing else lists the formats. CONTRIBUTING.md goes through adding one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.objects import describe_objects
from data_pipeline.sources.files.records import Outcomes, Record, Unit
from data_pipeline.sources.files.text_files import text_dialect
from hunmin.registry import member

RECORDS = frozenset({"filters", "family"})  # settings of formats whose records have named values
KEYED = RECORDS | {"join", "ignore"}  # settings of formats whose records are read by keys that it can choose
LANGUAGES = frozenset({"languages", "directions"})  # settings of translations

Describe = Callable[[Unit, SourceConfig], list[str]]


def _nothing_to_check(source: SourceConfig, where: str) -> None:
    """A format whose settings cannot contradict each other."""


def _have_instructions(source: SourceConfig) -> bool:
    """Rows bring an instruction of their own."""
    return False


@dataclass(frozen=True)
class SourceFormat:
    """All that hunmin knows of a format."""

    # The records of a file in their order, each with its place in words. Raises InputError where the whole
    # file cannot be of this format.
    records: Callable[[Unit, SourceConfig], Iterator[Record]]
    parse: Callable[[Any, SourceConfig], Outcomes]  # of one record; may raise Reject
    settings: frozenset[str] = frozenset()  # optional settings of a source that it reads; others are refused
    # Raises ConfigError where settings contradict each other; gets their dotted path.
    check: Callable[[SourceConfig, str], None] = _nothing_to_check
    # How a file is written, declared or detected, in words: the same words for files alike.
    describe: Describe = describe_objects
    # Whether rows come without an instruction, and so draw a wording of their task.
    needs_wordings: Callable[[SourceConfig], bool] = _have_instructions
    sides: tuple[str, ...] = ("",)  # a unit is one file, or one of each side; so are the fetched folders
    from_hub: bool = True  # whether it can be a data set of the hub


def format_of(name: str) -> SourceFormat:
    """The format of that name, which the config has checked."""
    return member(__name__, name, "FORMAT")


def text_in_the_shape(words: str) -> Describe:
    """`describe` of a format that is text of one shape: how the text is written, then the shape."""

    def describe(unit: Unit, source: SourceConfig) -> list[str]:
        told = [word for path in unit.paths for word in text_dialect(path, encoding=source.encoding).words()]
        return [*dict.fromkeys(told), words]

    return describe
