"""Calls of tools and the tools themselves, from the shapes that files have to the one that templates read.

Read are OpenAI's shape ({id, type, function: {name, arguments}}), bare calls ({name, arguments}), and JSON
text of either. Arguments stay JSON text in the file's spelling, for servers send and get them as text.
"""

import re
from collections.abc import Iterator
from typing import Any

from data_pipeline import reasons
from data_pipeline.sources.files.json_text import checked, decode_at, decode_nested, encode
from data_pipeline.sources.files.records import Reject, is_absent, kind_of, present, short
from data_pipeline.sources.values.keys import says_nothing, without_absent
from hunmin.rows import ToolCall

ARGUMENTS = ("arguments", "parameters")
_WHITE = " \t\r\n"
# As Hermes, Qwen and others write them into the text.
_TAGGED = re.compile(r"\s*<tool_call>(.*?)</tool_call>\s*", re.DOTALL)
_TAGGED_RESULT = re.compile(r"\s*<tool_response>((?:(?!<tool_response>).)*)</tool_response>\s*", re.DOTALL)


def calls_of(value: Any, where: str) -> list[ToolCall]:
    """The calls of a turn: one, or a list of them, as values or as JSON text (several texts in a row too).

    Raises:
        Reject: a call has no name, is of no function, or its arguments are no JSON object.
    """
    values = _several(value, where) if isinstance(value, str) else value
    calls = [] if says_nothing(values) else values if isinstance(values, list) else [values]
    return [_call(one, f"call {number} of {where}") for number, one in enumerate(calls, start=1)]


def split_calls(text: str, where: str) -> tuple[str, list[ToolCall]]:
    """(text, calls) of an assistant's text that ends in `<tool_call>` blocks; no call where it does not.

    Blocks that hold no call as JSON are text.
    """
    start = text.find("<tool_call>")
    if start < 0 or not re.fullmatch(f"(?:{_TAGGED.pattern})+", text[start:], re.DOTALL):
        return text, []
    try:
        calls = [call for block in _TAGGED.findall(text[start:]) for call in calls_of(block, where)]
    except Reject:
        return text, []
    return text[:start].rstrip(), calls


def bare_result(text: str) -> str:
    """A tool's result without the `<tool_response>` tags around it; several of them stay as they are."""
    found = _TAGGED_RESULT.fullmatch(text)
    return found[1].strip() if found else text


def _several(text: str, where: str) -> list[Any]:
    values: list[Any] = []
    for value in _json_values(text, where):
        values += value if isinstance(value, list) else [value]
    return values


def _json_values(text: str, where: str) -> Iterator[Any]:
    pos = 0
    while pos < len(text):
        if text[pos] in _WHITE:
            pos += 1
            continue
        try:
            value, pos = decode_at(text, pos)
        except (ValueError, RecursionError) as error:
            raise Reject(
                reasons.BROKEN_TOOL_CALL, f"the calls of {where} are no JSON: {short(text)}"
            ) from error
        if isinstance(value, Reject):
            raise Reject(reasons.BROKEN_TOOL_CALL, f"the calls of {where}: {value}")
        yield value


def _call(value: Any, where: str) -> ToolCall:
    call = json_object(value, reasons.BROKEN_TOOL_CALL, where)
    kind = call.get("type")
    if kind not in (None, "function"):
        raise Reject(reasons.BROKEN_TOOL_CALL, f"{where} is of type {short(kind)}, known is function")
    function = json_object(call.get("function", call), reasons.BROKEN_TOOL_CALL, where)
    name, call_id = function.get("name"), call.get("id")
    if not isinstance(name, str) or not present(name):
        raise Reject(reasons.BROKEN_TOOL_CALL, f"{where} has no name: {short(call)}")
    given = next((function[key] for key in ARGUMENTS if not is_absent(function.get(key))), "")
    return {
        "id": None if says_nothing(call_id) else str(call_id),
        "name": name.strip(),
        "arguments": _arguments(given, f"{where} ({name})"),
    }


def _arguments(value: Any, where: str) -> str:
    """JSON text of an object, in the file's spelling where the file has a text."""
    if isinstance(value, str) and not value.strip():
        return "{}"
    text = value.strip() if isinstance(value, str) else json_text(value)
    json_object(text, reasons.BROKEN_TOOL_CALL, f"the arguments of {where}")
    return text


def tools_text(value: Any) -> str | None:
    """The tools of a record as JSON text: a list of {type: function, function: {name, ...}}; None without.

    Bare functions, as ShareGPT and the older `functions` have them, are put into that shape, for it is what
    servers hand to a template.

    Raises:
        Reject: they are no list of objects with names.
    """
    text = value.strip() if isinstance(value, str) else None
    tools = _loaded(text, reasons.BROKEN_TOOLS, "tools") if text else value
    if text == "" or says_nothing(tools):
        return None
    if not isinstance(tools, list):
        raise Reject(reasons.BROKEN_TOOLS, f"tools is {kind_of(tools)}, needed is a list: {short(tools)}")
    whole = [_tool(tool, f"tool {number}") for number, tool in enumerate(tools, start=1)]
    return text if text is not None and whole == tools else json_text(whole)


def _tool(value: Any, where: str) -> dict[str, Any]:
    tool = json_object(value, reasons.BROKEN_TOOLS, where)
    function = json_object(tool.get("function", tool), reasons.BROKEN_TOOLS, where)
    if not isinstance(function.get("name"), str) or not present(function["name"]):
        raise Reject(reasons.BROKEN_TOOLS, f"{where} has no name: {short(tool)}")
    return {"type": "function", **(tool if "function" in tool else {"function": tool})}


def json_object(value: Any, reason: str, where: str) -> dict[str, Any]:
    """The object, also from its JSON text.

    Raises:
        Reject: with this reason, where it is none.
    """
    found = _loaded(value, reason, where) if isinstance(value, str) else value
    if not isinstance(found, dict):
        raise Reject(reason, f"{where} is {kind_of(found)}, needed is an object: {short(found)}")
    return found


def _loaded(text: str, reason: str, where: str) -> Any:
    try:
        value = checked(decode_nested(text))
    except (ValueError, RecursionError) as error:
        raise Reject(reason, f"{where} is no JSON: {short(text)}") from error
    if isinstance(value, Reject):
        raise Reject(reason, f"{where}: {value}")
    return value


def json_text(value: Any) -> str:
    """A value as JSON text, letters as they are; keys of objects without a value are left out.

    Parquet gives each object the keys of all others of its column, as nulls.

    Raises:
        Reject: it holds something that JSON has no form for, such as the bytes of a Parquet file.
    """
    return encode(_without_absent_inside(value))


def _without_absent_inside(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_absent_inside(inner) for key, inner in without_absent(value).items()}
    return [_without_absent_inside(inner) for inner in value] if isinstance(value, list) else value
