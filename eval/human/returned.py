"""Lines that came back, judged by the key: ratings where all is right, else every fault with its place."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from eval.human.forms.form_table import Line
from eval.human.study.blinding import Item
from eval.human.study.criteria import REPLIES, Mode, criteria_of, reply_of
from hunmin.errors import InputError

MAX_FAULTS = 20  # that a message lists


@dataclass(frozen=True)
class Study:
    """What was handed out at once, with its key."""

    name: str
    mode: Mode
    raters: int
    items: Mapping[str, Item]  # by id


class Rating(NamedTuple):
    """A judgement of one criterion, unblinded (schema.HUMAN_RATINGS)."""

    mode: str
    rater: int
    item_id: str
    criterion: str
    value: int  # absolute: 1 to 5; pairwise: 1 tuned is better, 0 a tie, -1 base is better
    shown_first: str | None
    note: str


@dataclass(frozen=True)
class Placed:
    """A line and the file it stands in."""

    file: str
    line: Line

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.file}, {self.line.where}"


def check_lines(placed: Iterable[Placed], studies: Sequence[Study]) -> list[Rating]:
    """The ratings of all lines; a line without any reply is not rated yet and gives none.

    Raises:
        InputError: a line each for what is wrong: ids of no form, items twice, replies that are none, lines
            that are filled in part.
    """
    by_name = {study.name: study for study in studies}
    ratings: list[Rating] = []
    faults: list[str] = []
    seen: dict[str, str] = {}
    for one in placed:
        if not one.line.values:
            continue
        found, wrong = _judge(one.line, by_name)
        if one.line.item in seen:
            wrong.append(f"{one.line.item} stands in {seen[one.line.item]} too; leave one of them")
        seen.setdefault(one.line.item, one.where)
        faults += [f"{one.where}: {fault}" for fault in wrong]
        ratings += found
    if faults:
        more = f"\n… and {len(faults) - MAX_FAULTS} more" if len(faults) > MAX_FAULTS else ""
        raise InputError(
            f"{len(faults)} fault{'s' if len(faults) > 1 else ''} in what came back; nothing was taken in:\n"
            + "\n".join(faults[:MAX_FAULTS])
            + more
        )
    return ratings


def _judge(line: Line, studies: Mapping[str, Study]) -> tuple[list[Rating], list[str]]:
    """The ratings of a line, and what is wrong with it."""
    name, _, rest = line.item.partition(".")
    number, _, item_id = rest.partition(".")
    study = studies.get(name)
    if study is None:
        known = " and ".join(sorted(studies))
        return [], [f"id {_quoted(line.item)} is of no form of this run (its forms begin with {known})"]
    if number not in map(str, range(1, study.raters + 1)):
        return [], [f"id {_quoted(line.item)} names no rater of 1 to {study.raters}"]
    item = study.items.get(item_id)
    if item is None or not item.asked:
        return [], [f"id {_quoted(line.item)} is no item of the form; the column id must stay as it was"]
    wanted = [criterion.name for criterion in criteria_of(study.mode)]
    replies = {name: reply_of(text, study.mode) for name, text in line.values.items()}
    wrong = [
        f"{name}: {_quoted(line.values[name])} is not one of {', '.join(REPLIES[study.mode])}"
        for name, reply in replies.items()
        if reply is None and name in wanted
    ]
    if unknown := [name for name in replies if name not in wanted]:
        wrong.append(f"{', '.join(unknown)} is not asked in these forms")
    if missing := [name for name in wanted if name not in replies]:
        wrong.append(f"no reply to {', '.join(missing)}, and to the rest there is; fill in all or none")
    rater = int(number)
    swapped = item.swapped[rater - 1]
    first = item.systems[int(swapped)] if len(item.systems) == 2 else None
    ratings = [
        Rating(study.mode, rater, item_id, name, _value(reply, study.mode, swapped), first, line.note)
        for name, reply in replies.items()
        if reply is not None
    ]
    return ratings, wrong


def _quoted(text: str) -> str:
    """A text of a form as a message may repeat it."""
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def _value(reply: str, mode: Mode, swapped: bool) -> int:
    """A reply as a number, the sides turned back: tuned stands second, as B, where nothing is swapped."""
    place = REPLIES[mode].index(reply)
    if mode == "absolute":
        return place + 1
    return (1 - place) if swapped else (place - 1)


def merge(before: Iterable[Rating], now: Iterable[Rating]) -> tuple[list[Rating], int]:
    """All ratings in canonical order, later ones in the place of earlier ones; how many these changed."""
    merged = {rating[:4]: rating for rating in before}
    changed = 0
    for rating in now:
        old = merged.get(rating[:4])
        changed += old is not None and old.value != rating.value
        merged[rating[:4]] = rating
    return [merged[key] for key in sorted(merged)], changed
