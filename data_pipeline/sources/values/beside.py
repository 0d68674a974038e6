"""What a record of fields may hold beside question and answer: system text, earlier turns, a thought.

A record that has one of them becomes a conversation, for only that can hold them. Tools and a weight are the
row's in any shape.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from data_pipeline import reasons
from data_pipeline.sources.files.records import Draft, Reject, kind_of, present, scalar_text, short
from data_pipeline.sources.values import thoughts
from data_pipeline.sources.values.columns import is_text, text_of, value_at
from data_pipeline.sources.values.keys import one_of, says_nothing
from data_pipeline.sources.values.tool_calls import tools_text
from data_pipeline.sources.values.turns import record_weight
from hunmin.rows import Message

# Our fields -> the keys that may hold them where `columns` names no other and the format has usual names.
USUAL: dict[str, tuple[str, ...]] = {
    "system": ("system", "system_prompt"),
    "history": ("history",),
    "reasoning": thoughts.KEYS,
    "tools": ("tools", "functions"),
}
FIELDS = (*USUAL, "weight")


def usual_keys(columns: Mapping[str, str]) -> set[str]:
    """The keys that are read by their usual names: those of the fields that are not mapped."""
    return {key for field, keys in USUAL.items() if field not in columns for key in keys}


def completed(
    draft: Draft, record: Mapping[str, Any], columns: Mapping[str, str], *, usual: bool = False
) -> Draft:
    """The draft with what else its record holds.

    Args:
        draft: a row of fields.
        columns: our field -> what holds it in the record.
        usual: fields that are not mapped are read by their usual names.

    Raises:
        Reject: one of them cannot be read, contradicts another, or leaves nothing to ask.
    """
    found = {field: _value(record, field, columns, usual=usual) for field in FIELDS}
    draft = replace(draft, tools=tools_text(found["tools"]), weight=record_weight(found["weight"]))
    thought = None if found["reasoning"] is None else scalar_text(found["reasoning"], "the thought")
    if draft.label is None:  # a label is the name of a class: whatever its signs, there is no thought in it
        thought, answer = thoughts.with_thought(thought, draft.answer, "")
        draft = replace(draft, answer=answer, references=[answer])
    if not present(draft.answer):
        raise Reject(reasons.NO_ANSWER, "there is nothing behind the thought")
    system = None if found["system"] is None else present(scalar_text(found["system"], "system"))
    history = [] if found["history"] is None else _turns(found["history"])
    if thought or system or history:
        return _conversation(draft, thought, system, history)
    return draft


def _conversation(draft: Draft, thought: str | None, system: str | None, history: list[Message]) -> Draft:
    if draft.instruction is None:
        raise Reject(
            reasons.NO_PROMPT,
            "a record with a thought, a system text or earlier turns needs an instruction of its own",
        )
    asked = "\n\n".join(part for part in (draft.instruction, draft.input) if part)
    reply = Message(role="assistant", content=draft.answer)
    if thought:
        reply["reasoning"] = thought
    first: list[Message] = [{"role": "system", "content": system}] if system else []
    messages: list[Message] = [*first, *history, {"role": "user", "content": asked}, reply]
    return replace(draft, instruction=asked, input=None, messages=messages)


def for_turns(record: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """System text, tools and weight of a record whose question or answer is a list of turns.

    Raises:
        Reject: a thought or a history stands beside turns, which hold their own.
    """
    found = {field: _value(record, field, columns, usual=True) for field in FIELDS}
    for field in ("reasoning", "history"):
        if found[field] is not None:
            raise Reject(
                reasons.UNSUPPORTED_KEY, f"{field} stands beside a list of turns: {short(found[field])}"
            )
    return {field: found[field] for field in ("system", "tools", "weight")}


def _value(record: Mapping[str, Any], field: str, columns: Mapping[str, str], *, usual: bool) -> Any:
    """What the record has of a field; None where that says nothing."""
    if field in columns:
        spec = columns[field]
        value = text_of(record, spec) if is_text(spec) else value_at(record, spec, optional=True)
    else:
        value = one_of(record, USUAL.get(field, ()), "") if usual else None
    return None if says_nothing(value) else value


def _turns(value: Any) -> list[Message]:
    """Earlier turns as pairs [question, answer], as Alpaca files of several turns have them."""
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise Reject(
            reasons.WRONG_TYPE,
            f"history is {kind_of(value)}, needed is a list of pairs [question, answer]: {short(value)}",
        )
    return [
        Message(role=role, content=scalar_text(text, f"history, pair {number}"))
        for number, pair in enumerate(value, start=1)
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
