"""Alpaca: instruction, input and output, under these keys or others that the source names."""

from collections.abc import Iterator
from typing import Any

from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.records import Draft, Record, Reject, Unit
from data_pipeline.sources.formats import KEYED, SourceFormat
from data_pipeline.sources.values.mapping import check_columns, mapped_records, parse_mapped

KEYS = {"instruction": "instruction", "input": "input", "answer": "output"}


def _columns(source: SourceConfig) -> dict[str, str]:
    renamed = dict(source.columns)
    if "output" in renamed:  # Alpaca's own word for the answer
        renamed["answer"] = renamed.pop("output")
    return KEYS | renamed


def _optional(source: SourceConfig) -> set[str]:
    """Files may leave the input away; what the user mapped must be there."""
    return {"input"} - source.columns.keys()


def _records(unit: Unit, source: SourceConfig) -> Iterator[Record]:
    return mapped_records(unit, source, _columns(source), optional=_optional(source))


def _parse(value: Any, source: SourceConfig) -> list[Draft | Reject]:
    return parse_mapped(value, source, _columns(source), optional=_optional(source), usual=True)


FORMAT = SourceFormat(
    records=_records,
    parse=_parse,
    settings=KEYED | {"columns", "labels", "each", "objects", "missing"},
    check=lambda source, where: check_columns(source, where, _columns(source)),
)
