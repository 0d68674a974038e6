"""Tool calls as chat templates write them, read back as names and JSON values.

Templates agree on no form. Which one a template writes is found by trying: the reader that gives a known call
back from what the template wrote for it.
"""

import ast
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from hunmin.rows import ToolCall

# The calls of a text, in order. Raises ValueError where one cannot be read.
ReadCalls = Callable[[str], list[ToolCall]]

_NAME = r"([A-Za-z_][\w.-]*)"
_TAGGED = re.compile(
    rf"<(?:function=|[\w:]*invoke name=\"){_NAME}\"?>(.*?)</(?:function|[\w:]*invoke)>", re.DOTALL
)
_TAGGED_ARGUMENT = re.compile(
    r"<(?:parameter=|[\w:]*parameter name=\")([^\">]+)\"?[^>]*>\n?(.*?)\n?</[\w:]*parameter>", re.DOTALL
)
_PAIRED = re.compile(rf"<tool_call>\s*{_NAME}(.*?)</tool_call>", re.DOTALL)
_PAIRED_ARGUMENT = re.compile(r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", re.DOTALL)
_QUOTE = '<|"|>'
_BARE_KEY = re.compile(r"([{,]\s*)([A-Za-z_][\w.-]*):")
_CANONICAL = re.compile(r"<tool_call>(\{.*\})</tool_call>")  # a line each
_DECODER = json.JSONDecoder()


def call_of(name: str, arguments: object) -> ToolCall:
    """A call with its arguments in one spelling of JSON.

    Raises:
        ValueError: the arguments are no object.
    """
    if not isinstance(arguments, dict):
        raise ValueError(f"the arguments of {name} are no JSON object")
    return {"id": None, "name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}


def same_spelling(calls: Iterable[ToolCall]) -> list[ToolCall]:
    """The calls of a row, without ids, their arguments in the spelling of `call_of`.

    Raises:
        ValueError: the arguments of one are no JSON object.
    """
    return [call_of(call["name"], json.loads(call["arguments"] or "{}")) for call in calls]


def with_calls(content: str, calls: Sequence[ToolCall]) -> str:
    """An answer as one text, whatever its template: its content, then each call on a line."""
    lines = [
        f'<tool_call>{{"name": {json.dumps(call["name"], ensure_ascii=False)}, '
        f'"arguments": {call["arguments"]}}}</tool_call>'
        for call in calls
    ]
    return "\n".join([content, *lines] if content else lines)


def calls_in(text: str) -> list[ToolCall]:
    """The calls of a text that `with_calls` wrote; a line that only looks like one is the content's."""
    found = (_CANONICAL.fullmatch(line) for line in text.splitlines())
    return [call for match in found if match and (call := _canonical_call(match[1]))]


def _canonical_call(text: str) -> ToolCall | None:
    try:
        found = json.loads(text)
        name = found.get("name")
        return call_of(name, found.get("arguments")) if isinstance(name, str) else None
    except (ValueError, RecursionError):
        return None


def reader_of(written: str, call: ToolCall) -> ReadCalls | None:
    """The reader for a template that wrote `written` for one call; None where none gives the call back."""
    (wanted,) = same_spelling([call])
    between = _between(written, wanted["name"])
    readers: list[ReadCalls] = [_objects, _tagged, _paired, _bare_keys, _python_calls]
    if between is not None:
        readers.append(lambda text: list(_named_objects(text, between)))
    for read in readers:
        try:
            if read(written) == [wanted]:
                return read
        except ValueError:
            continue
    return None


def _between(written: str, name: str) -> str | None:
    """What stands between a call's name and the object of its arguments."""
    _, found, behind = written.partition(name)
    gap, brace, _ = behind.partition("{")
    return gap if found and brace and gap.strip() else None


def _objects(text: str) -> list[ToolCall]:
    """{"name": …, "arguments" or "parameters": …}, with any signs around them: Qwen, Llama 3.1, Hermes."""
    calls, at = [], text.find("{")
    while at >= 0:
        found, end = _DECODER.raw_decode(text, at)
        arguments = found.get("arguments", found.get("parameters"))
        if not isinstance(found.get("name"), str):
            raise ValueError("an object without a name")
        calls.append(
            call_of(found["name"], json.loads(arguments) if isinstance(arguments, str) else arguments)
        )
        at = text.find("{", end)
    return calls


def _named_objects(text: str, between: str) -> Iterator[ToolCall]:
    """A name, what a template writes behind it, the object of the arguments: DeepSeek, gpt-oss, Mistral."""
    for found in re.finditer(rf"{_NAME}{re.escape(between)}(?=\{{)", text):
        name = found[1].removeprefix("functions.")
        yield call_of(name, _DECODER.raw_decode(text, found.end())[0])


def _tagged(text: str) -> list[ToolCall]:
    """<function=…><parameter=…> or <invoke name=…><parameter name=…>: Qwen3-Coder, Qwen3.5, Nemotron."""
    return _of_pairs(_TAGGED, _TAGGED_ARGUMENT, text)


def _paired(text: str) -> list[ToolCall]:
    """<tool_call>name <arg_key>…</arg_key> <arg_value>…</arg_value>: GLM-4.5."""
    return _of_pairs(_PAIRED, _PAIRED_ARGUMENT, text)


def _of_pairs(call: re.Pattern[str], argument: re.Pattern[str], text: str) -> list[ToolCall]:
    return [
        call_of(name, {key: _value(value) for key, value in argument.findall(body)})
        for name, body in call.findall(text)
    ]


def _value(text: str) -> Any:
    """A JSON value; a text that is none stands for itself, for these forms write texts without quotes."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _bare_keys(text: str) -> list[ToolCall]:
    """call:name{key:value} with texts between quotes of its own: Gemma 4."""
    pieces = text.split(_QUOTE)
    spelled = "".join(
        json.dumps(piece) if at % 2 else _BARE_KEY.sub(r'\1"\2":', piece) for at, piece in enumerate(pieces)
    )
    return [
        call_of(found[1], _DECODER.raw_decode(spelled, found.end())[0])
        for found in re.finditer(rf"call:{_NAME}(?=\{{)", spelled)
    ]


def _python_calls(text: str) -> list[ToolCall]:
    """[name(key='value')] as Python writes it: LFM2, Llama 3.2."""
    first, last = text.find("["), text.rfind("]")
    try:
        tree = ast.parse(text[first : last + 1], mode="eval").body
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError("no Python list") from error
    if not isinstance(tree, ast.List) or not all(isinstance(one, ast.Call) for one in tree.elts):
        raise ValueError("no Python list of calls")
    calls = [one for one in tree.elts if isinstance(one, ast.Call)]
    return [
        call_of(ast.unparse(one.func), {str(key.arg): ast.literal_eval(key.value) for key in one.keywords})
        for one in calls
    ]
