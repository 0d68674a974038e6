"""Records with named values, whatever kind of file holds them: JSON, Parquet or Arrow."""

from collections.abc import Iterator, Mapping, Set

from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.columnar import column_names, columnar_kind, columnar_records
from data_pipeline.sources.files.json_records import json_records, json_shape
from data_pipeline.sources.files.missing import missing_words, without_missing
from data_pipeline.sources.files.records import Record, Unit, short
from data_pipeline.sources.files.text_files import text_dialect


def object_records(
    unit: Unit,
    source: SourceConfig,
    *,
    needed: Mapping[str, tuple[str, ...]],
    named: Set[str] = frozenset(),
) -> Iterator[Record]:
    """The records of a JSON, Parquet or Arrow file.

    Args:
        needed: what a record must hold -> the keys that may hold it.
        named: columns whose numbers are read as the label names that the file itself gives them.

    Raises:
        InputError: the first records show that this is another kind of file, or it is damaged.
    """
    path = unit.paths[0]
    if source.join is not None:  # what stands under its key is not of this file
        needed = {what: keys for what, keys in needed.items() if source.join.under not in keys}
        needed |= {f"join.by: {key}": (key, key.split(".")[0]) for key in source.join.keys}
    if columnar_kind(path):
        found = columnar_records(path, needed=needed, named=named)
    else:
        found = json_records(path, encoding=source.encoding, needed=needed)
    words = missing_words(source, delimited=False)
    return without_missing(found, words) if words else found


def describe_objects(unit: Unit, source: SourceConfig) -> list[str]:
    """How the file is written, in words."""
    path = unit.paths[0]
    if kind := columnar_kind(path):
        return [kind, f"columns: {short(column_names(path))}"]
    words = text_dialect(path, encoding=source.encoding).words()
    return [*words, json_shape(path, encoding=source.encoding)]
