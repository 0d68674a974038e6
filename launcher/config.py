"""The whole config of a run: loading, overrides, errors with file and line, and the resolved copy."""

import os
import re
import types
import typing
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Field, ValidationError

from data_pipeline.config import DataConfig
from eval.config import EvalConfig
from hunmin.errors import ConfigError, did_you_mean, path_failure
from hunmin.models.config import ModelConfig
from hunmin.section import FileName, Section, content_of, execution
from hunmin.yaml_limits import MAX_CHARS, compose_yaml
from hunmin.yaml_text import read_yaml, typed
from trainer.config import TrainConfig


class ClusterConfig(Section):
    """Where the work is done. Nothing here changes what comes out."""

    num_cpus: int = execution(
        2,
        ge=1,
        le=65_536,
        description="CPUs of the processes or the Ray that a run starts; a Ray that is up has its own",
    )
    num_workers: int = execution(
        2, ge=1, le=65_536, description="training processes (ranks), which share the model's states by ZeRO-3"
    )
    gpus_per_worker: int = execution(
        0, ge=0, le=1, description="GPUs of each training process; 0: train on CPUs"
    )


class RunConfig(Section):
    """A config file: these keys, and a section for the model and for each stage."""

    name: FileName = Field(
        pattern=r"^\w[\w.-]*$",
        description="name of the run: its folder, and the title of its report; letters, digits, . _ and -",
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**32,
        description="what every random choice follows from: the same seed gives the same choices",
    )
    base: str = execution(
        ".", description="folder that relative paths start from, seen from the folder of this file"
    )
    model: ModelConfig
    data: DataConfig
    train: TrainConfig = Field(default_factory=lambda: TrainConfig.model_validate({}))
    eval: EvalConfig = EvalConfig()  # type: ignore[call-arg]
    cluster: ClusterConfig = Field(default_factory=lambda: ClusterConfig.model_validate({}))


def load(path: Path, overrides: list[str]) -> tuple[RunConfig, Path]:
    """The config of a file with `key=value` overrides, and the folder its relative paths start from.

    Raises:
        ConfigError: names the dotted key, the file and line, and what would be right.
    """
    try:
        with path.open(encoding="utf-8") as handle:
            text = handle.read(MAX_CHARS + 1)  # what is longer is refused, and may never end
    except FileNotFoundError:
        hint = did_you_mean(path.name, sorted(p.name for p in _folder(path)), show=path.parent.joinpath)
        if not path.parent.is_dir():
            hint = f"there is no folder {path.parent} in {Path.cwd()}"
        raise ConfigError(f"{path}: no such config file{hint and '; '}{hint}") from None
    except IsADirectoryError:
        inside = ", ".join(sorted(p.name for p in _folder(path / "x"))[:5])
        hint = f"name one in it: {inside}" if inside else "and no YAML file is in it"
        raise ConfigError(f"{path}: a folder, not a config file; {hint}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not text in utf-8; a config is a YAML file") from None
    except PermissionError as error:
        raise ConfigError(f"{path}: may not be read ({error.strerror})") from error
    except OSError as error:
        raise path_failure(error) or ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        document = compose_yaml(text)
        lines = _lines(document, ())
        raw = read_yaml(document)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"{path}{where}: not YAML: {problem}") from error
    if not isinstance(raw, dict):
        found = "the file is empty" if raw is None else f"found {raw!r:.60}"
        raise ConfigError(f"{path}: a config is a mapping with name, model and data; {found}")
    given = [_override(raw, item) for item in overrides]
    written: dict[tuple[str | int, ...], str] = {}
    try:
        config = RunConfig.model_validate(typed(raw, RunConfig, written=written))
    except ValidationError as error:
        found = error.errors()
        deepest = [e for e in found if not any(_inside(other["loc"], e["loc"]) for other in found)]
        raise ConfigError(
            "\n".join(_explain(item, path, lines, given, written) for item in deepest)
        ) from error
    return config, (path.parent / config.base).resolve()


def resolved(config: RunConfig, *, base: Path, run_dir: Path | None = None) -> str:
    """The complete config as YAML that loads again from the run folder; without one, from anywhere."""
    value = config.model_dump(mode="json")
    value["base"] = str(base) if run_dir is None else os.path.relpath(base, run_dir)
    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False)


def difference(old: RunConfig, new: RunConfig) -> list[str]:
    """The content fields that differ, as `key: old -> new`."""
    return [f"{key}: {before!r} -> {after!r}" for key, (before, after) in differences([old, new]).items()]


def differences(configs: Sequence[RunConfig]) -> dict[str, list[Any]]:
    """The content fields that are not equal in all of these configs, with the value in each."""
    flat = [_flat(content_of(config)) for config in configs]
    found = {key: [one.get(key, "absent") for one in flat] for key in dict.fromkeys(chain(*flat))}
    return {key: values for key, values in found.items() if any(value != values[0] for value in values)}


def _inside(inner: tuple[str | int, ...], outer: tuple[str | int, ...]) -> bool:
    """Whether one error lies inside the other, which then only follows from it."""
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _folder(path: Path) -> list[Path]:
    return list(path.parent.glob("*.y*ml")) if path.parent.is_dir() else []


def _lines(node: yaml.Node | None, at: tuple[str | int, ...]) -> dict[tuple[str | int, ...], int]:
    """1-based line of every key path in a YAML document."""
    out: dict[tuple[str | int, ...], int] = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*at, str(key.value))
            line = key.start_mark.line + 1
            if here in out:
                raise ConfigError(f"{'.'.join(map(str, here))} stands twice, in lines {out[here]} and {line}")
            out[here] = line
            out |= _lines(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            out[(*at, index)] = value.start_mark.line + 1
            out |= _lines(value, (*at, index))
    return out


def _override(raw: dict[str, Any], item: str) -> tuple[str | int, ...]:
    """Set one `a.b=value` in the raw config; value as in YAML. Returns the path."""
    key, equals, value = item.partition("=")
    if not equals or not key:
        raise ConfigError(f"{item}: an override is key=value with a dotted key, such as train.num_steps=20")
    path: list[str | int] = []
    target: Any = raw
    *parents, last = key.split(".")
    for part in parents:
        try:
            here: Any = _index(part, target)
            path.append(here)
            target = target[here] if isinstance(target, list) else target.setdefault(here, {})
        except (IndexError, TypeError):
            raise ConfigError(f"{item}: {part} is not in a list of {len(target)}") from None
        if not isinstance(target, (dict, list)):
            raise ConfigError(f"{item}: {part} holds {target!r:.40}, not a section")
    try:
        here = _index(last, target)
        path.append(here)
        target[here] = read_yaml(value)
    except (IndexError, TypeError):
        raise ConfigError(f"{item}: {last} is not an index of this list of {len(target)}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{item}: the value is not YAML ({error})") from error
    return tuple(path)


def _index(part: str, target: Any) -> str | int:
    """A part of a dotted key: digits are an index under a list, and text everywhere else."""
    return int(part) if isinstance(target, list) and part.isascii() and part.isdigit() else part


def _explain(
    item: Any,
    path: Path,
    lines: dict[tuple[str | int, ...], int],
    given: list[tuple[str | int, ...]],
    written: dict[tuple[str | int, ...], str],
) -> str:
    """One line for one of pydantic's errors."""
    at = tuple(item["loc"])
    key = ".".join(str(part) for part in at)
    inside = at not in lines and any(one[: len(at)] == at for one in given)
    if inside or any(one == at[: len(one)] for one in given):
        where = "on the command line"
    else:
        line = next((lines[at[:n]] for n in range(len(at), 0, -1) if at[:n] in lines), 1)
        where = f"{path}, line {line}"
    if item["type"] == "extra_forbidden":
        names = _field_names(RunConfig, at[:-1])
        there = f"known here: {', '.join(names)}"
        hint = did_you_mean(str(at[-1]), names, there, show=lambda name: ".".join(map(str, (*at[:-1], name))))
        return f"{key} is unknown; {hint} ({where})"
    if item["type"] == "missing":
        return f"{key} is missing ({where})"
    found = "" if isinstance(item["input"], dict) else f", found {written.get(at, repr(item['input'])):.80}"
    return f"{key or path.name}: {_plain(item)}{found}{_nearest(item)} ({where})"


# What pydantic says -> what a user understands; the first that fits each place.
_PLAIN = (
    (r"^Value error, ", ""),
    (r"Input should be", "must be"),
    (r"a valid integer.*", "a whole number"),
    (r"a valid number.*", "a number"),
    (r"a valid boolean.*", "true or false"),
    (r"a valid string", "a text"),
    (r"a valid (tuple|list)", "a list"),
    (r"a valid dictionary.*", "a section, with keys of its own"),
    (r"greater than or equal to", "at least"),
    (r"less than or equal to", "at most"),
    (r"String should match pattern .*", "must be one word of letters, digits, - and _"),
    (r"(Tuple|List) should have at least 1 item.*", "needs at least one"),
)


def _plain(item: Any) -> str:
    message = item["msg"]
    for said, meant in _PLAIN:
        message = re.sub(said, meant, message)
    return message


def _nearest(item: Any) -> str:
    """Of the few words that a value may be, the one that was meant."""
    if item["type"] != "literal_error":
        return ""
    hint = did_you_mean(str(item["input"]), re.findall(r"'([^']+)'", item["msg"]), cutoff=0.5)
    return f"; {hint}" if hint else ""


def _field_names(model: Any, at: tuple[str | int, ...]) -> list[str]:
    """The fields that the section at a path may have."""
    for part in at:
        if isinstance(part, int):
            continue
        model = section_of(model.model_fields[part].annotation)
    return sorted(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def section_of(annotation: Any) -> Any:
    """The section that a field of this type holds, alone, in a list or as one of several; else None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, tuple, list):
        found = [section_of(arg) for arg in typing.get_args(annotation)]
        return next((one for one in found if one is not None), None)
    return None


def _flat(value: Any, at: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        out: dict[str, Any] = {}
        for key, item in value.items():
            out |= _flat(item, f"{at}.{key}" if at else str(key))
        return out
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return _flat({str(index): item for index, item in enumerate(value)}, at)
    return {at: value}
