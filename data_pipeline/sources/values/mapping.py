"""From named values to drafts: columns, labels, filters, family.

`columns` is everywhere our field -> the file's column or key.
"""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from decimal import Decimal
from typing import Any

from data_pipeline import reasons
from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.objects import object_records
from data_pipeline.sources.files.records import Draft, Record, Reject, Unit, as_object, present, short
from data_pipeline.sources.values import beside
from data_pipeline.sources.values.columns import columns_in, is_text, items_of, keys_for, text_of
from data_pipeline.sources.values.keys import keys_read, unread_keys
from hunmin.errors import ConfigError, did_you_mean

_RANGE = re.compile(r"(-?[0-9]+)-(-?[0-9]+)")
_NUMBER = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]{0,400})?([eE][+-]?[0-9]{1,3})?")

TEXTS = ("instruction", "input", "answer", "label", "rationale")
FIELDS = (*TEXTS, *beside.FIELDS)
Columns = Mapping[str, str]
Optional = Set[str]


def check_columns(source: SourceConfig, where: str, columns: Columns) -> None:
    """Refuse a mapping that cannot give a row.

    Raises:
        ConfigError: with the dotted path of the setting.
    """
    check_fields(columns, where, known=FIELDS)
    if not {"answer", "label"} & columns.keys():
        raise ConfigError(f"{where}: columns names no answer; add answer: COLUMN, or label: COLUMN")
    if not {"instruction", "input"} & columns.keys():
        raise ConfigError(
            f"{where}: columns names nothing to answer; add input: COLUMN or instruction: COLUMN"
        )


def check_fields(columns: Columns, where: str, *, known: Sequence[str], setting: str = "columns") -> None:
    """Refuse a field of ours that there is not.

    Raises:
        ConfigError: names the field and what it may have been meant to be.
    """
    for field in columns:
        if field not in known:
            hint = did_you_mean(field, known, f"the fields are {', '.join(known)}")
            raise ConfigError(f"{where}: {setting}.{field} is unknown; {hint}")


def mapped_records(
    unit: Unit, source: SourceConfig, columns: Columns, *, optional: Optional = frozenset()
) -> Iterator[Record]:
    """The records of a file of objects whose values are mapped.

    Raises:
        InputError: the first records show that this is another kind of file, or it is damaged.
    """
    return object_records(
        unit, source, needed=_needed_keys(source, columns, optional), named=_named(source, columns)
    )


def _named(source: SourceConfig, columns: Columns) -> set[str]:
    """Columns whose labels are read by the file's own names: unless the source speaks of their numbers.

    Templates choose by the number (`answer_choices[label]`).
    """
    if source.templates is not None or any(number_of(label) is not None for label in source.labels):
        return set()
    paths = [path for spec in columns.values() for path in columns_in(spec)]
    return {key for path in [*paths, *columns_in(source.each or "=")] for key in keys_for(path)}


def _needed_keys(source: SourceConfig, columns: Columns, optional: Optional) -> dict[str, tuple[str, ...]]:
    """What records of a mapped source must hold -> the keys that may hold it."""
    if source.each is not None:  # the items may hold all the rest
        return {"each": keys_for(source.each)}
    needed: dict[str, tuple[str, ...]] = {}
    for field, spec in columns.items():
        for path in [] if field in optional else columns_in(spec):
            needed[field if path == spec else f"{field}: {path}"] = keys_for(path)
    for raw, answer in source.labels.items():
        needed |= {f"labels: {raw}": keys_for(path) for path in columns_of_choice(answer)}
    return needed | {f"filters: {rule.column}": keys_for(rule.column) for rule in source.filters}


def parse_mapped(
    value: Any,
    source: SourceConfig,
    columns: Columns,
    *,
    optional: Optional = frozenset(),
    usual: bool = False,
) -> list[Draft | Reject]:
    """The draft of a record by its columns; with `each`, one outcome for each item.

    `usual`: system text, history, thought and tools are read by their usual names too (beside.USUAL).
    """
    record = as_object(value)
    if source.each is None:
        return [_draft(record, source, columns, optional, usual)]
    return [_outcome(item, source, columns, optional, usual) for item in items_of(record, source.each)]


def _outcome(
    item: Mapping[str, Any] | Reject, source: SourceConfig, columns: Columns, optional: Optional, usual: bool
) -> Draft | Reject:
    try:
        return item if isinstance(item, Reject) else _draft(item, source, columns, optional, usual)
    except Reject as reject:
        return reject


def _draft(
    record: Mapping[str, Any], source: SourceConfig, columns: Columns, optional: Optional, usual: bool
) -> Draft:
    check_filters(record, source)
    as_json = source.objects == "json"
    texts = {
        field: text_of(record, spec, optional=True, as_json=as_json)
        for field, spec in columns.items()
        if field in TEXTS
    }
    _check_there(record, texts, columns, optional)
    answer, label, value = answer_and_label(texts.get("answer"), texts.get("label"), source, record)
    instruction, input_text = present(texts.get("instruction")), present(texts.get("input"))
    # An instruction that says the same for every record needs something to say it of.
    said_of_all = "input" in columns and not columns_in(columns.get("instruction", ""))
    if input_text is None and (instruction is None or said_of_all):
        asked = [columns[field] for field in ("instruction", "input") if field in columns]
        raise Reject(reasons.NO_PROMPT, f"{' and '.join(asked[-1:] if instruction else asked)} empty")
    draft = Draft(
        answer=answer,
        references=[answer],
        instruction=instruction,
        input=input_text,
        rationale=present(texts.get("rationale")),
        label=label,
        value=value,
        family_key=family_key(record, source),
        unread=tuple(unread_keys(record, _read(source, columns, usual), ignore=source.ignore)),
    )
    return beside.completed(draft, record, columns, usual=usual)


def _read(source: SourceConfig, columns: Columns, usual: bool) -> set[str]:
    return keys_read(source, columns) | (beside.usual_keys(columns) if usual else set())


def _check_there(
    record: Mapping[str, Any], texts: Mapping[str, str], columns: Columns, optional: Optional
) -> None:
    """Name the key where a row cannot be made because it is not there: an answer, or all that is asked."""
    asked = [field for field in ("instruction", "input") if field in columns]
    needed = [field for field in ("answer", "label") if field in columns]
    needed += [] if any(present(texts[field]) for field in asked) else asked
    for field in needed:
        if field not in optional and not present(texts[field]):
            text_of(record, columns[field], as_json=True)  # a Reject where a key is missing


def answer_and_label(
    answer: str | None, raw: str | None, source: SourceConfig, record: Mapping[str, Any]
) -> tuple[str, str | None, str | None]:
    """The answer to learn, the label, and the label as the file has it, from the answer and label columns.

    Without an answer column the answer is the label. With `labels` the raw value comes from the label
    column, else from the answer column, and is mapped. What it is mapped to may have columns in braces:
    the text of a choice, which is another in each record, and so is an answer and no label.
    """
    value: str | None = None
    if source.labels:
        value = (raw if raw is not None else answer or "").strip()
        mapped = map_label(value, source.labels)
        is_choice = bool(columns_of_choice(mapped))
        label = None if is_choice else mapped
        # An answer column beside a label column holds more than the label: it stays the answer.
        if raw is None or answer is None:
            answer = text_of(record, mapped, as_json=source.objects == "json") if is_choice else mapped
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


def columns_of_choice(answer: str) -> list[str]:
    """The columns in braces of what a label is mapped to; none where it is the answer word for word."""
    return columns_in(answer) if is_text(answer) else []


def map_label(raw: str, labels: Mapping[str, str]) -> str:
    """The answer for a raw label: of the key that is spelled so, else that means it, else that holds it."""
    value = raw.strip()
    if not value:
        raise Reject(reasons.NO_ANSWER, "the label is empty")
    if value in labels:
        return labels[value]
    alike = [key for key in labels if same_value(value, key)] or [
        key for key in labels if _in_range(value, key)
    ][:1]
    answers = {labels[key] for key in alike}
    if len(answers) == 1:
        return answers.pop()
    found = f"among labels: {', '.join(labels)}" if not answers else f"one label but {' and '.join(alike)}"
    raise Reject(reasons.LABEL_NOT_MAPPED, f"label {short(value)} is not {found}")


def same_value(one: str, other: str) -> bool:
    """Whether two spellings mean one value: numbers as numbers (1.0 is 1), true and false in any case."""
    if one == other:
        return True
    numbers = number_of(one), number_of(other)
    if None not in numbers:
        return numbers[0] == numbers[1]
    return one.casefold() == other.casefold() and one.casefold() in ("true", "false")


def number_of(text: str) -> Decimal | None:
    """The number that a text spells in digits, exactly; None where it is another text."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _in_range(value: str, key: str) -> bool:
    """Whether a whole number, which tables may spell as 4.0, lies in a range such as 1-4."""
    bounds, number = _RANGE.fullmatch(key), number_of(value)
    if bounds is None or number is None or number != number.to_integral_value():
        return False
    return int(bounds[1]) <= number <= int(bounds[2])


def check_filters(record: Mapping[str, Any], source: SourceConfig) -> None:
    """Reject a record that a filter leaves out."""
    for rule in source.filters:
        value = text_of(record, rule.column, optional=True).strip()
        if not any(same_value(value, kept) for kept in rule.values):
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
