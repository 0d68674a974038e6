"""YAML of strangers: read within limits, and refused in words where PyYAML would hang or break.

A few lines of aliases can stand for a billion values, and an alias can hold itself; brackets can nest
deeper than Python's stack. What is refused is a `yaml.YAMLError` with its place, like any other.
"""

from collections.abc import Hashable
from datetime import date
from typing import Any

import yaml

MAX_CHARS = 1 << 19  # some seconds of PyYAML
MAX_DEPTH = 64
MAX_NODES = 200_000  # aliases counted as what they stand for
MAX_INT_BITS = 256


_DATE, _TEXT = "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:str"


class LimitedLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses what no config means: deep nesting, aliases without end, NUL."""

    def __init__(self, text: str):
        if len(text) > MAX_CHARS:
            raise _Refused(f"more than {MAX_CHARS} characters; data belong into files of their own")
        self._depth = 0
        super().__init__(text)

    def compose_document(self) -> yaml.Node | None:
        """The document as nodes."""
        node = super().compose_document()
        if node is not None:
            _count(node, {})
        return node

    def compose_node(self, parent: Any, index: Any) -> Any:
        """A node and those below it."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _Refused(f"nested more than {MAX_DEPTH} deep", self.get_mark())
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_scalar(self, node: Any) -> Any:
        """The text of a scalar."""
        text = super().construct_scalar(node)
        if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
            raise _Refused("a text with NUL or half a surrogate pair", node.start_mark)
        return text

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """The value of a node."""
        if isinstance(node, yaml.ScalarNode) and node.tag == _DATE and not _is_a_day(node.value):
            node.tag = _TEXT  # the field that wants a date says so, by its name
        try:
            value = super().construct_object(node, deep=deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:  # no such day
            raise _Refused(f"a value that cannot be read ({error})", node.start_mark) from error
        return self.require_small(value, node)

    @staticmethod
    def require_small(value: Any, node: Any) -> Any:
        """The value, where it is no number of absurd length.

        Raises:
            yaml.YAMLError: it is one.
        """
        if isinstance(value, int) and value.bit_length() > MAX_INT_BITS:
            raise _Refused(f"a number of more than {MAX_INT_BITS} bits", node.start_mark)
        return value

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping, whose keys stand once each."""
        self.require_distinct_keys(node)
        return super().construct_mapping(node, deep=deep)

    @staticmethod
    def require_distinct_keys(node: Any) -> None:
        """Of two equal keys PyYAML keeps the last without a word.

        Raises:
            yaml.YAMLError: a key stands twice.
        """
        seen = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                raise _Refused(f"the key {key.value} stands twice", key.start_mark)
            seen.add((key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key))


class _Refused(yaml.MarkedYAMLError):
    def __init__(self, problem: str, mark: Any = None):
        super().__init__(problem=problem, problem_mark=mark)


def load_yaml(text: str, loader: type[LimitedLoader] = LimitedLoader) -> Any:
    """The value of a YAML document.

    Raises:
        yaml.YAMLError: it is not YAML, or beyond the limits of this module.
    """
    node = compose_yaml(text)
    return None if node is None else value_of(node, loader)


def compose_yaml(text: str) -> yaml.Node | None:
    """The nodes of a YAML document, which know their lines; None of an empty one.

    Raises:
        yaml.YAMLError: as `load_yaml`.
    """
    return LimitedLoader(text).get_single_node()


def value_of(node: yaml.Node, loader: type[LimitedLoader] = LimitedLoader) -> Any:
    """What a composed document says.

    Raises:
        yaml.YAMLError: as `load_yaml`.
    """
    return loader("").construct_document(node)


def _count(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Nodes in a tree, an alias counted each time as the whole that it stands for."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise _Refused("an alias stands inside what it stands for", node.start_mark)
        return sizes[id(node)]
    sizes[id(node)] = 0  # we are in it
    pairs = node.value if isinstance(node, yaml.MappingNode) else [(child,) for child in node.value]
    size = 1 + sum(_count(child, sizes) for pair in pairs for child in pair)
    if size > MAX_NODES:
        raise _Refused(f"aliases stand for more than {MAX_NODES} values", node.start_mark)
    sizes[id(node)] = size
    return size


def _is_a_day(text: str) -> bool:
    """Whether what looks like a date is one: 2024-13-45 is a text."""
    found = yaml.SafeLoader.timestamp_regexp.match(text)
    if found is None:  # by its tag alone, and refused
        return True
    try:
        date(*(int(found[part]) for part in ("year", "month", "day")))
    except ValueError:
        return False
    return True
