"""docs/config.md: every key of a config, from the classes that read it.

`python -m launcher.help.config_page` writes the page anew.
"""

import inspect
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from launcher.config import RunConfig, section_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "config.md"
INTRO = """\
# Config keys

A run is described by a YAML file. A key stands there in its section, or on the command line as `KEY=VALUE`:
`hunmin run my.yaml train.num_steps=20 data.sources.0.max_rows=500`. `[]` is any entry of a list; on the
command line it is the entry's number, from 0. What is *absent* by default may also be `null`.

The last column says what a key changes. *content*: what comes out, so stages that depend on the key run
again; in a run folder that holds work this needs `--force`. *execution*: only how the work is done; it may
change at any time, and finished stages stay.

A wrong key or value stops a command before any work, with its name, its line and what would be right. To
check a file without a run: `hunmin plan my.yaml`.

This page is made from the config classes by `python -m launcher.help.config_page`.
"""
PLAIN: dict[Any, str] = {bool: "true or false", int: "whole number", float: "number", str: "text"}
PLAIN |= {date: "date", Any: "anything"}
PLURAL = {"whole number": "whole numbers", "number": "numbers", "text": "texts"}
SIGNS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))


@dataclass(frozen=True)
class Table:
    """A section of a config: its dotted path, what is said of it, and its own keys by name."""

    path: str
    text: str
    keys: dict[str, FieldInfo]


def config_page() -> str:
    """The whole page, in Markdown."""
    return "\n".join([INTRO, *(_markdown(table) for table in tables(RunConfig))])


def tables(model: type[BaseModel], path: str = "", text: str = "") -> Iterator[Table]:
    """The section and, behind it, those inside it, in the order of their fields."""
    inner = {name: section_of(field.annotation) for name, field in model.model_fields.items()}
    keys = {name: model.model_fields[name] for name, section in inner.items() if section is None}
    yield Table(path, "\n\n".join(part for part in (inspect.getdoc(model), text) if part), keys)
    for name, section in inner.items():
        if section is not None:
            field = model.model_fields[name]
            mark = "[]" if typing.get_origin(field.annotation) is tuple else ""
            yield from tables(section, f"{path}.{name}{mark}".lstrip("."), _said_at_key(field))


def _said_at_key(field: FieldInfo) -> str:
    """What is said where a section is a key of another: its description, and whether it must be there."""
    many, said = typing.get_origin(field.annotation) is tuple, field.description
    parts = [f"{said[0].upper()}{said[1:]}."] if said else []
    if field.is_required():
        parts.append(f"Required: a list{_bounds(field.metadata)}." if many else "Required.")
    elif many or field.default is None:
        parts.append("A list, empty by default." if many else "Absent by default.")
    return " ".join(parts)


def _markdown(table: Table) -> str:
    """A heading, what is said of the section, and a row for each of its keys."""
    level = "#" * min(4, table.path.count(".") + 2)
    rows = [_row(f"{table.path}.{name}".lstrip("."), field) for name, field in table.keys.items()]
    head = ["| key | value | default | meaning | changes |", "|---|---|---|---|---|"]
    text = "\n".join([f"{level} {table.path or 'The file'}", "", table.text, "", *head, *rows, ""])
    return re.sub(r"\bdocs/(\w+\.md)", r"[\1](\1)", text)  # of the same folder as the page


def _row(path: str, field: FieldInfo) -> str:
    extra = field.json_schema_extra
    effect = "execution" if isinstance(extra, dict) and extra.get("effect") == "execution" else "content"
    cells = (f"`{path}`", value_of(field), _default(field), field.description or "", effect)
    line = " | ".join(cell.replace("|", r"\|") for cell in cells)
    return f"| {line} |"


def value_of(field: FieldInfo) -> str:
    """What may stand behind a key, in words; that it may be absent shows in its default."""
    is_union = typing.get_origin(field.annotation) in (typing.Union, types.UnionType)
    kinds = typing.get_args(field.annotation) if is_union else (field.annotation,)
    words = " or ".join(_words(kind) for kind in kinds if kind is not NoneType) + _bounds(field.metadata)
    return f"{words}, or null" if NoneType in kinds and field.default is not None else words


def _words(kind: Any) -> str:
    """A type in words.

    Raises:
        TypeError: a type that no key had so far.
    """
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind in PLAIN:
        return PLAIN[kind]
    if origin is Annotated:
        return _words(args[0]) + _bounds([one for info in args[1:] for one in getattr(info, "metadata", ())])
    if origin is Literal:
        return ("one of: " if len(args) > 1 else "") + ", ".join(map(str, args))
    if origin is dict:
        return f"mapping of {_words(args[0])} to {_words(args[1])}"
    if origin is tuple and args[-1] is Ellipsis:
        return "list of " + PLURAL.get(_words(args[0]), _words(args[0]).replace("one of", "any of"))
    if origin is tuple:
        return f"list of {len(args)} {PLURAL[_words(args[0])]}"
    raise TypeError(f"{kind}: say in launcher/help/config_page.py how the page calls it")


def _bounds(metadata: list[Any]) -> str:
    """Limits of a value, to stand behind its type."""
    signs = [f"{sign} {getattr(one, name)}" for one in metadata for name, sign in SIGNS if hasattr(one, name)]
    fewest = [one.min_length for one in metadata if hasattr(one, "min_length")]
    is_word = any(hasattr(one, "pattern") for one in metadata)
    parts = [f" {' and '.join(signs)}" if signs else "", ", one word" if is_word else ""]
    return "".join([*parts, *("; not empty" if least == 1 else f"; at least {least}" for least in fewest)])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "absent"
    plain = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(plain, default_flow_style=True, width=1000)  # as it may stand in the file
    return f"`{text.splitlines()[0]}`"  # behind a bare value YAML writes a line of its own


if __name__ == "__main__":
    PAGE.write_text(config_page(), encoding="utf-8")
