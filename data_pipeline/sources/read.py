"""One file of a source -> draft rows and rejections in file order. Read this first."""

from collections.abc import Iterator
from itertools import islice

from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.records import (
    Draft,
    Outcomes,
    Record,
    Reject,
    Unit,
    as_object,
    check_unicode,
    printable,
    whole,
)
from data_pipeline.sources.formats import format_of
from data_pipeline.sources.join import describe_joined, joined_records, with_unread
from data_pipeline.sources.values.promptsource import parse_templated
from hunmin.rows import DraftRow, Fields, Origin, Rejected


def read(unit: Unit, source: SourceConfig) -> Iterator[DraftRow | Rejected]:
    """Stream a file: each record gives rows or rejections, at least one of them.

    Most formats give one; two directions, trees, items of a list and templates give one for each of theirs.

    Raises:
        InputError: the whole file cannot be what the source says it is.
    """
    for number, record in enumerate(records(unit, source)):
        yield from rows(record, number, unit, source)


def records(unit: Unit, source: SourceConfig) -> Iterator[Record]:
    """The records that are read of a file, in its order; a record's number is its place among them.

    Raises:
        InputError: the whole file cannot be what the source says it is.
    """
    return islice(joined_records(unit, source), source.max_records)


def rows(record: Record, number: int, unit: Unit, source: SourceConfig) -> Iterator[DraftRow | Rejected]:
    """What one record gives. Takes several times as long as to read the record."""
    for sub_record, outcome in enumerate(_outcomes(record, unit, source)):
        if isinstance(outcome, Reject):
            detail = printable(f"{record.place}: {outcome}")
            origin = _origin(unit, number, sub_record)
            yield Rejected(**origin, reason=outcome.reason, detail=detail, text=_text_of(record, outcome))
        elif outcome is not None:
            yield _row(outcome, source, _origin(unit, number, sub_record))


def _outcomes(record: Record, unit: Unit, source: SourceConfig) -> Outcomes:
    try:
        if isinstance(record.value, Reject):
            raise record.value
        if unit.templates is not None:
            found = parse_templated(as_object(record.value), source, path=unit.templates)
        else:
            found = format_of(source.format).parse(record.value, source)
            found = with_unread(found, record.value, source)
    except Reject as reject:
        return [reject] * (2 if source.directions == "both" else 1)  # one for each row it would have given
    return [_writable(one) if isinstance(one, Draft) else one for one in found]


def _text_of(record: Record, reject: Reject) -> str:
    """What stands in the file, as far as the reader could keep it."""
    if reject.text is not None:
        return printable(reject.text)
    return "" if isinstance(record.value, Reject) else whole(record.value)


def _writable(draft: Draft) -> Draft | Reject:
    try:
        check_unicode(draft)
    except Reject as reject:
        return reject
    return draft


def _origin(unit: Unit, record: int, sub_record: int) -> Origin:
    return {"source": unit.source, "file": unit.file, "record": record, "sub_record": sub_record}


def _row(draft: Draft, source: SourceConfig, origin: Origin) -> DraftRow:
    return DraftRow(
        **origin,
        task=source.task,
        domain=source.domain,
        language=draft.language or source.language,
        licence=source.licence,
        synthetic=draft.synthetic or source.synthetic,
        family_key=draft.family_key,
        fields=Fields(
            instruction=draft.instruction,
            input=draft.input,
            answer=draft.answer,
            rationale=draft.rationale,
            label=draft.label,
            value=draft.value,
        ),
        messages=draft.messages,
        tools=draft.tools,
        weight=draft.weight,
        unread=list(draft.unread),
        references=draft.references,
    )


def describe(unit: Unit, source: SourceConfig) -> list[str]:
    """How the file is written, declared or detected, in words: the same words for files alike."""
    return [*format_of(source.format).describe(unit, source), *describe_joined(unit, source)]
