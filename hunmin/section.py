"""The base of every section of a config, and what its fields mean for the stages.

A field tagged `execution()` says how fast or where; every other field says what, and changing it makes
the stage run again. One tagged `later_content()` says what too, but does not count while it is at its
default; one tagged `chosen_content()` counts as a fixed value where the machine chooses.
"""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails


class Section(BaseModel):
    """A config section: unknown keys are refused, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


MAX_NAME_BYTES = 128  # with what stages put around it, a file system takes 255


def _fits_a_file_name(name: str) -> str:
    """A name that becomes part of file names: no file system takes it longer."""
    if (length := len(name.encode())) > MAX_NAME_BYTES:
        raise ValueError(f"a name of {length} bytes; at most {MAX_NAME_BYTES} (a Korean letter has 3)")
    return name


FileName = Annotated[str, AfterValidator(_fits_a_file_name)]


def execution(default: Any, **kwargs: Any) -> Any:
    """A field that changes how the work is done, never what comes out."""
    return Field(default, json_schema_extra={"effect": "execution"}, **kwargs)


def later_content(default: Any, **kwargs: Any) -> Any:
    """A content field that came later: at its default it does not count, so earlier work goes on."""
    return Field(default, json_schema_extra={"effect": "added"}, **kwargs)


def chosen_content(counts_as: Any, **kwargs: Any) -> Any:
    """A content field that the machine chooses where it is absent, which then counts as `counts_as`: a choice
    changes the order of float sums alone.
    """
    return Field(None, json_schema_extra={"effect": "content", "absent": counts_as}, **kwargs)


def content_of(section: BaseModel) -> dict[str, Any]:
    """The section as JSON values without its execution fields: what the result depends on."""
    out: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        effect, value = extra.get("effect"), getattr(section, name)
        if effect == "execution" or (effect == "added" and value == field.default):
            continue
        if value is None and "absent" in extra:
            out[name] = extra["absent"]
        elif isinstance(value, BaseModel):
            out[name] = content_of(value)
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], BaseModel):
            out[name] = [content_of(item) for item in value]
        else:
            out[name] = section.model_dump(mode="json", include={name})[name]
    return out


def resolve_path(path: str, base: Path) -> Path:
    """`path` relative to `base` (the config file's folder), `~` expanded."""
    expanded = Path(path).expanduser()
    return expanded if expanded.is_absolute() else base / expanded


def yaml_problem(error: yaml.YAMLError) -> str:
    """On one line, to stand behind the file's name: where it stops being YAML, and why."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    problem = getattr(error, "problem", None) or str(error)
    return f"{place}: not YAML: {' '.join(problem.split())}"


def model_problems(error: ValidationError) -> str:
    """What a model refuses, on one line: the key of each problem and what is wrong with it."""
    return "; ".join(f"{_where(one['loc'])}{_said(one)}" for one in error.errors())


def _said(error: ErrorDetails) -> str:
    """What is wrong, in words of ours where the library's are hard to read."""
    if error["type"] == "missing":
        return "is missing, and must be given"
    if error["type"] in ("model_type", "model_attributes_type"):
        return f"found {error['input']!r:.40}, needed a mapping"
    return error["msg"].removeprefix("Value error, ")


def _where(path: tuple[str | int, ...]) -> str:
    return f"{'.'.join(map(str, path))}: " if path else ""
