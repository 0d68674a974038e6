"""Which column of a user's table is what: by the user's word, by names, then by what the columns hold."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_pipeline.config import FilterConfig
from data_pipeline.sources.files.records import short
from data_pipeline.sources.values.columns import columns_in
from data_pipeline.sources.values.mapping import FIELDS
from hunmin.errors import InputError, did_you_mean
from launcher.init.choices import find_choices, is_choice
from launcher.init.column_names import (
    ENGLISH,
    KOREAN,
    Name,
    follows,
    is_known,
    is_verdict,
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
    values_of,
)
from launcher.init.label_values import is_yes

MAX_WORDS = 3  # a first line's cell with more, none of them a whole known name, is data
ASKED, ANSWERED = ("instruction", "input"), ("answer", "label")
MAX_GRADES = 5  # a column of more numbers counts something
LISTED = 12  # columns that a message shows


@dataclass(frozen=True)
class Chosen:
    """What the columns are, and what the user must say about it."""

    columns: dict[str, str]  # our field -> column, path or text with columns in braces
    labels: Mapping[str, str] | None = None  # of a choice: raw value -> the column of its text, in braces
    filters: tuple[FilterConfig, ...] = ()
    decide: tuple[str, ...] = ()
    task: str | None = None  # the shipped task that they tell of


def choose_columns(path: Path, given: Mapping[str, str], header: list[str], rows: Sequence[Row]) -> Chosen:
    """Enough columns to make rows; those that the user gave, and for the rest what fits them.

    Columns with the same words beside their role belong together (Text_origin with Label_origin); the pair
    without such a word is taken first, then the Korean one, then the first. How long texts are says nothing.

    Raises:
        InputError: it is not clear; the message shows the columns and what to pass.
    """
    _check_given(path, given, header, rows)
    choice = find_choices(header, rows, given)
    if choice is not None:
        chosen = Chosen(choice.columns, choice.labels, decide=choice.decide)
    else:
        names = {name: read_name(name) for name in header if name}
        columns = _translation(header) if not given else None
        columns = columns or dict(given)
        if _lacks(columns):
            columns = _by_values(_named(names, given, rows), names, rows)
        chosen = Chosen(columns, task=_guess_task(columns))
    if _lacks(chosen.columns):
        raise InputError(_which_columns(path, chosen.columns, header, rows))
    used = [name for spec in chosen.columns.values() for name in columns_in(spec)]
    twice = [name for name in used if header.count(name) > 1]
    if twice:
        raise InputError(f"{path}: the header names {twice[0]} twice; rename one of the two")
    filters, questions = _left_over(used, chosen.columns, header, rows)
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


def as_option(field: str, spec: str) -> str:
    """The option of `hunmin init` that says what a field is, as it is typed."""
    return f"--column {shlex.quote(field + '=' + spec.replace(chr(10), chr(92) + 'n'))}"


def _check_given(path: Path, given: Mapping[str, str], header: list[str], rows: Sequence[Row]) -> None:
    there = {*header, *(name for row in rows for name in row)}
    for role, spec in given.items():
        if role not in FIELDS:
            hint = did_you_mean(role, FIELDS, f"the fields are {', '.join(FIELDS)}")
            raise InputError(f"--column {role}={spec}: no field {role}; {hint}")
        for column in columns_in(spec):
            if column in there or "." in column:  # paths are the reader's to check
                continue
            hint = did_you_mean(column, header, f"it has {', '.join(header)}")
            raise InputError(f"{path}: no column {column} (--column {role}={spec}); {hint}")


def _translation(header: list[str]) -> dict[str, str] | None:
    """Two columns that are named by their languages and nothing that is an answer."""
    last = {name: plain(name.rsplit(".", 1)[-1]) for name in header}  # of translation.ko, ko
    sides = [next((name for name in header if last[name] in known), None) for known in (KOREAN, ENGLISH)]
    if None in sides:
        return None
    return {"input": str(sides[0]), "answer": str(sides[1])}


Family = tuple[str, ...]


def _named(names: Mapping[str, Name], given: Mapping[str, str], rows: Sequence[Row]) -> dict[str, str]:
    """Fields whose column's name is known, of one family where one holds both sides; over them the given."""
    scores = {name for name, read in names.items() if read.role == "label" and is_score(name, rows)}
    labels = {name for name, read in names.items() if read.role == "label"} - scores
    if labels:  # beside a label, a measured number is none
        names = {name: read for name, read in names.items() if name not in scores}
    families = _families(names)
    wanted = {_family_of(name, families) for spec in given.values() for name in columns_in(spec)}
    whole = [key for key, family in families.items() if _is_whole(family, names)]
    order = sorted(families, key=lambda key: (key not in wanted, key not in whole, _preferred(key)))
    found = _of_family(families[order[0]], names, rows) if order else {}
    for key in order[1:]:
        if key in whole or (language_in(key) and not _lacks(found)):
            continue  # a pair of its own, or a translation
        more = _of_family(families[key], names, rows)
        found |= {role: name for role, name in more.items() if role not in found and not (
            role in ANSWERED and {*ANSWERED} & found.keys())}  # fmt: skip
    found |= given
    if "answer" in found and "label" not in given:
        found.pop("label", None)  # what is learned is the answer
    elif "label" in given and "answer" not in given:
        found.pop("answer", None)
    if {"instruction", "label"} <= found.keys() - given.keys() and "input" not in found:
        found["input"] = found.pop("instruction")  # a text that is classified asks for nothing
    free = "answer" in found and not {"instruction", "answer"} & (found.keys() - {"answer"} | given.keys())
    if free and is_label_like(found["answer"], rows):
        found["label"] = found.pop("answer")  # nothing asks for it, so a task has to
    return found


def _lacks(found: Mapping[str, str]) -> bool:
    return not ({*ASKED} & found.keys() and {*ANSWERED} & found.keys())


def _families(names: Mapping[str, Name]) -> dict[Family, list[str]]:
    """Columns by the words beside their role; by their number too where each text has an answer."""
    numbered: dict[Family, set[str]] = {}
    for read in names.values():
        if read.role and read.place:
            numbered.setdefault((*read.affix, read.place), set()).add(
                "asked" if read.role in ASKED else "answered"
            )
    families: dict[Family, list[str]] = {}
    for name, read in names.items():
        if read.role is None:
            continue
        key = (*read.affix, read.place) if read.place else read.affix
        key = key if read.place and len(numbered[key]) == 2 else read.affix
        families.setdefault(tuple(map(str, key)), []).append(name)
    return families


def _family_of(name: str, families: Mapping[Family, Sequence[str]]) -> Family | None:
    return next((key for key, family in families.items() if name in family), None)


def _is_whole(family: Sequence[str], names: Mapping[str, Name]) -> bool:
    roles = {names[name].role for name in family}
    return bool({*ASKED} & roles and {*ANSWERED} & roles)


def _preferred(key: Family) -> tuple[bool, bool]:
    """The family without a word of its own first, then the Korean one; the rest in the file's order."""
    return bool(key), language_in(key) != "ko"


def _of_family(family: Sequence[str], names: Mapping[str, Name], rows: Sequence[Row]) -> dict[str, str]:
    """Role -> the column of a family; two texts of one kind and a label are one input."""
    found: dict[str, str] = {}
    for role in FIELDS:
        named = [name for name in family if names[name].role == role]
        if named:
            found[role] = min(named, key=lambda name: (bool(names[name].place), names[name].rank))
    classified = "label" in found or ("answer" in found and is_label_like(found["answer"], rows))
    pair = next(((a, b) for a in family for b in family if follows(names[a], names[b])), None)
    if pair and (classified or "answer" not in found):
        found = {role: name for role, name in found.items() if name not in pair}
        found["input"] = "\n\n".join(f"{{{name}}}" for name in pair)
    return found


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
    sides = [plain(side.rsplit(".", 1)[-1]) for side in (columns.get("input", ""), answer)]
    if sides[0] in KOREAN and sides[1] in ENGLISH:
        return "translation"
    if answer and (task := task_of_answer(answer)):
        return task
    if answer and read_name(asked).text in ("question", "query", "q", "질문", "질의", "문제"):
        return "question_answering"
    return None


def _left_over(
    used: Sequence[str], columns: Mapping[str, str], header: Sequence[str], rows: Sequence[Row]
) -> tuple[tuple[FilterConfig, ...], list[str]]:
    """Filters by the columns that say which rows are good, and a question for each that might matter."""
    filters: list[FilterConfig] = []
    questions: list[str] = []
    others: list[str] = []

    def is_other_label(name: str) -> bool:
        counted = is_number(name, rows) and len(set(values_of(name, rows))) > MAX_GRADES
        return (
            "label" in columns and read_name(name).role is None and is_label_like(name, rows) and not counted
        )

    for name in dict.fromkeys(header):
        values = values_of(name, rows)
        if not name or name in used or not values or is_choice(name):
            continue
        role, pair = read_name(name).role, _pair_of(name, header, used)
        yes = sorted({value for value in values if is_yes(value)})
        if is_verdict(name) and yes and "answer" in columns and None not in map(is_yes, values):
            filters.append(FilterConfig(column=name, values=tuple(yes)))
            questions.append(
                f"filters: {name} seems to say which rows are good; only those with {' or '.join(yes)} are "
                "kept; delete the line to keep all"
            )
        elif pair:
            options = " ".join(as_option(*one) for one in pair.items())
            question = f"{' and '.join(pair.values())} are not used; to learn from them instead: {options}"
            questions += [question] if question not in questions else []
        elif role == "label" or ((is_verdict(name) or is_other_label(name)) and not is_id(name, rows)):
            others.append(name)
        elif role is not None and not is_id(name, rows) and any(" " in value for value in values):
            field = "input" if role == "instruction" and "instruction" not in columns else role
            questions.append(f"{name} is not used; to learn from it instead: {as_option(field, name)}")
    return tuple(filters), [*questions, *([_other_labels(others, columns, rows)] if others else [])]


def _other_labels(others: Sequence[str], columns: Mapping[str, str], rows: Sequence[Row]) -> str:
    """A question about the columns of labels that are not learned."""
    shown = []
    for name in others:
        seen = list(dict.fromkeys(values_of(name, rows)))
        shown.append(f"{name} ({', '.join(seen[:4])}{' …' if len(seen) > 4 else ''})")
    few = next((name for name in others if is_label_like(name, rows)), None)
    cures = [f"to learn it: {as_option('label', few)}"] if few and "answer" not in columns else []
    if few:
        value = short(values_of(few, rows)[0])
        cures.append(f"to keep some rows only: filters: [{{column: {short(few)}, values: [{value}]}}]")
    return "; ".join([f"{', '.join(shown)} {'is' if len(others) == 1 else 'are'} not used", *cures])


def _pair_of(name: str, header: Sequence[str], used: Sequence[str]) -> dict[str, str]:
    """The fields of the pair that a column belongs to, where it is another one than the chosen."""
    names = {one: read_name(one) for one in header if one}
    families = _families(names)
    family = families.get(_family_of(name, families) or (), [])
    if not _is_whole(family, names) or set(family) & set(used):
        return {}
    return _of_family(family, names, ())


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
    options = "".join(f"\n  {line}" for line in lines)
    return (
        f"{path}: it is not clear which column is asked and which is the answer{told}; the first row is\n"
        f"{listed}\nPass them, as in --column input=NAME --column answer=NAME (or label=NAME for a few "
        "fixed answers, instruction=NAME where every row asks in its own words)"
        + (f"; it may be one of{options}" if options else "")
    )
