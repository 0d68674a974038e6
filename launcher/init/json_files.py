"""JSON, Parquet and Arrow files of the user's: conversations, Alpaca, trees, or keys of their own."""

import itertools
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_pipeline.sources.files.columnar import columnar_kind, columnar_records
from data_pipeline.sources.files.json_records import json_records
from data_pipeline.sources.files.pandas_layouts import refuse_pandas_layout
from data_pipeline.sources.files.records import is_absent, short
from data_pipeline.sources.formats.alpaca import KEYS as ALPACA
from data_pipeline.sources.formats.prompt_completion import COMPLETION_KEYS, PROMPT_KEYS
from data_pipeline.sources.formats.table import JSON_SUFFIXES
from hunmin.errors import InputError
from launcher.init.cell_notes import missing_notes, object_notes, opened
from launcher.init.column_names import read_name
from launcher.init.detected import (
    HEAD,
    Detected,
    Hints,
    detect_columns,
    language_among,
    make_source,
    no_task,
    text_columns,
)
from launcher.init.left_over import left_over
from launcher.init.nesting import are_turns, common, flat, lists_of_objects, unfold
from launcher.init.question_lists import answer_list, question_list, refuse_unanswered


def detect_json(path: Path, hints: Hints) -> Detected:
    """JSON records by their keys, or the items of a list inside them."""
    encoding = hints.encoding or "utf-8"
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
    if form == "natural_instructions":
        source = make_source(format=form, path=str(path), task=hints.task, encoding=encoding)
        return Detected(source, (f"natural_instructions, one task, {encoding}",), no_task(hints.task))
    if form == "prompt_completion" and not hints.columns:
        source = make_source(format=form, path=str(path), task=hints.task, encoding=encoding)
        used = [key for key in keys if key in (*PROMPT_KEYS, *COMPLETION_KEYS)]
        seen = f"prompt_completion: the one of {', '.join(used)} that has a value, {read_as}"
        return Detected(source, (seen,), no_task(hints.task))
    if form == "table" and hints.format is None and not hints.columns:
        if len(under := _keys_of_turns(objects)) == 1:
            named = {"messages": under[0]}
            source = make_source(
                format="messages", path=str(path), task=hints.task, encoding=encoding, columns=named
            )
            seen = f"messages: conversations under {under[0]}, {read_as}"
            return Detected(source, (seen,), no_task(hints.task, default="conversation"))
        if all(are_turns([one]) and {"content", "value"} & one.keys() for one in objects):
            raise InputError(
                f"{path}: each record is one turn; needed are conversations, one object a line: "
                '{"messages": [{"role": "user", "content": …}, {"role": "assistant", "content": …}]}'
            )
    if form in ("table", "prompt_completion") and (found := _two_lists(path, objects, hints, read_as)):
        return found
    each, items = unfold(objects, hints.columns)
    if form == "table" and each is not None:
        form = _json_format(items, Counter(key for one in items for key in one))
        read_as += f"; the rows are the items under {each}"
        if form not in ("alpaca", "table"):
            raise InputError(_save_alone(path, each, encoding, form))
    rows = [flat(one) for one in items[:HEAD]]
    header = common(rows)
    if not header:
        raise InputError(
            f"{path}: no text that is asked or answered was found; the first record is {short(items[0])}. "
            "format: messages reads turns, with columns: {messages: KEY} and turn_keys (docs/formats.md)"
        )
    others = _other_lists(objects, each)
    if form == "alpaca" and not hints.columns:
        source = make_source(format="alpaca", path=str(path), task=hints.task, encoding=encoding, each=each)
        filters, questions = left_over(list(ALPACA.values()), ALPACA, header, rows)
        notes = missing_notes(ALPACA.values(), rows, delimited=False) + object_notes(ALPACA.values(), items)
        return Detected(
            source.model_copy(update={"filters": filters}),
            (f"alpaca: instruction, output, {read_as}",),
            (*no_task(hints.task), *questions, *others, *notes),
            language=language_among(row.get("instruction", "") for row in rows),
        )
    if path.suffix.lower() not in JSON_SUFFIXES and not columnar_kind(str(path)):
        raise InputError(f"{path}: JSON with columns of its own; rename it to {path.stem}.jsonl")
    source = make_source(format="table", path=str(path), encoding=encoding, each=each)
    given = {field: spec for field, spec in hints.columns.items() if field != "each"}
    words = f"{read_as}; keys: {', '.join(header)}"
    hints = replace(hints, columns=given)
    found = detect_columns(path, source, header, rows, hints, words, keys=common(items[:HEAD]))
    notes = object_notes(text_columns(found.source), items)
    return replace(found, decide=(*found.decide, *others, *notes))


def _two_lists(path: Path, objects: Sequence[dict[str, Any]], hints: Hints, read_as: str) -> Detected | None:
    """Conversations as a list of questions and one of answers; None where the records are something else.

    Raises:
        InputError: the questions have no answers.
    """
    questions = question_list(objects)
    if questions is None:
        return None
    if hints.columns:
        columns = dict(hints.columns)
        if columns.keys() != {"instruction", "answer"} or columns["instruction"] != questions:
            return None
    else:
        answers = answer_list(path, questions, objects)
        if answers is None:
            if any(read_name(name).role == "answer" for name in common(map(flat, objects[:HEAD]))):
                return None  # one answer to all of them, or to the first
            refuse_unanswered(path, questions)
        columns = {"instruction": questions, "answer": str(answers)}
    source = make_source(
        format="prompt_completion",
        path=str(path),
        task=hints.task,
        encoding=hints.encoding or "utf-8",
        columns=columns,
    )
    seen = f"prompt_completion: a conversation of each record: {questions}, answered by {columns['answer']}"
    return Detected(source, (f"{seen}, {read_as}",), no_task(hints.task, default="conversation"))


def _keys_of_turns(objects: Sequence[dict[str, Any]]) -> list[str]:
    """The keys under which half of the records have a conversation."""
    counts = Counter(key for one in objects for key, value in one.items() if are_turns(opened(value)))
    return [key for key, count in counts.items() if count * 2 >= len(objects)]


def _other_lists(objects: Sequence[dict[str, Any]], each: str | None) -> list[str]:
    """Questions about lists of rows beside the one that is read, such as the other splits of a corpus."""
    if each is None:
        return []
    return [
        f"the rows under {name} are not read; --column each={name} reads them instead, a second source both"
        for name in lists_of_objects(objects)
        if name.split(".")[0] != each.split(".")[0]
    ]


def _save_alone(path: Path, each: str, encoding: str, form: str) -> str:
    """What to type where the records of a file stand under a key, and their format reads none such."""
    code = (
        "import json, sys, functools; whole = json.load(open(sys.argv[1], encoding=sys.argv[3])); "
        "print(json.dumps(functools.reduce(lambda value, key: value[key], sys.argv[2].split('.'), whole)))"
    )
    read_as = "utf-8-sig" if encoding == "utf-8" else encoding
    cure = f"{shlex.join(['python3', '-c', code, str(path), each, read_as])} > new.json"
    found = "prompts and completions" if form == "prompt_completion" else "conversations"
    return f"{path}: {found} under {each}; save them alone: {cure}"


def _json_format(objects: Sequence[dict[str, Any]], keys: Counter[str]) -> str:
    most = {key for key, count in keys.items() if count * 2 >= len(objects)}
    lists = {key for one in objects for key, value in one.items() if isinstance(opened(value), list)}
    if "prompt" in most and any(isinstance(one.get("prompt"), dict) for one in objects):
        return "oasst"
    if "messages" in most & lists:
        return "messages"
    turns = {key for one in objects for key, value in one.items() if are_turns(opened(value))}
    if {"conversations", "conversation"} & most & lists or "items" in most & turns:
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
