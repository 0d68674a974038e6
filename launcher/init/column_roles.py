"""Which column of a user's table is what: by the user's word, by names, then by what the columns hold."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_pipeline.config import FilterConfig
from data_pipeline.sources.files.records import short
from data_pipeline.sources.values.columns import columns_in
from data_pipeline.sources.values.mapping import FIELDS
from hunmin.errors import InputError, did_you_mean
from launcher.init.cell_notes import rows_inside
from launcher.init.choices import find_choices
from launcher.init.column_families import (
    ANSWERED,
    ASKED,
    columns_of,
    families_of,
    family_of,
    is_whole,
    preferred,
)
from launcher.init.column_names import (
    ENGLISH,
    KOREAN,
    Name,
    is_known,
    language_in,
    plain,
    read_name,
    task_of_answer,
)
from launcher.init.column_values import (
    Row,
    has_number,
    is_id,
    is_label_like,
    is_number,
    is_score,
    mean_length,
)
from launcher.init.left_over import as_option, left_over

MAX_WORDS = 3  # a first line's cell with more, none of them a whole known name, is data
LISTED = 12  # columns that a message shows


@dataclass(frozen=True)
class Chosen:
    """What the columns are, and what the user must say about it."""

    columns: dict[str, str]  # our field -> column, path or text with columns in braces
    labels: Mapping[str, str] | None = None  # of a choice: raw value -> the column of its text, in braces
    filters: tuple[FilterConfig, ...] = ()
    decide: tuple[str, ...] = ()
    task: str | None = None  # the shipped task that they tell of


def choose_columns(
    path: Path, given: Mapping[str, str], header: list[str], rows: Sequence[Row], *, keys: Sequence[str] = ()
) -> Chosen:
    """Enough columns to make rows; those that the user gave, and for the rest what fits them.

    Columns with the same words beside their role belong together (Text_origin with Label_origin); the pair
    without such a word is taken first, then the Korean one, then the first. How long texts are says nothing.

    Args:
        keys: of the records, where the header has paths to their values.

    Raises:
        InputError: it is not clear; the message shows the columns and what to pass.
    """
    _check_given(path, given, [*header, *keys])
    choice = find_choices(header, rows, given)
    if choice is not None:
        chosen = Chosen(choice.columns, choice.labels, decide=choice.decide)
    else:
        names = {name: read_name(name) for name in header if name}
        said = {*ASKED, *ANSWERED} & given.keys()
        columns = dict(given) if said else {**(_translation(header) or {}), **given}
        if _lacks(columns):
            columns = _by_values(_named(names, given, rows), names, rows)
        chosen = Chosen(columns, task=_guess_task(columns))
    if _lacks(chosen.columns):
        raise InputError(_which_columns(path, chosen.columns, header, rows))
    used = [name for spec in chosen.columns.values() for name in columns_in(spec)]
    twice = [name for name in used if header.count(name) > 1]
    if twice:
        raise InputError(f"{path}: the header names {twice[0]} twice; rename one of the two")
    filters, questions = left_over(used, chosen.columns, header, rows)
    return Chosen(chosen.columns, chosen.labels, filters, (*chosen.decide, *questions), chosen.task)


def is_header(names: list[str], rows: Sequence[Row]) -> bool:
    """Whether the first line names columns: a name that is known, or nothing but names.

    A number may be a name (the choices 1 and 2), but not above numbers. A known word inside a cell tells
    nothing: sentences are full of them.
    """
    numbers = [name for name in names if re.fullmatch(r"-?\d+([.,]\d+)?", name.strip())]
    if any(has_number(name, rows) for name in numbers):
        return False
    if numbers or any(is_known(name) for name in names):
        return True
    sentences = any(
        len(name) > 30 or len(name.split()) > MAX_WORDS or name.endswith((".", "?", "!", "다", "요"))
        for name in names
    )
    repeated = any(row.get(name) == name for row in rows for name in names if name)
    return not (sentences or repeated)


def _check_given(path: Path, given: Mapping[str, str], there: Sequence[str]) -> None:
    for role, spec in given.items():
        if role not in FIELDS:
            hint = did_you_mean(role, FIELDS, f"the fields are {', '.join(FIELDS)}")
            raise InputError(f"--column {role}={spec}: no field {role}; {hint}")
        for column in columns_in(spec):
            if column in there or "." in column:  # paths are the reader's to check
                continue
            hint = did_you_mean(column, there, f"it has {', '.join(dict.fromkeys(there))}")
            raise InputError(f"{path}: no column {column} (--column {role}={spec}); {hint}")


def _translation(header: list[str]) -> dict[str, str] | None:
    """Two columns that are named by their languages, with nothing beside them that is an answer."""
    last = {name: plain(name.rsplit(".", 1)[-1]) for name in header}  # of translation.ko, ko
    sides = [next((name for name in header if last[name] in known), None) for known in (KOREAN, ENGLISH)]
    if None not in sides:
        return {"input": str(sides[0]), "answer": str(sides[1])}
    names = [(name, read_name(name)) for name in header if name]
    if any(read.role in ANSWERED for _, read in names):
        return None
    for name, read in names:
        for other, its in names:
            if (read.text, language_in(read.affix), language_in(its.affix)) == (its.text, "ko", "en"):
                return {"input": name, "answer": other}  # text_ko and text_en
    return None


def _named(names: Mapping[str, Name], given: Mapping[str, str], rows: Sequence[Row]) -> dict[str, str]:
    """Fields whose column's name is known, of one family where one holds both sides; over them the given."""
    scores = {name for name, read in names.items() if read.role == "label" and is_score(name, rows)}
    labels = {name for name, read in names.items() if read.role == "label"} - scores
    if labels:  # beside a label, a measured number is none
        names = {name: read for name, read in names.items() if name not in scores}
    families = families_of(names)
    wanted = {family_of(name, families) for spec in given.values() for name in columns_in(spec)}
    whole = [key for key, family in families.items() if is_whole(family, names)]
    order = sorted(families, key=lambda key: (key not in wanted, key not in whole, preferred(key)))
    found = columns_of(families[order[0]], names, rows) if order else {}
    for key in order[1:]:
        if key in whole or (language_in(key) and not _lacks(found)):
            continue  # a pair of its own, or a translation
        taken = {*found, *(ANSWERED if {*ANSWERED} & found.keys() else ())}
        more = columns_of(families[key], names, rows)
        found |= {role: name for role, name in more.items() if role not in taken}
    found |= given
    if "answer" in found and "label" not in given:
        found.pop("label", None)  # what is learned is the answer
    elif "label" in given and "answer" not in given:
        found.pop("answer", None)
    if {"instruction", "label"} <= found.keys() - given.keys() and "input" not in found:
        found["input"] = found.pop("instruction")  # a text that is classified asks for nothing
    unasked = "answer" in found and "answer" not in given and "instruction" not in found
    if unasked and is_label_like(found["answer"], rows):
        found["label"] = found.pop("answer")  # nothing asks for it, so a task has to
    return found


def _lacks(found: Mapping[str, str]) -> bool:
    return not ({*ASKED} & found.keys() and {*ANSWERED} & found.keys())


def _by_values(found: dict[str, str], names: Mapping[str, Name], rows: Sequence[Row]) -> dict[str, str]:
    """What names do not tell, where the columns leave one choice only."""
    used = {name for spec in found.values() for name in columns_in(spec)}
    free = [name for name in names if name not in used and not is_id(name, rows)]
    found = dict(found)
    if not {*ANSWERED} & found.keys():
        few = [name for name in free if is_label_like(name, rows) and names[name].role is None]
        if len(few) == 1:
            found["label"] = few[0]
            free.remove(few[0])
    if {"instruction", "label"} <= found.keys() and "input" not in found:
        found["input"] = found.pop("instruction")
    if not {*ASKED} & found.keys():
        texts = [name for name in free if mean_length(name, rows) >= 5]
        if len(texts) == 1:
            found["input"] = texts[0]
    return found


def _guess_task(columns: Mapping[str, str]) -> str | None:
    """The shipped task that the names of the columns tell of."""
    answer, asked = columns.get("answer", ""), columns.get("instruction", "")
    if answer and _translation([columns.get("input", ""), answer]):
        return "translation"
    if answer and (task := task_of_answer(answer)):
        return task
    if answer and read_name(asked).text in ("question", "query", "q", "질문", "질의", "문제"):
        return "question_answering"
    return None


def _which_columns(path: Path, found: Mapping[str, str], header: list[str], rows: Sequence[Row]) -> str:
    example = rows[0] if rows else {}
    listed = "\n".join(f"  {name}: {short(example.get(name, ''))}" for name in header[:LISTED])
    told = f" ({', '.join(f'{role} is {name}' for role, name in found.items())})" if found else ""
    few = [name for name in header if is_label_like(name, rows) and not is_id(name, rows)]
    texts = [name for name in header if mean_length(name, rows) >= 5 and name not in few]
    texts = [name for name in texts if not is_id(name, rows) and not is_number(name, rows)]
    typed = [as_option("input", texts[0])] if texts and not {*ASKED} & found.keys() else []
    lines = [" ".join([*typed, as_option("label", name)]) for name in few[:LISTED]]
    if len(texts) > 1 and "answer" not in found:
        asked = [] if {*ASKED} & found.keys() else typed
        lines += [" ".join([*asked, as_option("answer", one)]) for one in texts[1:LISTED]]
    lines += [as_option("each", name) for name in rows_inside(header, rows)]
    options = "".join(f"\n  {line}" for line in lines)
    return (
        f"{path}: it is not clear which column is asked and which is the answer{told}; the first row is\n"
        f"{listed}\nPass them, as in --column input=NAME --column answer=NAME (or label=NAME for a few "
        "fixed answers, instruction=NAME where every row asks in its own words)"
        + (f"; it may be one of{options}" if options else "")
    )
