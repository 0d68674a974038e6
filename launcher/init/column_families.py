"""Columns that belong together: those whose names have the same words beside their role."""

from collections.abc import Mapping, Sequence

from data_pipeline.sources.values.mapping import FIELDS
from launcher.init.column_names import Name, follows, language_in, read_name
from launcher.init.column_values import Row, is_label_like

ASKED, ANSWERED = ("instruction", "input"), ("answer", "label")

Family = tuple[str, ...]


def families_of(names: Mapping[str, Name]) -> dict[Family, list[str]]:
    """Columns by the words beside their role; by their number too where each text has an answer."""
    numbered: dict[Family, list[str]] = {}
    for name, read in names.items():
        if read.role and read.place:
            numbered.setdefault((*read.affix, read.place), []).append(name)
    families: dict[Family, list[str]] = {}
    for name, read in names.items():
        key = (*read.affix, read.place or "")
        if read.role:
            key = key if is_whole(numbered.get(key, []), names) else read.affix
            families.setdefault(key, []).append(name)
    return families


def family_of(name: str, families: Mapping[Family, Sequence[str]]) -> Family | None:
    """The family that holds a column."""
    return next((key for key, family in families.items() if name in family), None)


def is_whole(family: Sequence[str], names: Mapping[str, Name]) -> bool:
    """Whether a family has something that is asked and something that is answered."""
    roles = {names[name].role for name in family}
    return bool({*ASKED} & roles and {*ANSWERED} & roles)


def preferred(key: Family) -> tuple[bool, bool]:
    """The family without a word of its own first, then the Korean one; the rest in the file's order."""
    return bool(key), language_in(key) != "ko"


def columns_of(family: Sequence[str], names: Mapping[str, Name], rows: Sequence[Row]) -> dict[str, str]:
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


def pair_of(name: str, header: Sequence[str], used: Sequence[str]) -> dict[str, str]:
    """The fields of the pair that a column belongs to, where it is another one than the chosen."""
    names = {one: read_name(one) for one in header if one}
    families = families_of(names)
    family = families.get(family_of(name, families) or (), [])
    if not is_whole(family, names) or set(family) & set(used):
        return {}
    return columns_of(family, names, ())
