"""Every switch of the trainer, read from its config classes: a new one is measured without a change here.

A field that is a bool, or one of a few words, has its other values tried one at a time; so has a section that
may be absent. What is a switch by meaning, though its type is a number, stands in NUMBERS; what is none,
though its type looks like one, in NO_SWITCHES.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from trainer.config import TrainConfig

# Another loss, another schedule, where lines are written: nothing of how a step is computed.
NO_SWITCHES = {
    "objective",
    "loss_weighting",
    "schedule",
    "tensorboard",
    "trackers",
    "overlap_save",
    "must_fit",
}
# name -> other values than the default, and the ranks that they take.
NUMBERS: Mapping[str, tuple[tuple[int, ...], int]] = {
    "max_logits_mb": ((16, 65_536), 1),  # many chunks, and none
    "sequence_parallel_size": ((2,), 2),
    "zero.param_persistence_threshold": ((100_000,), 1),
    "zero.hpz_partition_size": ((2,), 2),
}


@dataclass(frozen=True)
class Switch:
    """One setting away from the defaults; `name` is how a command line has it."""

    name: str
    settings: dict[str, Any]
    min_ranks: int = 1


def switches(config: type[BaseModel] = TrainConfig) -> list[Switch]:
    """What differs from the defaults in one setting, in the order of the fields.

    A value `auto` is left out: what it chooses is measured under its own name.
    """
    return list(_of(config, at=()))


def _of(config: type[BaseModel], at: tuple[str, ...]) -> Iterator[Switch]:
    for key, field in config.model_fields.items():
        path = (*at, key)
        name = ".".join(path)
        inner = next((one for one in _members(field.annotation) if _is_section(one)), None)
        if name in NO_SWITCHES:
            continue
        if name in NUMBERS:
            values, min_ranks = NUMBERS[name]
            for value in values:
                yield Switch(f"{name}={value}", _nested(path, value), min_ranks)
        elif inner is not None and type(None) in _members(field.annotation):
            yield Switch(name, _nested(path, {}))
        elif inner is not None:
            yield from _of(inner, path)
        else:
            for value in _other_values(field):
                yield Switch(f"{name}={str(value).lower()}", _nested(path, value))


def _other_values(field: FieldInfo) -> list[Any]:
    """Of a bool and of a Literal, the values that are not the default."""
    known = []
    for member in _members(field.annotation):
        if member is bool:
            known += [True, False]
        elif get_origin(member) is Literal:
            known += get_args(member)
    default = field.get_default(call_default_factory=True)
    return [value for value in known if value != default and value not in ("auto", None)]


def _members(annotation: Any) -> tuple[Any, ...]:
    """The types of a union, or the type itself."""
    is_union = get_origin(annotation) in (Union, type(int | str))
    return get_args(annotation) if is_union else (annotation,)


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return value
