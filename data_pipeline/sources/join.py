"""The records of a source, each with the record of other files that has the same id (`join`).

A left join: every record of the source stays, or is rejected because its id is not there or there twice. The
other record stands under one key, so that no name of one can hide a name of the other. The other files are
held in memory whole.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from data_pipeline import reasons
from data_pipeline.config import JoinConfig, SourceConfig
from data_pipeline.sources.files.records import (
    Draft,
    Outcomes,
    Record,
    Reject,
    Unit,
    as_object,
    is_absent,
    scalar_text,
    short,
    whole,
)
from data_pipeline.sources.formats import format_of
from data_pipeline.sources.values.columns import is_text, value_at
from data_pipeline.sources.values.keys import paths_read, unread_keys
from hunmin.errors import InputError

MAX_JOINED_BYTES = 1 << 30  # of the other files together
_WHOLE_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0+")  # as columns with empty cells spell them

Id = tuple[str, ...]


class _Other(NamedTuple):
    """A record of the other files."""

    place: str
    value: dict[str, Any]


@dataclass(frozen=True)
class _Others:
    """The records of the other files by id."""

    by_id: Mapping[Id, _Other]
    more: Mapping[Id, tuple[str, ...]]  # ids that stand there again -> the places
    unread: tuple[str, ...]  # records without a place in `by_id`, in words


def joined_records(unit: Unit, source: SourceConfig) -> Iterator[Record]:
    """The records of a file in their order, with what is joined to each; a Reject where nothing can be.

    Raises:
        InputError: a file cannot be what the source says it is, or the joined ones are too large.
    """
    records = format_of(source.format).records(unit, source)
    if source.join is None:
        return records
    others = _others_of(unit, source)
    return (Record(record.place, _joined(record.value, others, source.join)) for record in records)


def describe_joined(unit: Unit, source: SourceConfig) -> list[str]:
    """What is joined, in words; nothing of a source without `join`."""
    if source.join is None:
        return []
    others = _others_of(unit, source)
    number = len(others.by_id) + sum(map(len, others.more.values()))
    lost = f", {len(others.unread)} cannot be read" if others.unread else ""
    return [f"joined by {', '.join(source.join.keys)} with {number} records of {_named(unit.joined)}{lost}"]


def with_unread(found: Outcomes, record: Any, source: SourceConfig) -> Outcomes:
    """The outcomes of a joined record, with the keys of the other one that nobody reads.

    Raises:
        Reject: such a key changes what the record means.
    """
    if source.join is None:
        return found
    under = source.join.under
    paths = [path.split(".") for path in paths_read(source, source.columns)]
    read = {step for path in paths if path[0] == under for step in path[1:2]}
    if [under] in paths:  # all of it, as JSON text
        return found
    unread = unread_keys(record[under], read, ignore=source.ignore, place=f"{under}.")
    return [replace(one, unread=(*one.unread, *unread)) if isinstance(one, Draft) else one for one in found]


def _joined(value: Any, others: _Others, join: JoinConfig) -> Any:
    if not isinstance(value, dict):
        return value
    try:
        return {**value, join.under: _other(value, others, join)}
    except Reject as reject:
        return Reject(reject.reason, reject.detail, whole(value))


def _other(record: Mapping[str, Any], others: _Others, join: JoinConfig) -> dict[str, Any]:
    """The values of the other record that has the record's id, but for the id."""
    if join.under in record:
        raise Reject(
            reasons.CONTRADICTION,
            f"the record has a key {join.under} of its own, {short(record[join.under])}; set join.under",
        )
    found = _id_of(record, join.keys)
    named = f"{', '.join(join.keys)} {', '.join(found)}"
    if found in others.more:
        places = [others.by_id[found].place, *others.more[found]]
        raise Reject(reasons.JOIN_AMBIGUOUS, f"{named} stands {len(places)} times: {short(places)}")
    if found not in others.by_id:
        lost = f"; not read there: {others.unread[0]}" if others.unread else ""
        raise Reject(reasons.JOIN_MISSING, f"none of {len(others.by_id)} records has {named}{lost}")
    return {key: one for key, one in others.by_id[found].value.items() if key not in join.keys}


def _id_of(record: Mapping[str, Any], keys: tuple[str, ...]) -> Id:
    """An id as texts; 81.0 is 81, and 081 is another one."""
    texts = []
    for key in keys:
        value = value_at(record, key)
        text = scalar_text(value, key).strip()
        if is_absent(value) or not text:
            raise Reject(reasons.MISSING_FIELD, f"{key} is empty, by which the record is joined")
        texts.append(_WHOLE_NUMBER.sub(r"\1", text) if _WHOLE_NUMBER.fullmatch(text) else text)
    return tuple(texts)


def _others_of(unit: Unit, source: SourceConfig) -> _Others:
    assert source.join is not None
    stats = [os.stat(path) for path in unit.joined]
    size = sum(stat.st_size for stat in stats)
    if size > MAX_JOINED_BYTES:
        raise InputError(
            f"source {source.name}: join reads {size} bytes of {_named(unit.joined)} into memory, at most "
            f"{MAX_JOINED_BYTES} are allowed; put the values that are needed into the source's own file"
        )
    state = tuple(
        (path, stat.st_size, stat.st_mtime_ns) for path, stat in zip(unit.joined, stats, strict=True)
    )
    return _load(state, _probe(source).model_dump_json(), source.join.keys)


def _probe(source: SourceConfig) -> SourceConfig:
    """How the other files are read: as a table with the columns that are wanted of it."""
    assert source.join is not None
    under = f"{source.join.under}."
    wanted = [
        path.removeprefix(under) for path in paths_read(source, source.columns) if path.startswith(under)
    ]
    return SourceConfig.model_validate(
        {
            "name": source.name,
            "format": "table",
            "path": "joined",
            "encoding": source.encoding,
            "columns": {path: path for path in dict.fromkeys((*source.join.keys, *wanted))},
            "labels": {raw: answer for raw, answer in source.labels.items() if not is_text(answer)},
            "templates": source.templates,
            "missing": source.missing,
        }
    )


@lru_cache(maxsize=1)
def _load(state: tuple[tuple[str, int, int], ...], probe: str, keys: tuple[str, ...]) -> _Others:
    """The records of the other files; of files that did not change, and are read alike, once in a process."""
    source = SourceConfig.model_validate_json(probe)
    by_id: dict[Id, _Other] = {}
    more: dict[Id, list[str]] = {}
    unread: list[str] = []
    for path, _, _ in state:
        unit = Unit(0, source.name, source.format, os.path.basename(path), (path,))
        for record in format_of(source.format).records(unit, source):
            place = f"{unit.file}, {record.place}"
            try:
                if isinstance(record.value, Reject):
                    raise record.value
                other = _Other(place, as_object(record.value))
                found = _id_of(other.value, keys)
            except Reject as reject:
                unread.append(f"{place}: {reject}")
                continue
            if by_id.setdefault(found, other) is not other:
                more.setdefault(found, []).append(place)
    return _Others(by_id, {one: tuple(places) for one, places in more.items()}, tuple(unread))


def _named(paths: tuple[str, ...]) -> str:
    names = [os.path.basename(path) for path in paths]
    return names[0] if len(names) == 1 else f"{len(names)} files"
