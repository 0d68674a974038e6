"""YAML of the user's, read as it is written: where a text is meant, `yes`, `1.0` and `2024-05-01` are texts.

YAML 1.1 makes a boolean of an unquoted yes, a number of 1.0 and a date of 2024-05-01. Here a mapping's key is
always taken as it is spelled; a value is, where the section that it belongs to wants a text.
"""

import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel

from hunmin.yaml_limits import LimitedLoader, compose_yaml, value_of

Path = tuple[str | int, ...]
_OTHER_THAN_TEXT = ("bool", "int", "float", "timestamp")


@dataclass(frozen=True)
class Plain:
    """An unquoted word that YAML takes for something else than a text: what it takes it for, and the word."""

    value: Any
    text: str

    def __repr__(self) -> str:
        """As the user wrote it."""
        return self.text


class _Loader(LimitedLoader):
    """Keys as they are spelled, and `Plain` for every scalar that is no text and not null."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        self.require_distinct_keys(node)
        self.flatten_mapping(node)
        return {
            key.value if isinstance(key, yaml.ScalarNode) else self._refused(key): self.construct_object(
                value, deep=deep
            )
            for key, value in node.value
        }

    def _refused(self, key: yaml.Node) -> typing.NoReturn:
        raise yaml.constructor.ConstructorError(None, None, "a key must be text", key.start_mark)


def _plain(construct: Callable[[yaml.SafeLoader, Any], Any]) -> Callable[[_Loader, yaml.Node], Plain]:
    return lambda loader, node: Plain(loader.require_small(construct(loader, node), node), str(node.value))


for _name in _OTHER_THAN_TEXT:
    _tag = f"tag:yaml.org,2002:{_name}"
    _Loader.add_constructor(_tag, _plain(yaml.SafeLoader.yaml_constructors[_tag]))


def read_yaml(text: str | yaml.Node | None) -> Any:
    """The tree of a document, as text or composed, with `Plain` where `typed` is still to decide.

    Raises:
        yaml.YAMLError: it is no YAML, or beyond the limits of yaml_limits.
    """
    node = compose_yaml(text) if isinstance(text, str) else text
    return None if node is None else value_of(node, _Loader)


def typed(tree: Any, kind: Any, *, at: Path = (), written: dict[Path, str] | None = None) -> Any:
    """The tree with a text or YAML's value for each `Plain`, by the type of the field that it is for.

    Args:
        kind: a section's class, or the annotation of a field.
        at: where in the document the tree stands.
        written: gets path -> word of each value that YAML's reading is kept of, for messages.
    """
    if isinstance(tree, Plain):
        if _reads_as_text(tree, kind):
            return tree.text
        if written is not None:
            written[at] = tree.text
        return tree.value
    if isinstance(tree, dict):
        return {
            key: typed(value, _kind_under(kind, key), at=(*at, key), written=written)
            for key, value in tree.items()
        }
    if isinstance(tree, list):
        return [
            typed(value, _kind_under(kind, index), at=(*at, index), written=written)
            for index, value in enumerate(tree)
        ]
    return tree


def _choices(kind: Any) -> list[Any]:
    """The types that a value may have: the members of a union, without what `Annotated` says of them."""
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [choice for one in typing.get_args(kind) for choice in _choices(one)]
    return [kind]


def _reads_as_text(plain: Plain, kind: Any) -> bool:
    """Whether a field takes a word as it is spelled: it wants texts, or numbers, of which `yes` is none."""
    words = [one for one in _choices(kind) if one is not type(None)]
    if isinstance(plain.value, bool) and kind is not None and not any(one in (bool, Any) for one in words):
        return True
    texts = [one is str or _is_literal_text(one) for one in words]
    return any(texts) and not any(one in (bool, int, float, Any) for one in words)


def _is_literal_text(kind: Any) -> bool:
    return typing.get_origin(kind) is typing.Literal and all(
        isinstance(x, str) for x in typing.get_args(kind)
    )


def _kind_under(kind: Any, key: str | int) -> Any:
    """The type of what stands under a key or index; None where nothing is known of it."""
    for one in _choices(kind):
        origin, args = typing.get_origin(one), typing.get_args(one)
        if isinstance(key, int) and origin in (list, tuple) and args:
            return args[key] if origin is tuple and args[-1] is not ... and key < len(args) else args[0]
        if isinstance(key, str) and origin is dict:
            return args[1]
        if isinstance(key, str) and isinstance(one, type) and issubclass(one, BaseModel):
            field = one.model_fields.get(key)
            if field is not None:
                return field.annotation
    return None
