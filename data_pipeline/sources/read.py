"""One file of a source -> draft rows and rejections in file order. Read this first."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.objects import describe_objects
from data_pipeline.sources.files.records import (
    Draft,
    Record,
    Reject,
    Unit,
    as_object,
    check_unicode,
    printable,
)
from data_pipeline.sources.files.text_files import text_dialect
from data_pipeline.sources.formats.gettext import catalogue_records, parse_entry
from data_pipeline.sources.formats.natural_instructions import instance_records, parse_instance
from data_pipeline.sources.formats.oasst import parse_tree, tree_records
from data_pipeline.sources.formats.parallel import line_pairs, num_directions, parse_pair
from data_pipeline.sources.formats.prompt_completion import pair_records, parse_prompt_completion
from data_pipeline.sources.formats.table import describe_table, table_records
from data_pipeline.sources.values.conversations import conversation_records, parse_conversation
from data_pipeline.sources.values.mapping import mapped_object_records, parse_mapped
from data_pipeline.sources.values.promptsource import chosen, load_templates, parse_templated

Outcomes = Sequence[Draft | Reject | None]  # of one record, by sub-record; None where there is none


class Format(NamedTuple):
    """How a format is read: its records in file order, and the outcomes of one record (or Reject)."""

    records: Callable[[Unit, SourceConfig], Iterator[Record]]
    parse: Callable[[Any, SourceConfig], Outcomes]


def _parse_object(value: Any, source: SourceConfig) -> Outcomes:
    return parse_mapped(as_object(value), source)


FORMATS = {
    "alpaca": Format(mapped_object_records, _parse_object),
    "sharegpt": Format(conversation_records, parse_conversation),
    "vicuna": Format(conversation_records, parse_conversation),
    "messages": Format(conversation_records, parse_conversation),
    "oasst": Format(tree_records, parse_tree),
    "prompt_completion": Format(pair_records, parse_prompt_completion),
    "natural_instructions": Format(instance_records, parse_instance),
    "table": Format(table_records, _parse_object),
    "parallel": Format(line_pairs, parse_pair),
    "gettext": Format(catalogue_records, parse_entry),
}


def read(unit: Unit, source: SourceConfig) -> Iterator[dict[str, Any]]:
    """Stream a file: each record gives rows or rejections, at least one of them.

    Most formats give one; two directions, trees, items of a list and templates give one for each of theirs.
    A row has source, file, record, sub_record, task, domain, language, licence, synthetic, family_key,
    fields, messages, references; a rejection has source, file, record, sub_record, reason, detail.

    Raises:
        InputError: the whole file cannot be what the source says it is.

    """
    records = FORMATS[source.format].records(unit, source)
    for number, record in enumerate(islice(records, source.max_records)):
        for sub_record, outcome in enumerate(_outcomes(record, unit, source)):
            if isinstance(outcome, Reject):
                detail = printable(f"{record.place}: {outcome}")
                yield _origin(unit, number, sub_record) | {"reason": outcome.reason, "detail": detail}
            elif outcome is not None:
                yield _origin(unit, number, sub_record) | _row(outcome, source)


def _outcomes(record: Record, unit: Unit, source: SourceConfig) -> Outcomes:
    try:
        if isinstance(record.value, Reject):
            raise record.value
        if unit.templates is not None:
            found = parse_templated(as_object(record.value), source, path=unit.templates)
        else:
            found = FORMATS[source.format].parse(record.value, source)
    except Reject as reject:
        return [reject] * num_directions(source)
    return [_writable(one) if isinstance(one, Draft) else one for one in found]


def _writable(draft: Draft) -> Draft | Reject:
    try:
        check_unicode(draft)
    except Reject as reject:
        return reject
    return draft


def _origin(unit: Unit, record: int, sub_record: int) -> dict[str, Any]:
    return {"source": unit.source, "file": unit.file, "record": record, "sub_record": sub_record}


def _row(draft: Draft, source: SourceConfig) -> dict[str, Any]:
    names = ("instruction", "input", "answer", "rationale", "label", "value")
    return {
        "task": source.task,
        "domain": source.domain,
        "language": draft.language or source.language,
        "licence": source.licence,
        "synthetic": draft.synthetic or source.synthetic,
        "family_key": draft.family_key,
        "fields": {name: getattr(draft, name) for name in names},
        "messages": draft.messages,
        "references": draft.references,
    }


def describe(unit: Unit, source: SourceConfig) -> list[str]:
    """How the file is written, declared or detected, in words: the same words for files alike."""
    if source.format == "table":
        return [*describe_table(unit, source), *_describe_templates(unit, source)]
    if source.format not in ("parallel", "gettext", "natural_instructions"):
        return describe_objects(unit, source)
    words = [word for path in unit.paths for word in text_dialect(path, encoding=source.encoding).words()]
    return [*dict.fromkeys(words), _SHAPES[source.format]]


_SHAPES = {
    "parallel": "line-parallel",
    "gettext": "gettext catalogue",
    "natural_instructions": "JSON object with Instances",
}


def _describe_templates(unit: Unit, source: SourceConfig) -> list[str]:
    if unit.templates is None:
        return []
    templates = load_templates(unit.templates)
    used = chosen(templates, source, path=unit.templates)
    return [f"{len(used)} of {len(templates)} templates"]
