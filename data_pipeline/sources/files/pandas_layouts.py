"""How pandas' `to_json` lays a table out: only rows (`orient="records"`) are records, the rest is named."""

import shlex
from collections.abc import Mapping
from typing import Any

from hunmin.errors import InputError

_SPLIT = {"columns", "index", "data"}


def pandas_layout(value: Any) -> str | None:
    """The `orient` of a file, by its first value: split, table, columns, index, values or list.

    "list" is `to_dict(orient="list")`, whole columns in one object. None for anything else, and where it
    cannot be told: row names of an index or a column are known by being numbers.
    """
    if isinstance(value, list):
        return "values" if value and all(_is_scalar(cell) for cell in value) else None
    if not isinstance(value, Mapping) or not value:
        return None
    if {"columns", "data"} <= value.keys() <= _SPLIT | {"index_names", "column_names"}:
        return "split" if _is_table(value["columns"], value["data"]) else None
    if (
        value.keys() == {"schema", "data"}
        and isinstance(value["schema"], dict)
        and "fields" in value["schema"]
    ):
        return "table"
    inner = list(value.values())
    if all(isinstance(one, dict) and one for one in inner):
        if all(_are_numbers(one) for one in inner):
            return "columns" if all(one.keys() == inner[0].keys() for one in inner) else None
        return "index" if _are_numbers(value) else None
    if len(inner) > 1 and all(isinstance(one, list) and len(one) == len(inner[0]) > 1 for one in inner):
        return "list" if all(_is_scalar(cell) for one in inner for cell in one) else None
    return None


def refuse_pandas_layout(path: str, value: Any, *, whole: bool = False) -> None:
    """Stop at a file whose first value is a whole table, or a row without names.

    Args:
        whole: the value is all that the file holds; else one with lists of one length may be a record.

    Raises:
        InputError: names the layout and the call that writes records.
    """
    layout = pandas_layout(value)
    if layout is None or (layout == "list" and not whole):
        return
    if layout == "list":
        read = "DataFrame(json.load(open(sys.argv[1])))"
    elif layout == "table":
        read = "read_json(sys.argv[1], orient='table')"
    else:  # without a guess at types: "01" is no number
        read = f"read_json(sys.argv[1], orient='{layout}', dtype=False, convert_dates=False)"
    code = f"pandas.{read}.to_json('new.jsonl', orient='records', lines=True, force_ascii=False)"
    cure = shlex.join(["python3", "-c", f"import json, sys, pandas; {code}", path])
    raise InputError(
        f"{path}: a whole table in the layout orient='{layout}' of pandas; needed are its rows as objects: "
        f"write it with orient='records', lines=True, or turn it: {cure}"
    )


def _are_numbers(names: Mapping[str, Any]) -> bool:
    return all(name.isdecimal() for name in names)


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, (dict, list))


def _is_table(columns: Any, data: Any) -> bool:
    return isinstance(columns, list) and isinstance(data, list) and all(isinstance(row, list) for row in data)
