"""From named values to drafts: columns, labels, filters, family. Alpaca is one such mapping."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from data_pipeline import reasons
from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.objects import object_records
from data_pipeline.sources.files.records import Draft, Record, Reject, Unit, present, short
from data_pipeline.sources.settings import columns_of
from data_pipeline.sources.values.columns import columns_in, items_of, keys_for, text_of

_RANGE = re.compile(r"(-?[0-9]+)-(-?[0-9]+)")
_INTEGER = re.compile(r"-?[0-9]+")


def mapped_object_records(unit: Unit, source: SourceConfig) -> Iterator[Record]:
    """The records of an Alpaca file, or of a table in JSON, Parquet or Arrow."""
    return object_records(unit, source, needed=needed_keys(source))


def needed_keys(source: SourceConfig) -> dict[str, tuple[str, ...]]:
    """What records of a mapped source must hold -> the keys that may hold it."""
    if source.each is not None:  # the items may hold all the rest
        return {"each": keys_for(source.each)}
    needed: dict[str, tuple[str, ...]] = {}
    for field, spec in columns_of(source).items():
        for path in [] if _optional(field, source) else columns_in(spec):
            needed[field if path == spec else f"{field}: {path}"] = keys_for(path)
    return needed | {f"filters: {rule.column}": keys_for(rule.column) for rule in source.filters}


def parse_mapped(record: Mapping[str, Any], source: SourceConfig) -> list[Draft | Reject]:
    """The draft of a record by the source's columns; with `each`, one outcome for each item."""
    if source.each is None:
        return [_draft(record, source)]
    return [_outcome(item, source) for item in items_of(record, source.each)]


def _outcome(item: Mapping[str, Any] | Reject, source: SourceConfig) -> Draft | Reject:
    try:
        return item if isinstance(item, Reject) else _draft(item, source)
    except Reject as reject:
        return reject


def _draft(record: Mapping[str, Any], source: SourceConfig) -> Draft:
    check_filters(record, source)
    columns = columns_of(source)
    texts = {
        field: text_of(record, spec, optional=_optional(field, source)) for field, spec in columns.items()
    }
    answer, label, value = answer_and_label(texts.get("answer"), texts.get("label"), source)
    instruction, input_text = present(texts.get("instruction")), present(texts.get("input"))
    # An instruction that says the same for every record needs something to say it of.
    said_of_all = "input" in columns and not columns_in(columns.get("instruction", ""))
    if input_text is None and (instruction is None or said_of_all):
        asked = [columns[field] for field in ("instruction", "input") if field in columns]
        raise Reject(reasons.NO_PROMPT, f"{' and '.join(asked[-1:] if instruction else asked)} empty")
    return Draft(
        answer=answer,
        references=[answer],
        instruction=instruction,
        input=input_text,
        rationale=present(texts.get("rationale")),
        label=label,
        value=value,
        family_key=family_key(record, source),
    )


def _optional(field: str, source: SourceConfig) -> bool:
    """Alpaca files may leave the input away; what the user mapped must be there."""
    return source.format == "alpaca" and field == "input" and field not in source.columns


def answer_and_label(
    answer: str | None, raw: str | None, source: SourceConfig
) -> tuple[str, str | None, str | None]:
    """The answer to learn, the label, and the label as the file has it, from the answer and label columns.

    Without an answer column the answer is the label. With `labels` the raw value comes from the label
    column, else from the answer column, and is mapped.
    """
    value: str | None = None
    if source.labels:
        value = (raw if raw is not None else answer or "").strip()
        label = map_label(value, source.labels)
        # An answer column beside a label column holds more than the label: it stays the answer.
        answer = label if raw is None or answer is None else answer
    else:
        label = value = None if raw is None else raw.strip()
        answer = label if answer is None else answer
    if present(answer) is None or label == "":
        raise Reject(
            reasons.NO_ANSWER,
            "the answer is empty" if present(answer) is None else "the label is empty",
        )
    assert answer is not None
    return answer, label, value


def map_label(raw: str, labels: Mapping[str, str]) -> str:
    """The answer for a raw label: an exact key after stripping, else an inclusive integer range."""
    value = raw.strip()
    if value in labels:
        return labels[value]
    if _INTEGER.fullmatch(value):
        for key, answer in labels.items():
            bounds = _RANGE.fullmatch(key)
            if bounds and int(bounds[1]) <= int(value) <= int(bounds[2]):
                return answer
    if not value:
        raise Reject(reasons.NO_ANSWER, "the label is empty")
    raise Reject(reasons.LABEL_NOT_MAPPED, f"label {short(value)} is not among labels: {', '.join(labels)}")


def check_filters(record: Mapping[str, Any], source: SourceConfig) -> None:
    """Reject a record that a filter leaves out."""
    for rule in source.filters:
        value = text_of(record, rule.column).strip()
        if value not in rule.values:
            raise Reject(
                reasons.FILTERED,
                f"{rule.column} is {short(value)}, kept are {', '.join(rule.values)}",
            )


def family_key(record: Mapping[str, Any], source: SourceConfig) -> str | None:
    """The value that names the record's family, where the source declares one."""
    if source.family is None:
        return None
    value = text_of(record, source.family).strip()
    if not value:
        raise Reject(reasons.MISSING_FIELD, f"the family key {source.family} is empty")
    return f"{source.name}:{value}"
