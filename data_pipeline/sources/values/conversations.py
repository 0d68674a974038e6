"""ShareGPT, Vicuna and OpenAI-style messages: turns with a role.

Whether the turns alternate, and what becomes of a question nobody answered, is judged in `rows.validate`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from data_pipeline import reasons
from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.json_text import decode_nested
from data_pipeline.sources.files.objects import object_records
from data_pipeline.sources.files.records import (
    Draft,
    Record,
    Reject,
    Unit,
    as_object,
    is_absent,
    kind_of,
    present,
    short,
)
from data_pipeline.sources.values.columns import is_text, keys_for, text_of, value_at
from data_pipeline.sources.values.keys import keys_read, one_of, unread_keys
from data_pipeline.sources.values.mapping import check_fields, check_filters, family_key
from data_pipeline.sources.values.tool_calls import tools_text
from data_pipeline.sources.values.turns import TURN_KEYS, read_turn, record_weight, text_and_thought
from hunmin.rows import Message, said_by, with_values

# Our parts of a record -> the keys that may hold them, where `columns` names no other.
USUAL = {"system": ("system", "system_prompt"), "tools": ("tools", "functions")}
FIELDS = ("messages", "system", "tools", "weight")
SETTINGS = frozenset({"filters", "family", "join", "ignore", "columns", "roles", "turn_keys", "join_turns"})


def conversation_records(unit: Unit, source: SourceConfig, *, keys: tuple[str, ...]) -> Iterator[Record]:
    """The records of a file of conversations, whose turns stand under one of the keys."""
    if "messages" in source.columns:
        keys = keys_for(source.columns["messages"])
    return object_records(unit, source, needed={"the list of turns": keys})


def check_conversation(source: SourceConfig, where: str) -> None:
    """Refuse parts of records and turns that there are not.

    Raises:
        ConfigError: names the part and what it may have been meant to be.
    """
    check_fields(source.columns, where, known=FIELDS)
    check_fields(source.turn_keys, where, known=tuple(TURN_KEYS), setting="turn_keys")


def parse_conversation(value: Any, source: SourceConfig, *, keys: tuple[str, ...]) -> list[Draft]:
    """One draft: the whole conversation, with its last question and answer as fields."""
    record = as_object(value)
    check_filters(record, source)
    key, turns = _turn_list(record, keys, source)
    read = {*keys_for(key), *keys_read(source, source.columns)}
    read |= {name for field, names in USUAL.items() if field not in source.columns for name in names}
    unread = unread_keys(record, read, ignore=source.ignore)
    draft = parse_turns(
        turns,
        source,
        family=family_key(record, source),
        system=_value(record, "system", source),
        tools=_value(record, "tools", source),
        weight=_value(record, "weight", source),
        key=key,
    )
    return [replace(draft, unread=(*unread, *draft.unread))]


def _value(record: Mapping[str, Any], field: str, source: SourceConfig) -> Any:
    """What the record has of a field, by the source's column or else by the usual keys; None for nothing."""
    if field not in source.columns:
        return one_of(record, USUAL.get(field, ()), "")
    spec = source.columns[field]
    return text_of(record, spec) if is_text(spec) else value_at(record, spec, optional=True)


def parse_turns(
    turns: Sequence[Any],
    source: SourceConfig,
    *,
    family: str | None,
    system: Any = None,
    tools: Any = None,
    weight: Any = None,
    key: str = "messages",
) -> Draft:
    """The draft of a list of turns as the file has them: objects {from, value} or {role, content}.

    Args:
        system: a text that stands elsewhere in the record, for conversations that begin without one.
        tools, weight: of the record.
        key: under which the turns stand, for naming what is not read.

    Raises:
        Reject: a turn cannot be read, or no answer is to be learnt.
    """
    found = [read_turn(turn, number, source) for number, turn in enumerate(turns, start=1)]
    messages = _with_system(system, [turn.message for turn in found])
    # An empty system turn says nothing; without it the conversation is the same.
    messages = [turn for turn in messages if turn["role"] != "system" or present(turn["content"])]
    messages = _with_calls_joined(messages)
    asked, answer = last_pair(messages)
    return Draft(
        answer=answer,
        references=[answer],
        instruction=asked,
        messages=messages,
        tools=tools_text(tools),
        weight=record_weight(weight),
        family_key=family,
        unread=tuple(dict.fromkeys(f"{key}.*.{name}" for turn in found for name in turn.unread)),
    )


def _with_system(value: Any, messages: list[Message]) -> list[Message]:
    """The messages below a system text that stands beside them.

    Raises:
        Reject: they begin with another one.
    """
    text = "" if is_absent(value) else text_and_thought(value, "system")[0]
    if not present(text) or not messages:
        return messages
    if messages[0]["role"] != "system" or not present(messages[0]["content"]):
        return [{"role": "system", "content": text}, *messages]
    if messages[0]["content"].strip() != text.strip():
        own = short(messages[0]["content"])
        raise Reject(reasons.CONTRADICTION, f"system is {short(text)}, and the first turn is {own}")
    return messages


def _with_calls_joined(messages: list[Message]) -> list[Message]:
    """Calls that have a turn of their own, as in ShareGPT, are part of the assistant's turn before them."""
    joined: list[Message] = []
    for message in messages:
        before = joined[-1] if joined else None
        calls = message.get("tool_calls") or []
        if before and before["role"] == "assistant" and calls and not message["content"]:
            same = all(before.get(key) == message.get(key) for key in ("train", "weight"))
            if same and not message.get("reasoning"):
                joined[-1] = with_values(before, tool_calls=[*(before.get("tool_calls") or []), *calls])
                continue
        joined.append(message)
    return joined


def _turn_list(
    record: Mapping[str, Any], keys: tuple[str, ...], source: SourceConfig
) -> tuple[str, list[Any]]:
    """(key, turns) by the source's column, or else the first of the keys; the list may be JSON text."""
    declared = source.columns.get("messages")
    key = declared or next((key for key in keys if not is_absent(record.get(key))), keys[0])
    value = value_at(record, key, optional=True)
    if is_absent(value):
        raise Reject(reasons.MISSING_FIELD, f"no key {key}; the record has {short(list(record))}")
    turns = turns_in(value)
    if turns is None:
        raise Reject(
            reasons.WRONG_TYPE, f"{key} is {kind_of(value)}, needed is a list of turns: {short(value)}"
        )
    if not turns:
        raise Reject(reasons.EMPTY_CONVERSATION, f"{key} is an empty list")
    return key, turns


def turns_in(value: Any) -> list[Any] | None:
    """The list that a value is, or whose JSON text it is; its items may be JSON text too. None for others."""
    value = _from_json(value, "[")
    return [_from_json(turn, "{") for turn in value] if isinstance(value, list) else None


def _from_json(value: Any, sign: str) -> Any:
    """What a text that begins with the sign says as JSON; anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(sign):
        return value
    try:
        return decode_nested(value)
    except (ValueError, RecursionError):
        return value


def last_pair(turns: list[Message]) -> tuple[str | None, str]:
    """The last answer and the question before it, or Reject. Calls are an answer too."""
    answered = [number for number, turn in enumerate(turns) if turn["role"] == "assistant"]
    if not answered:
        raise Reject(reasons.NO_ANSWER, f"no turn of an assistant among {len(turns)}")
    last = answered[-1]
    answer = said_by(turns[last])
    if not present(answer):
        raise Reject(reasons.NO_ANSWER, f"the last answer, turn {last + 1}, is empty")
    if all(turns[number].get("train") is False for number in answered):
        raise Reject(reasons.NO_ANSWER, "every answer has the weight 0, so there is nothing to learn")
    questions = [turn["content"] for turn in turns[:last] if turn["role"] == "user"]
    return (questions[-1] if questions else None), answer
