"""Words that stand where there is no value, in files that cannot say it otherwise."""

from collections.abc import Iterator, Mapping, Set
from typing import Any

from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.records import Record

# A delimited table has no null. These are what databases, pandas and Excel write in its place, and no text.
NO_VALUE = frozenset(
    (
        *(r"\N", "nan", "NaN", "NAN", "-nan", "-NaN", "1.#QNAN", "-1.#IND", "<NA>", "NaT"),
        *("#N/A", "#NA", "#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!"),
    )
)
# These may be an answer ("None" to a question), so they are read as text unless the source declares them.
PERHAPS_NO_VALUE = frozenset(
    ("None", "none", "NONE", "null", "Null", "NULL", "(null)", "N/A", "n/a", "NA", "-", ".")
)


def missing_words(source: SourceConfig, *, delimited: bool) -> Set[str]:
    """What means no value in a file of a source: what it declares, else by the kind of file.

    A word that the source maps as a label or keeps by a filter means what the source says.
    """
    words = (
        frozenset(source.missing) if source.missing is not None else NO_VALUE if delimited else frozenset()
    )
    return words - source.labels.keys() - {value for rule in source.filters for value in rule.values}


def without_missing(records: Iterator[Record], words: Set[str]) -> Iterator[Record]:
    """The records with null in the place of each text that is one of the words."""
    for record in records:
        yield Record(record.place, blanked(record.value, words))


def blanked(value: Any, words: Set[str]) -> Any:
    """A value with null for each text in it that is one of the words, white space around it aside."""
    if isinstance(value, str):
        return None if value.strip() in words else value
    if isinstance(value, Mapping):
        return {key: blanked(item, words) for key, item in value.items()}
    return [blanked(item, words) for item in value] if isinstance(value, list) else value
