"""ShareGPT, Vicuna and OpenAI-style messages: turns with a role.

Whether the turns alternate, and what becomes of a question nobody answered, is judged in `rows.validate`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from data_pipeline import reasons
from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.objects import object_records
from data_pipeline.sources.files.records import (
    Draft,
    Record,
    Reject,
    Unit,
    as_object,
    kind_of,
    present,
    scalar_text,
    short,
)
from data_pipeline.sources.values.mapping import check_filters, family_key
from hunmin.rows import Message

ROLES = {
    "system": ("system", "developer"),
    "user": ("human", "user", "prompter", "instruction", "사용자"),
    "assistant": ("gpt", "assistant", "bot", "chatgpt", "chatbot", "model", "vicuna", "도우미"),
}
_ROLE_OF = {name: role for role, names in ROLES.items() for name in names}


def conversation_records(unit: Unit, source: SourceConfig, *, keys: tuple[str, ...]) -> Iterator[Record]:
    """The records of a file of conversations, whose turns stand under one of the keys."""
    return object_records(unit, source, needed={"the list of turns": keys})


def parse_conversation(value: Any, source: SourceConfig, *, keys: tuple[str, ...]) -> list[Draft]:
    """One draft: the whole conversation, with its last question and answer as fields."""
    record = as_object(value)
    check_filters(record, source)
    system = record.get("system")  # some files keep it beside the turns
    beside: list[Message] = [{"role": "system", "content": system}] if isinstance(system, str) else []
    return [parse_turns(_turn_list(record, keys), family_key(record, source), beside=beside)]


def parse_turns(turns: list[Any], family: str | None, *, beside: list[Message] | None = None) -> Draft:
    """The draft of a list of turns as the file has them: objects {from, value} or {role, content}.

    `beside` is a system turn elsewhere in the record, for conversations that begin without one.
    """
    read = [_turn(turn, number) for number, turn in enumerate(turns, start=1)]
    if beside and read and read[0]["role"] != "system":
        read = [*beside, *read]
    # An empty system turn says nothing; without it the conversation is the same.
    read = [turn for turn in read if turn["role"] != "system" or present(turn["content"])]
    asked, answer = last_pair(read)
    return Draft(answer=answer, references=[answer], instruction=asked, messages=read, family_key=family)


def _turn_list(record: Mapping[str, Any], keys: tuple[str, ...]) -> list[Any]:
    key = next((key for key in keys if key in record), None)
    if key is None:
        raise Reject(reasons.MISSING_FIELD, f"no key {keys[0]}; the record has {short(list(record))}")
    turns = record[key]
    if not isinstance(turns, list):
        raise Reject(
            reasons.WRONG_TYPE,
            f"{key} is {kind_of(turns)}, needed is a list of turns: {short(turns)}",
        )
    if not turns:
        raise Reject(reasons.EMPTY_CONVERSATION, f"{key} is an empty list")
    return turns


def _turn(turn: Any, number: int) -> Message:
    """Role and content of a turn spelled {from, value} or {role, content}."""
    if not isinstance(turn, dict):
        raise Reject(
            reasons.WRONG_TYPE,
            f"turn {number} is {kind_of(turn)}, needed is an object: {short(turn)}",
        )
    texts = []
    for keys in (("from", "role"), ("value", "content")):
        key = next((key for key in keys if key in turn), None)
        if key is None:
            raise Reject(
                reasons.MISSING_FIELD, f"turn {number} has no key {' or '.join(keys)}: {short(turn)}"
            )
        texts.append(scalar_text(turn[key], f"{key} of turn {number}"))
    role = _ROLE_OF.get(texts[0].strip().lower())
    if role is None:
        raise Reject(
            reasons.UNKNOWN_ROLE,
            f"turn {number} is by {short(texts[0])}; known are {', '.join(_ROLE_OF)}",
        )
    return {"role": role, "content": texts[1]}


def last_pair(turns: list[Message]) -> tuple[str | None, str]:
    """The last answer and the question before it, or Reject."""
    answered = [number for number, turn in enumerate(turns) if turn["role"] == "assistant"]
    if not answered:
        raise Reject(reasons.NO_ANSWER, f"no turn of an assistant among {len(turns)}")
    last = answered[-1]
    if not present(turns[last]["content"]):
        raise Reject(reasons.NO_ANSWER, f"the last answer, turn {last + 1}, is empty")
    questions = [turn["content"] for turn in turns[:last] if turn["role"] == "user"]
    return (questions[-1] if questions else None), turns[last]["content"]
