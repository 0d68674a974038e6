"""From samples to what people are shown: which are drawn, who sees which answer where. Pure, seeded."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from eval.human.study.criteria import Language, Mode
from hunmin.hashing import sha256_json, stable_hash, table_sha256
from hunmin.readable import Part, parts_of_messages
from hunmin.rows import Message
from hunmin.schema import HUMAN_KEY

SYSTEMS = ("base", "tuned")


@dataclass(frozen=True)
class Item:
    """What a rater judges at a time: an answer, or two of them side by side (schema.HUMAN_KEY)."""

    item_id: str
    sample_id: str
    row_id: str
    turn: int
    family_id: str
    task: str
    language: str
    licence: str | None
    messages: list[Message]
    tools: str | None
    systems: list[str]
    answers: list[str]
    scores: list[dict[str, float]]
    swapped: list[bool]
    asked: bool


@dataclass(frozen=True)
class FormItem:
    """An item as one rater sees it; the order of the answers says nothing of who gave them."""

    item_id: str
    prompt: list[Part]
    answers: list[str]


@dataclass(frozen=True)
class Form:
    """All that one rater is asked, in that rater's order."""

    name: str  # STUDY.RATER
    mode: Mode
    language: Language
    items: list[FormItem]


def draw_evenly(tasks: Mapping[str, str], *, limit: int, seed: int) -> list[str]:
    """At most `limit` of these samples, as many of each task as there are: `tasks` by sample id."""
    by_task: dict[str, list[str]] = {}
    for sample_id in sorted(tasks, key=lambda one: (stable_hash(seed, "human", one), one)):
        by_task.setdefault(tasks[sample_id], []).append(sample_id)
    turns = [
        (turn, task, sample_id) for task, members in by_task.items() for turn, sample_id in enumerate(members)
    ]
    return sorted(sample_id for _, _, sample_id in sorted(turns)[:limit])


def make_items(samples: Sequence[Mapping[str, Any]], *, mode: Mode, raters: int, seed: int) -> list[Item]:
    """The items of drawn samples.

    Args:
        samples: each with the columns of HUMAN_KEY that are not ours: of the row, and `answers` and `scores`
            by system.
    """
    groups = [SYSTEMS] if mode == "pairwise" else [(system,) for system in SYSTEMS]
    return [
        _item(sample, systems, mode=mode, raters=raters, seed=seed)
        for sample in samples
        for systems in groups
    ]


def _item(sample: Mapping[str, Any], systems: Sequence[str], *, mode: Mode, raters: int, seed: int) -> Item:
    lot = stable_hash(seed, mode, sample["sample_id"], *systems)
    answers = [sample["answers"][system] for system in systems]
    pair = len(systems) == 2
    return Item(
        item_id=f"{lot:016x}"[:10],
        **{name: sample[name] for name in ("sample_id", "row_id", "turn", "family_id", "task", "language")},
        **{name: sample[name] for name in ("licence", "messages", "tools")},
        systems=list(systems),
        answers=answers,
        scores=[dict(sample["scores"][system]) for system in systems],
        # Half of the raters see a pair the one way, half the other: liking the first answer helps nobody.
        swapped=[pair and (lot + rater) % 2 == 1 for rater in range(raters)],
        asked=not (pair and answers[0] == answers[1]),
    )


def key_table(items: Sequence[Item]) -> pa.Table:
    """schema.HUMAN_KEY, without its metadata."""
    rows = [asdict(item) | {"scores": [sorted(one.items()) for one in item.scores]} for item in items]
    return pa.Table.from_pylist(rows, schema=HUMAN_KEY)


def items_of(key: pa.Table) -> list[Item]:
    """The items of a key."""
    rows = key.to_pylist()
    return [Item(**row | {"scores": [dict(one) for one in row["scores"]]}) for row in rows]


def study_name(key: pa.Table, *, mode: Mode, raters: int) -> str:
    """Names the forms of a study: equal for equal items. Never a number, which a spreadsheet would round."""
    return "h" + sha256_json([table_sha256(key), mode, raters])[:8]


def make_form(items: Sequence[Item], *, study: str, rater: int, mode: Mode, language: Language) -> Form:
    """The form of a rater, counted from 1."""
    asked = [item for item in items if item.asked]
    asked.sort(key=lambda item: (stable_hash(study, rater, item.item_id), item.item_id))
    return Form(
        name=f"{study}.{rater}",
        mode=mode,
        language=language,
        items=[
            FormItem(
                item.item_id,
                parts_of_messages(item.messages),
                item.answers[::-1] if item.swapped[rater - 1] else item.answers,
            )
            for item in asked
        ],
    )
