"""One turn of a conversation, as the file has it, to a message: role, text, thought, calls, what is trained.

Read are OpenAI's messages ({role, content, tool_calls, ...}) and ShareGPT's turns ({from, value}); a source's
`roles` and `turn_keys` name what a file calls otherwise.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from data_pipeline import reasons
from data_pipeline.config import SourceConfig
from data_pipeline.roles import CALL_NAMES, NAMES, ROLE_OF, Role
from data_pipeline.sources.files.records import Reject, kind_of, present, scalar_text, short
from data_pipeline.sources.values import thoughts
from data_pipeline.sources.values.keys import one_of, says_nothing, unread_keys, without_absent
from data_pipeline.sources.values.tool_calls import bare_result, calls_of, json_text, split_calls
from hunmin.rows import Message, ToolCall, with_values

# Our parts of a turn -> the keys that may hold them, where `turn_keys` names no other.
TURN_KEYS: dict[str, tuple[str, ...]] = {
    "role": ("from", "role"),
    "content": ("value", "content"),
    "reasoning": thoughts.KEYS,
    "tool_calls": ("tool_calls", "function_call"),
    "tool_call_id": ("tool_call_id",),
    "name": ("name",),
    "train": ("train", "loss"),
    "weight": ("weight",),
}
_ANSWERS = ("reasoning", "tool_calls", "train", "weight")  # parts that an assistant's turn alone has
_RESULTS = ("tool_call_id", "name")  # parts that a tool's turn alone has
_TEXT_PARTS = (None, "text", "input_text", "output_text")
_THOUGHT_PARTS = ("thinking", "reasoning")
_WORDS = {"true": 1.0, "false": 0.0}
_LEAST_WEIGHT, _GREATEST_WEIGHT = (
    1e-6,
    1e6,
)  # products of them are numbers in fp32 too, as shards have weights


Keys = Mapping[str, tuple[str, ...]]  # part of a turn -> the keys that may hold it


class Turn(NamedTuple):
    """A message, and the keys of its turn that nobody reads."""

    message: Message
    unread: list[str]


def read_turn(value: Any, number: int, source: SourceConfig) -> Turn:
    """A turn, the `number`-th of its conversation from 1.

    Raises:
        Reject: it is no turn, by somebody unknown, or holds what cannot be trained as text.
    """
    where = f"turn {number}"
    if not isinstance(value, dict):
        raise Reject(reasons.WRONG_TYPE, f"{where} is {kind_of(value)}, needed is an object: {short(value)}")
    turn = without_absent(value)
    keys, known = _keys(tuple(source.turn_keys.items()))
    named = one_of(turn, keys["role"], f"{where}: ")
    if named is None:
        raise _without(keys["role"], "role", value, where)
    role, only_calls = _role(scalar_text(named, f"the role of {where}"), where, source)
    unread = unread_keys(turn, known[role], ignore=source.ignore)
    content = one_of(turn, keys["content"], f"{where}: ")
    if only_calls:
        content, turn = None, {**turn, keys["tool_calls"][0]: content}
    if role == "assistant":
        message = _answer(turn, keys, content, where)
    elif role == "tool" and content is None and not unread:  # it gave nothing back, which is said so
        message = _result(turn, keys, "", where)
    elif content is None:
        raise _without(keys["content"], "content", value, where)
    elif role == "tool":
        message = _result(turn, keys, content, where)
    else:
        _check_untrained(turn, keys, role, where)
        text, _ = text_and_thought(content, where)
        message = Message(role=role, content=text)
    return Turn(message, unread)


@lru_cache(maxsize=64)
def _keys(named: tuple[tuple[str, str], ...]) -> tuple[Keys, dict[Role, frozenset[str]]]:
    """(part -> the keys that may hold it, role -> all keys that its turns may have) by the file's names."""
    keys = {**TURN_KEYS, **{part: (key,) for part, key in named}}
    known: dict[Role, frozenset[str]] = {
        role: frozenset(key for part, names in keys.items() if _is_of(part, role) for key in names)
        for role in NAMES
    }
    return keys, known


def _without(keys: tuple[str, ...], part: str, turn: Any, where: str) -> Reject:
    named = " or ".join(keys)
    return Reject(
        reasons.MISSING_FIELD,
        f"{where} has no key {named}: {short(turn)}; name another in turn_keys: {{{part}: KEY}}",
    )


def _is_of(part: str, role: str) -> bool:
    """Whether a turn of the role has the part; a weight is looked at everywhere."""
    if part in _ANSWERS:
        return role == "assistant" or part in ("train", "weight")
    return role == "tool" or part not in _RESULTS


def _role(name: str, where: str, source: SourceConfig) -> tuple[Role, bool]:
    """(role, whether the turn is nothing but calls) of a role as the file names it."""
    plain = name.strip().lower()
    named: dict[str, Role] = {known.strip().lower(): role for known, role in source.roles.items()}
    own = named.get(plain)
    if own is None and plain in CALL_NAMES:
        return "assistant", True
    role = own or ROLE_OF.get(plain)
    if role is None:
        raise Reject(
            reasons.UNKNOWN_ROLE,
            f"{where} is by {short(name)}; name its role in the source's roles, such as "
            f"roles: {{{name.strip()}: user}}; known are {', '.join(ROLE_OF)}",
        )
    return role, False


def _answer(turn: Mapping[str, Any], keys: Keys, content: Any, where: str) -> Message:
    calls = _calls(turn, keys["tool_calls"], where)
    if content is None and not calls:
        raise _without(keys["content"], "content", turn, where)
    text, part = text_and_thought(content, where)
    declared = one_of(turn, keys["reasoning"], f"{where}: ")
    declared = None if says_nothing(declared) else scalar_text(declared, f"the thought of {where}")
    thought, text = thoughts.with_thought(declared or part, text, f"{where}: ")
    if not calls:
        text, calls = split_calls(text, where)
    message = Message(role="assistant", content=text)
    if thought:
        message["reasoning"] = thought
    if calls:
        message["tool_calls"] = calls
    return weighted(message, weight_of(turn, (*keys["train"], *keys["weight"]), where))


def _calls(turn: Mapping[str, Any], keys: tuple[str, ...], where: str) -> list[ToolCall]:
    given = {key: turn[key] for key in keys if not says_nothing(turn.get(key))}
    return calls_of(one_of(given, keys, f"{where}: "), where)


def _result(turn: Mapping[str, Any], keys: Keys, content: Any, where: str) -> Message:
    """What a tool gave back; an object is its JSON text."""
    _check_untrained(turn, keys, "tool", where)
    text = json_text(content) if isinstance(content, dict) else text_and_thought(content, where)[0]
    message = Message(role="tool", content=bare_result(text))
    call_id, name = (one_of(turn, keys[part], f"{where}: ") for part in _RESULTS)
    if not says_nothing(call_id):
        message["tool_call_id"] = scalar_text(call_id, f"tool_call_id of {where}")
    if not says_nothing(name):
        message["name"] = scalar_text(name, f"name of {where}")
    return message


def text_and_thought(content: Any, where: str) -> tuple[str, str | None]:
    r"""The text of a content, and the thought among its parts.

    Text parts of a list are joined by line ends, as vLLM's server joins them for templates that take texts.

    Raises:
        Reject: a part is no text, such as an image.
    """
    if not isinstance(content, list):
        return scalar_text(content, f"content of {where}"), None
    texts: list[str] = []
    thought: list[str] = []
    for number, part in enumerate(content, start=1):
        place = f"part {number} of the content of {where}"
        if isinstance(part, str):
            texts.append(part)
            continue
        if not isinstance(part, dict):
            raise Reject(reasons.WRONG_TYPE, f"{place} is {kind_of(part)}, needed is a text: {short(part)}")
        kind = part.get("type")
        if kind in _TEXT_PARTS and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind in _THOUGHT_PARTS and isinstance(said := part.get(kind, part.get("text")), str):
            thought.append(said)
        elif kind in (*_TEXT_PARTS, *_THOUGHT_PARTS):
            raise Reject(reasons.WRONG_TYPE, f"{place} has no text: {short(part)}")
        else:
            raise Reject(reasons.NOT_TEXT, f"{place} is of type {short(kind)}; only text is trained")
    return "\n".join(texts), present("\n".join(thought))


def weight_of(record: Mapping[str, Any], keys: tuple[str, ...], where: str) -> float:
    """The product of the weights under the keys: true and absent are 1, false is 0.

    Raises:
        Reject: one is neither 0 nor a number from 1e-6 to 1e6.
    """
    return math.prod(  # of none: 1
        _weight(record[key], f"{key} of {where}") for key in keys if not says_nothing(record.get(key))
    )


def record_weight(value: Any) -> float:
    """The weight that a record has on all its answers.

    Raises:
        Reject: it is no number above 0; with 0 there is nothing to learn.
    """
    weight = float(weight_of({"weight": value}, ("weight",), "the record"))
    if weight == 0:
        raise Reject(reasons.NO_ANSWER, "the record has the weight 0, so there is nothing to learn")
    return weight


def _weight(value: Any, where: str) -> float:
    """A weight as a boolean, a number, or the text of one."""
    text = scalar_text(value, where).strip().lower()
    try:
        weight = _WORDS[text] if text in _WORDS else float(text)
    except ValueError:
        weight = -1.0
    if weight != 0 and not _LEAST_WEIGHT <= weight <= _GREATEST_WEIGHT:
        raise Reject(
            reasons.WRONG_TYPE,
            f"{where} is {short(value)}, needed is 0, a number from 0.000001 to 1000000, or a boolean",
        )
    return weight


def weighted(message: Message, weight: float) -> Message:
    """An assistant's message with a weight on the one that it has; 0 makes it context."""
    if message["role"] != "assistant":
        return message
    weight *= message.get("weight") or 1.0
    if weight == 0:
        return with_values(message, train=False)
    return message if weight == 1 else with_values(message, weight=weight)


def _check_untrained(turn: Mapping[str, Any], keys: Keys, role: str, where: str) -> None:
    """Refuse a turn that is to be trained and is no answer. Some files write the weight 1 on all turns."""
    for key in (*keys["train"], *keys["weight"]):
        weight = 0.0 if says_nothing(turn.get(key)) else _weight(turn[key], f"{key} of {where}")
        if weight > 0 and not (key in keys["weight"] and weight == 1):
            raise Reject(
                reasons.UNSUPPORTED_KEY,
                f"{key} of {where} is {short(turn[key])}, and it is the {role}'s; only answers are trained",
            )
