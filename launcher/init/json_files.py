"""JSON, Parquet and Arrow files of the user's: conversations, Alpaca, trees, or keys of their own."""

import itertools
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_pipeline.sources.files.columnar import columnar_kind, columnar_records
from data_pipeline.sources.files.json_records import json_records, load_json
from data_pipeline.sources.files.pandas_layouts import refuse_pandas_layout
from data_pipeline.sources.files.records import Reject, is_absent, kind_of, scalar_text, short
from data_pipeline.sources.files.text_files import lines
from data_pipeline.sources.formats.alpaca import KEYS as ALPACA
from data_pipeline.sources.formats.prompt_completion import COMPLETION_KEYS, PROMPT_KEYS
from data_pipeline.sources.formats.table import JSON_SUFFIXES
from hunmin.errors import InputError
from launcher.init.cell_notes import is_json_inside, missing_notes, object_notes
from launcher.init.detected import HEAD, Detected, Hints, detect_columns, language_among, make_source, no_task


def detect_json(path: Path, hints: Hints) -> Detected:
    """JSON records by their keys; a whole object with Instances is a task of Natural Instructions."""
    encoding = hints.encoding or "utf-8"
    whole = _whole_object(path, encoding)
    if whole is not None:
        refuse_pandas_layout(str(path), whole, whole=True)
        if "Instances" in whole:
            source = make_source(
                format="natural_instructions", path=str(path), task=hints.task, encoding=encoding
            )
            return Detected(source, (f"natural_instructions, one task, {encoding}",), no_task(hints.task))
        inside = [key for key, value in whole.items() if isinstance(value, list) and value]
        where = f"the records seem to be under {inside[0]}" if inside else "there are no records in it"
        key = inside[0] if inside else "KEY"
        code = (
            "import json, sys; "
            "print(json.dumps(json.load(open(sys.argv[1], encoding=sys.argv[3]))[sys.argv[2]]))"
        )
        read_as = "utf-8-sig" if encoding == "utf-8" else encoding
        cure = f"{shlex.join(['python3', '-c', code, str(path), key, read_as])} > new.json"
        raise InputError(
            f"{path}: one object with the keys {short(list(whole))}, and {where}; save them alone: {cure}"
        )
    records = list(itertools.islice(json_records(str(path), encoding=encoding, needed={}), HEAD))
    objects = [record.value for record in records if isinstance(record.value, dict)]
    if not objects:
        raise InputError(f"{path}: no record in it; needed is an array of objects, or one object a line")
    if len(records) == 1:
        refuse_pandas_layout(str(path), objects[0], whole=True)
    return _by_keys(path, objects, hints, f"JSON records, {encoding}")


def detect_columnar(path: Path, hints: Hints) -> Detected:
    """Rows of a Parquet or Arrow file, by their columns as JSON records by their keys."""
    records = itertools.islice(columnar_records(str(path), needed={}), HEAD)
    objects = [record.value for record in records if isinstance(record.value, dict)]
    if not objects:
        raise InputError(f"{path}: {columnar_kind(str(path))} without a row; name one with records")
    return _by_keys(path, objects, hints, str(columnar_kind(str(path))))


def _by_keys(path: Path, objects: Sequence[dict[str, Any]], hints: Hints, read_as: str) -> Detected:
    """The format that the keys of the records tell."""
    encoding = hints.encoding or "utf-8"
    keys = Counter(key for one in objects for key in one)
    form = hints.format or _json_format(objects, keys)
    if form in ("sharegpt", "vicuna", "messages", "oasst"):
        source = make_source(format=form, path=str(path), task=hints.task, encoding=encoding)
        seen = f"{form}: {'trees of messages' if form == 'oasst' else 'conversations'}, {read_as}"
        return Detected(source, (seen,), no_task(hints.task, default="conversation"))
    if form == "alpaca":
        source = make_source(format="alpaca", path=str(path), task=hints.task, encoding=encoding)
        texts = [str(one.get("instruction", "")) for one in objects]
        return Detected(
            source,
            (f"alpaca: instruction, output, {read_as}",),
            (*no_task(hints.task), *_notes(ALPACA, objects)),
            language=language_among(texts),
        )
    if form == "prompt_completion":
        source = make_source(format=form, path=str(path), task=hints.task, encoding=encoding)
        used = [key for key in keys if key in (*PROMPT_KEYS, *COMPLETION_KEYS)]
        seen = f"prompt_completion: the one of {', '.join(used)} that has a value, {read_as}"
        return Detected(source, (seen,), no_task(hints.task))
    header = [key for key, count in keys.items() if count * 2 >= len(objects)]
    rows = [{key: _text(one.get(key)) for key in header} for one in objects]
    if path.suffix.lower() not in JSON_SUFFIXES and not columnar_kind(str(path)):
        raise InputError(f"{path}: JSON with columns of its own; rename it to {path.stem}.jsonl")
    source = make_source(format="table", path=str(path), encoding=encoding)
    found = detect_columns(path, source, header, rows, hints, f"{read_as}; keys: {', '.join(header)}")
    notes = object_notes(found.source.columns.values(), objects)
    return replace(found, decide=(*found.decide, *notes))


def _notes(columns: Mapping[str, str], objects: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What is to be decided of the values under keys that a format knows."""
    rows = [{key: _text(one.get(key)) for key in columns.values()} for one in objects]
    return (*missing_notes(columns, rows, delimited=False), *object_notes(columns.values(), objects))


def _whole_object(path: Path, encoding: str) -> dict[str, Any] | None:
    """The file as one object, where it is one (also on one line) and not JSON lines."""
    head = [line for line in itertools.islice(lines(str(path), encoding=encoding), 50) if line.strip()]
    if not head or not head[0].lstrip().startswith("{"):
        return None
    if len(head) > 1 and head[0].rstrip().endswith("}") and head[1].lstrip().startswith("{"):
        return None
    try:
        value = load_json(str(path), encoding=encoding)
    except InputError:
        return None
    if not isinstance(value, dict):
        return None
    several = len(head) > 1 or "Instances" in value or any(_records_like(one) for one in value.values())
    return value if several and not _is_conversation(value) else None


def _records_like(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(isinstance(one, dict) for one in value)


def _is_conversation(value: dict[str, Any]) -> bool:
    return any(key in value for key in ("conversations", "conversation", "messages"))


def _json_format(objects: Sequence[dict[str, Any]], keys: Counter[str]) -> str:
    most = {key for key, count in keys.items() if count * 2 >= len(objects)}
    lists = {
        key
        for one in objects
        for key, value in one.items()
        if isinstance(value, list) or is_json_inside(value)
    }
    if "prompt" in most and any(isinstance(one.get("prompt"), dict) for one in objects):
        return "oasst"
    if "messages" in most & lists:
        return "messages"
    if {"conversations", "conversation", "items"} & most & lists:
        return "sharegpt"
    if "Instances" in most:
        return "natural_instructions"
    if {"instruction", "output"} <= most:
        return "alpaca"
    return "prompt_completion" if _keys_take_turns(objects) else "table"


def _keys_take_turns(objects: Sequence[dict[str, Any]]) -> bool:
    """Whether records ask under one of several keys and answer under one of several: files put together."""
    used = []
    for keys in (PROMPT_KEYS, COMPLETION_KEYS):
        filled = [[key for key in keys if not is_absent(one.get(key))] for one in objects]
        if any(len(one) > 1 for one in filled):
            return False
        used.append({key for one in filled for key in one})
    return all(used) and max(map(len, used)) > 1


def _text(value: Any) -> str:
    try:
        return scalar_text(value, "")
    except Reject:
        return kind_of(value)
