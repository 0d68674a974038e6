"""A prompt and its completion, each a text or a list of messages; or the questions of a conversation and as
many answers, as two lists of texts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeGuard

from data_pipeline import reasons
from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.objects import object_records
from data_pipeline.sources.files.records import (
    Draft,
    Record,
    Reject,
    Unit,
    as_object,
    present,
    present_key,
    scalar_text,
    short,
)
from data_pipeline.sources.formats import KEYED, SourceFormat
from data_pipeline.sources.values import beside
from data_pipeline.sources.values.columns import keys_for, value_at
from data_pipeline.sources.values.conversations import parse_turns, turns_in
from data_pipeline.sources.values.keys import keys_read, one_of, says_nothing, unread_keys
from data_pipeline.sources.values.mapping import check_fields, check_filters, family_key
from data_pipeline.sources.values.turns import TURN_KEYS

PROMPT_KEYS = ("prompt", "question", "query", "input", "instruction")
COMPLETION_KEYS = ("completion", "response", "answer", "output", "target")
FIELDS = ("instruction", "answer", *beside.FIELDS)


def pair_records(unit: Unit, source: SourceConfig) -> Iterator[Record]:
    """The records of a file of prompts and completions."""
    prompts, completions = _keys(source)
    needed = {
        "the prompt": tuple(key for name in prompts for key in keys_for(name)),
        "the completion": tuple(key for name in completions for key in keys_for(name)),
    }
    return object_records(unit, source, needed=needed)


def _keys(source: SourceConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys that may hold prompt and completion: those of the config, else the usual names."""
    given = source.columns
    prompts = (given["instruction"],) if "instruction" in given else PROMPT_KEYS
    completions = (given["answer"],) if "answer" in given else COMPLETION_KEYS
    return prompts, completions


def parse_prompt_completion(value: Any, source: SourceConfig) -> list[Draft]:
    """One draft: a row where both are texts, else the conversation of all their messages."""
    record = as_object(value)
    check_filters(record, source)
    paths = _keys(source)
    prompt, completion = (_turns_or_text(_value(record, keys)) for keys in paths)
    family = family_key(record, source)
    read = {key for keys in paths for path in keys for key in keys_for(path)}
    read |= keys_read(source, source.columns) | beside.usual_keys(source.columns)
    unread = tuple(unread_keys(record, read, ignore=source.ignore))
    if isinstance(prompt, list) or isinstance(completion, list):
        turns = _turns_of(prompt, completion)
        draft = parse_turns(turns, source, family=family, **beside.for_turns(record, source.columns))
        if not draft.messages or draft.messages[-1]["role"] != "assistant":
            raise Reject(reasons.NO_ANSWER, f"the completion ends on no assistant: {short(completion)}")
        return [replace(draft, unread=(*unread, *draft.unread))]
    answer, asked = scalar_text(completion, "the completion"), scalar_text(prompt, "the prompt")
    if not present(answer):
        raise Reject(reasons.NO_ANSWER, "the completion is empty")
    if not present(asked):
        raise Reject(reasons.NO_PROMPT, "the prompt is empty")
    draft = Draft(answer=answer, references=[answer], instruction=asked, family_key=family, unread=unread)
    return [beside.completed(draft, record, source.columns, usual=True)]


def _turns_or_text(value: Any) -> Any:
    """The value; a text that is the JSON of a list of turns as that list."""
    turns = turns_in(value) or []
    return (
        turns
        if all(isinstance(turn, dict) and {"role", "from"} & turn.keys() for turn in turns) and turns
        else value
    )


def _value(record: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    """The value of the one key that has one, or Reject: several may each say a part of what is meant."""
    value = one_of(record, keys, "")
    return value_at(record, present_key(record, keys) or keys[0]) if value is None else value


def _turns_of(prompt: Any, completion: Any) -> list[Any]:
    """The turns of a conversation: those of both lists, or a question of the one and its answer of the other.

    Raises:
        Reject: a question has no answer, or an answer no question.
    """
    if not are_texts(prompt):
        return [*_as_turns(prompt, "user"), *_as_turns(completion, "assistant")]
    answers = completion if isinstance(completion, list) else [completion]
    unanswered = [number for number, one in enumerate(answers, start=1) if says_nothing(one)]
    if len(unanswered) == len(answers):
        raise Reject(reasons.NO_ANSWER, f"none of the {len(prompt)} questions has an answer")
    if unanswered or len(answers) < len(prompt):
        number = unanswered[0] if unanswered else len(answers) + 1
        raise Reject(
            reasons.NO_ANSWER, f"question {number} of {len(prompt)} has no answer: {short(completion)}"
        )
    if len(answers) > len(prompt):
        raise Reject(
            reasons.CONTRADICTION,
            f"{len(prompt)} question(s) and {len(answers)} answers, needed is one each: {short(completion)}",
        )
    return [
        {"role": role, "content": text}
        for pair in zip(prompt, answers, strict=True)
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]


def are_texts(value: Any) -> TypeGuard[list[str]]:
    """Whether a value is a list of texts, such as the questions of a conversation."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _as_turns(value: Any, role: str) -> list[Any]:
    return value if isinstance(value, list) else [{"role": role, "content": value}]


def _check(source: SourceConfig, where: str) -> None:
    check_fields(source.columns, where, known=FIELDS)
    check_fields(source.turn_keys, where, known=tuple(TURN_KEYS), setting="turn_keys")


FORMAT = SourceFormat(
    records=pair_records,
    parse=parse_prompt_completion,
    settings=KEYED | {"columns", "missing", "roles", "turn_keys"},
    check=_check,
)
