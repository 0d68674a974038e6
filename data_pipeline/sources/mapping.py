"""From named values to a draft: columns, labels, filters, family. Alpaca is one such mapping."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from data_pipeline.config import SourceConfig
from data_pipeline.sources import reasons
from data_pipeline.sources.files import Unit
from data_pipeline.sources.json_records import did_you_mean, json_records
from data_pipeline.sources.records import Draft, Record, Reject, present, scalar_text, short
from data_pipeline.sources.settings import columns_of

_RANGE = re.compile(r"(-?[0-9]+)-(-?[0-9]+)")
_INTEGER = re.compile(r"-?[0-9]+")


def mapped_json_records(unit: Unit, source: SourceConfig) -> Iterator[Record]:
    """The records of an Alpaca or JSON table file."""
    needed = {field: (key,) for field, key in columns_of(source).items() if not _optional(field, source)}
    needed |= {f"filters: {rule.column}": (rule.column,) for rule in source.filters}
    return json_records(unit.paths[0], encoding=source.encoding, needed=needed)


def parse_mapped(record: Mapping[str, Any], source: SourceConfig) -> list[Draft]:
    """One draft from one record, by the source's columns."""
    check_filters(record, source)
    columns = columns_of(source)
    texts = {
        field: value_text(record, key, optional=_optional(field, source)) for field, key in columns.items()
    }
    answer, label = answer_and_label(texts.get("answer"), texts.get("label"), source)
    instruction, input_text = present(texts.get("instruction")), present(texts.get("input"))
    if instruction is None and input_text is None:
        asked = [columns[field] for field in ("instruction", "input") if field in columns]
        raise Reject(reasons.NO_PROMPT, f"{' and '.join(asked)} empty")
    draft = Draft(
        answer=answer,
        references=[answer],
        instruction=instruction,
        input=input_text,
        rationale=present(texts.get("rationale")),
        label=label,
        family_key=family_key(record, source),
    )
    return [draft]


def _optional(field: str, source: SourceConfig) -> bool:
    """Alpaca files may leave the input away; what the user mapped must be there."""
    return source.format == "alpaca" and field == "input" and field not in source.columns


def value_text(record: Mapping[str, Any], key: str, *, optional: bool = False) -> str:
    """The text under a key, or Reject; where optional, a missing key is the empty text."""
    if key in record:
        return scalar_text(record[key], key)
    if optional:
        return ""
    hint = did_you_mean(key, list(record))
    raise Reject(reasons.MISSING_FIELD, f"no key {key}; the record has {short(list(record))}; {hint}")


def answer_and_label(answer: str | None, raw: str | None, source: SourceConfig) -> tuple[str, str | None]:
    """The answer to learn and the label, from the texts of the answer and label columns.

    Without an answer column the answer is the label. With `labels` the raw value comes from the label
    column, else from the answer column, and is mapped.
    """
    if source.labels:
        label = map_label(raw if raw is not None else answer or "", source.labels)
        # An answer column beside a label column holds more than the label: it stays the answer.
        answer = label if raw is None or answer is None else answer
    else:
        label = None if raw is None else raw.strip()
        answer = label if answer is None else answer
    if present(answer) is None or label == "":
        raise Reject(
            reasons.NO_ANSWER, "the answer is empty" if present(answer) is None else "the label is empty"
        )
    assert answer is not None
    return answer, label


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
        value = value_text(record, rule.column).strip()
        if value not in rule.values:
            raise Reject(
                reasons.FILTERED, f"{rule.column} is {short(value)}, kept are {', '.join(rule.values)}"
            )


def family_key(record: Mapping[str, Any], source: SourceConfig) -> str | None:
    """The value that names the record's family, where the source declares one."""
    if source.family is None:
        return None
    value = value_text(record, source.family).strip()
    if not value:
        raise Reject(reasons.MISSING_FIELD, f"the family key {source.family} is empty")
    return f"{source.name}:{value}"
