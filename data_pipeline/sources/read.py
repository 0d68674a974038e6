"""One file of a source -> draft rows and rejections in file order. Read this first."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from data_pipeline.config import SourceConfig
from data_pipeline.sources.conversations import conversation_records, parse_conversation
from data_pipeline.sources.files import Unit
from data_pipeline.sources.json_records import as_object, is_array
from data_pipeline.sources.mapping import mapped_json_records, parse_mapped
from data_pipeline.sources.natural_instructions import instance_records, parse_instance
from data_pipeline.sources.parallel import line_pairs, num_directions, parse_pair
from data_pipeline.sources.records import Draft, Record, Reject, check_unicode, printable
from data_pipeline.sources.tables import describe_table, table_records
from data_pipeline.sources.text import text_dialect


class Format(NamedTuple):
    """How a format is read: its records in file order, and the drafts of one record (or Reject)."""

    records: Callable[[Unit, SourceConfig], Iterator[Record]]
    parse: Callable[[Any, SourceConfig], list[Draft]]


def _parse_object(value: Any, source: SourceConfig) -> list[Draft]:
    return parse_mapped(as_object(value), source)


FORMATS = {
    "alpaca": Format(mapped_json_records, _parse_object),
    "sharegpt": Format(conversation_records, parse_conversation),
    "vicuna": Format(conversation_records, parse_conversation),
    "messages": Format(conversation_records, parse_conversation),
    "natural_instructions": Format(instance_records, parse_instance),
    "table": Format(table_records, _parse_object),
    "parallel": Format(line_pairs, parse_pair),
}


def read(unit: Unit, source: SourceConfig) -> Iterator[dict[str, Any]]:
    """Stream a file: each record gives one row or one rejection (with two directions: two of them).

    A row has source, file, record, sub_record, task, domain, language, licence, synthetic, family_key,
    fields, messages, references; a rejection has source, file, record, sub_record, reason, detail.

    Raises:
        InputError: the whole file cannot be what the source says it is.

    """
    form = FORMATS[source.format]
    for number, record in enumerate(islice(form.records(unit, source), source.max_records)):
        try:
            drafts = _drafts(record, form, source)
        except Reject as reject:
            detail = printable(f"{record.place}: {reject}")
            for sub_record in range(num_directions(source)):
                yield _origin(unit, number, sub_record) | {"reason": reject.reason, "detail": detail}
            continue
        for sub_record, draft in enumerate(drafts):
            yield _origin(unit, number, sub_record) | _row(draft, source)


def _drafts(record: Record, form: Format, source: SourceConfig) -> list[Draft]:
    if isinstance(record.value, Reject):
        raise record.value
    drafts = form.parse(record.value, source)
    for draft in drafts:
        check_unicode(draft)
    return drafts


def _origin(unit: Unit, record: int, sub_record: int) -> dict[str, Any]:
    return {"source": unit.source, "file": unit.file, "record": record, "sub_record": sub_record}


def _row(draft: Draft, source: SourceConfig) -> dict[str, Any]:
    names = ("instruction", "input", "answer", "rationale", "label")
    return {
        "task": source.task,
        "domain": source.domain,
        "language": draft.language or source.language,
        "licence": source.licence,
        "synthetic": source.synthetic,
        "family_key": draft.family_key,
        "fields": {name: getattr(draft, name) for name in names},
        "messages": draft.messages,
        "references": draft.references,
    }


def describe(unit: Unit, source: SourceConfig) -> list[str]:
    """How the file is written, declared or detected, in words: the same words for files alike."""
    if source.format == "table":
        return describe_table(unit, source)
    words: list[str] = []
    for path in unit.paths:
        words += text_dialect(path, encoding=source.encoding).words()
    if source.format == "parallel":
        return [*dict.fromkeys(words), "line-parallel"]
    if source.format == "natural_instructions":
        return [*words, "JSON object with Instances"]
    array = is_array(unit.paths[0], encoding=source.encoding)
    return [*words, "JSON array" if array else "JSON lines"]
