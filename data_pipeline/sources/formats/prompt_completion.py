"""A prompt and its completion, each a text or a list of messages."""

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
    is_absent,
    present,
    present_key,
    scalar_text,
    short,
)
from data_pipeline.sources.formats import RECORDS, SourceFormat
from data_pipeline.sources.values.columns import keys_for, value_at
from data_pipeline.sources.values.conversations import parse_turns
from data_pipeline.sources.values.mapping import check_fields, check_filters, family_key

PROMPT_KEYS = ("prompt", "question", "query", "input", "instruction")
COMPLETION_KEYS = ("completion", "response", "answer", "output", "target")


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
    prompt, completion = (_value(record, keys) for keys in _keys(source))
    family = family_key(record, source)
    if isinstance(prompt, list) or isinstance(completion, list):
        draft = parse_turns([*_as_turns(prompt, "user"), *_as_turns(completion, "assistant")], family)
        if not draft.messages or draft.messages[-1]["role"] != "assistant":
            raise Reject(reasons.NO_ANSWER, f"the completion ends on no assistant: {short(completion)}")
        return [draft]
    answer, asked = scalar_text(completion, "the completion"), scalar_text(prompt, "the prompt")
    if not present(answer):
        raise Reject(reasons.NO_ANSWER, "the completion is empty")
    if not present(asked):
        raise Reject(reasons.NO_PROMPT, "the prompt is empty")
    return [Draft(answer=answer, references=[answer], instruction=asked, family_key=family)]


def _value(record: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    """The value of the one key that has one, or Reject: several may each say a part of what is meant."""
    filled = [key for key in keys if record.get(key) not in ("", []) and not is_absent(record.get(key))]
    if any(record[key] != record[filled[0]] for key in filled):
        raise Reject(
            reasons.SEVERAL_KEYS,
            f"{' and '.join(filled)} all have a value; name the one that is meant in columns, or use format "
            "alpaca or table",
        )
    return value_at(record, filled[0] if filled else present_key(record, keys) or keys[0])


def _as_turns(value: Any, role: str) -> list[Any]:
    return value if isinstance(value, list) else [{"role": role, "content": value}]


FORMAT = SourceFormat(
    records=pair_records,
    parse=parse_prompt_completion,
    settings=RECORDS | {"columns", "missing"},
    check=lambda source, where: check_fields(source.columns, where, known=("instruction", "answer")),
)
