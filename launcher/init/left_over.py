"""Columns that are not learned from: which of them say that a row is good, and which the user may want."""

import shlex
from collections.abc import Mapping, Sequence

from data_pipeline.config import FilterConfig
from data_pipeline.sources.files.records import short
from launcher.init.choices import is_choice
from launcher.init.column_families import pair_of
from launcher.init.column_names import is_verdict, read_name
from launcher.init.column_values import Row, is_id, is_label_like, is_number, values_of
from launcher.init.label_values import is_good

MAX_GRADES = 5  # a column of more numbers counts something


def as_option(field: str, spec: str) -> str:
    """The option of `hunmin init` that says what a field is, as it is typed."""
    return f"--column {shlex.quote(field + '=' + spec.replace(chr(10), chr(92) + 'n'))}"


def left_over(
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
        role, pair = read_name(name).role, pair_of(name, header, used)
        yes = sorted({value for value in values if is_good(value)})
        if is_verdict(name) and yes and "answer" in columns and None not in map(is_good, values):
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
