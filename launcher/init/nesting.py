"""Nested records as flat ones: which list holds the rows (`each`), and the paths to their values."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from data_pipeline.sources.files.records import Reject, kind_of, scalar_text
from data_pipeline.sources.values.columns import column_text, columns_in, items_of
from hunmin.errors import InputError
from launcher.init.cell_notes import opened
from launcher.init.choices import is_choice
from launcher.init.column_names import read_name

MAX_DEPTH = 4  # lists inside lists that are looked through
SPEAKERS = ("from", "role")  # keys of a turn that tell who speaks
MAX_ITEMS = 10  # items of a list that get a path each

Object = dict[str, Any]


def unfold(objects: Sequence[Object], given: Mapping[str, str]) -> tuple[str | None, list[dict[str, Any]]]:
    """(`each`, its items): the lists that lead to what is asked and answered; None where records are rows.

    A list of answers to one question is no list of rows. A file that is one object has rows somewhere below.

    Args:
        given: field -> column as the user said, `each` among them.

    Raises:
        InputError: the user's `each` leads to no list.
    """
    if "each" in given:
        items = _items(objects, given["each"])
        if not items:
            raise InputError(f"--column each={given['each']}: no list of rows is there")
        return given["each"], items
    path: list[str] = []
    items = list(objects)
    while not _is_enough(items, given):
        inner = lists_of_objects(items)
        if not inner or len(path) == MAX_DEPTH:
            return (".".join(path), items) if path and len(objects) == 1 else (None, list(objects))
        path.append(max(inner, key=lambda name: inner[name]))
        items = _items(objects, ".".join(path))
    return (".".join(path) or None), items


def _is_enough(items: Sequence[Object], given: Mapping[str, str]) -> bool:
    """Whether items have what the user named, and both what is asked and what is answered."""
    names = common(map(flat, items[:50]))
    roles = {read_name(name).role for name in names} | given.keys()
    wanted = {name for spec in given.values() for name in columns_in(spec)}
    reachable = {*names, *(key for one in items[:50] for key in one)}
    there = all(name in reachable or name.split(".")[0] in reachable for name in wanted)
    return there and bool({"instruction", "input"} & roles and {"answer", "label"} & roles)


def _items(objects: Sequence[Object], path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    gone = path.split(".")
    for one in objects:
        try:
            items = [item for item in items_of(one, path) if not isinstance(item, Reject)]
        except Reject:
            continue
        # What was gone through is still there, under the items' own keys.
        found += [
            {
                key: value
                for key, value in item.items()
                if key not in gone or not isinstance(opened(value), (dict, list))
            }
            for item in items
        ]
    return found


def lists_of_objects(items: Sequence[Object]) -> Counter[str]:
    """Path of a list of objects -> its items, also inside objects; of lists that are no answers."""
    found: Counter[str] = Counter()

    def look(value: Object, way: tuple[str, ...]) -> None:
        for key, inner in value.items():
            if "." in key or are_turns(inner) or _are_answers(key, inner):
                continue
            if isinstance(inner, dict) and len(way) < MAX_DEPTH:
                look(inner, (*way, key))
            elif isinstance(inner, list) and inner and all(isinstance(one, dict) for one in inner):
                found[".".join((*way, key))] += len(inner)

    for item in items:
        look(item, ())
    return found


def are_turns(values: Any) -> bool:
    """Whether a list is a conversation: objects that tell who speaks."""
    return isinstance(values, list) and any(
        isinstance(one, dict) and any(key in one for key in SPEAKERS) for one in values
    )


def _are_answers(key: str, values: Any) -> bool:
    """Whether a list holds several answers to one question, or its choices, rather than questions."""
    items = [one for one in values if isinstance(one, dict)] if isinstance(values, list) else []
    asks = any(read_name(name).role == "instruction" for one in items for name in one)
    return not asks and (read_name(key).role == "answer" or is_choice(key))


def common(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The keys that half of the rows have, in the order of their first occurrence."""
    counts, total = Counter[str](), 0
    for row in rows:
        counts.update(row.keys())
        total += 1
    return [key for key, count in counts.items() if count * 2 >= total]


def flat(record: Object) -> dict[str, str]:
    """Path -> text of every value of a record, as `columns` of a source reaches it.

    Lists of texts are one text with a line an item (`*`); of answers and turns the first item, for they are
    several answers to one question; of choices each item. Other lists of objects have no path: see `unfold`.
    """
    found: dict[str, str] = {}
    for key, value in record.items():
        if points_at := _pointed_list(record, key):
            found[f"{points_at}.@{key}"] = column_text(record, f"{points_at}.@{key}")
        else:
            _flatten(value, (key,), found)
    return found


def _pointed_list(record: Object, key: str) -> str | None:
    """The list of texts that a list of numbers points into: the sentences that are a summary."""
    indices = record[key]
    if not isinstance(indices, list) or not indices or any(type(one) is not int for one in indices):
        return None
    for other, values in record.items():
        texts = isinstance(values, list) and all(isinstance(one, str) for one in values)
        if texts and "." not in other and min(indices) >= 0 and max(indices) < len(values):
            return other
    return None


def _flatten(value: Any, way: tuple[str, ...], found: dict[str, str]) -> None:
    path = ".".join(way)
    if isinstance(value, dict) and len(way) <= MAX_DEPTH:
        for key, inner in value.items():
            if "." not in key:
                _flatten(inner, (*way, key), found)
    elif isinstance(value, list) and value:
        if is_choice(path) and len(value) <= MAX_ITEMS:
            for index, inner in enumerate(value):
                _flatten(inner, (*way, str(index)), found)
        elif _are_answers(path, value) or (
            read_name(path).role == "instruction" and not isinstance(value[0], dict)
        ):
            _flatten(value[0], (*way, "0"), found)
        elif not any(isinstance(one, (dict, list)) for one in value):
            found[f"{path}.*"] = "\n".join(map(_text, value))
    elif not isinstance(value, (dict, list)):
        found[path] = _text(value)


def _text(value: Any) -> str:
    try:
        return scalar_text(value, "")
    except Reject:
        return kind_of(value)
