"""Worked examples for few-shot prompts: of the same task and kind, of the train split, of other families."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hunmin.hashing import stable_hash
from hunmin.rows import Row

MAX_EXAMPLES = 64  # rows of a task in the pool


def pool_rank(row_id: str) -> int:
    """Rows of the lowest ranks make up the pool: which ones depends on no order, and hardly on the others."""
    return stable_hash("few_shot_pool", row_id)


def kind_of(row: Row) -> tuple[str, str, bool, bool, bool]:
    """Rows of one kind can be examples of each other: task, language and shape of request and answer."""
    fields = row["fields"]
    return (
        row["task"],
        row["language"],
        bool(fields["label"]),
        bool(fields["input"]),
        bool(fields["instruction"]),
    )


@dataclass(frozen=True)
class ExamplePool:
    """Rows that may be shown as examples, by kind, each list in the order of row ids."""

    by_kind: dict[tuple[str, str, bool, bool, bool], tuple[Row, ...]]

    @classmethod
    def from_rows(cls, rows: Iterable[Row]) -> "ExamplePool":
        """The pool of these rows, in whatever order they come.

        Only rows of train are taken, no conversations, none with tools (an example would lack them), of each
        task the MAX_EXAMPLES of lowest `pool_rank`.
        """
        by_task: dict[str, list[Row]] = {}
        for row in rows:
            if row["split"] == "train" and not row["messages"] and not row.get("tools"):
                by_task.setdefault(row["task"], []).append(row)
        by_kind: dict[tuple[str, str, bool, bool, bool], list[Row]] = {}
        for members in by_task.values():
            lowest = sorted(members, key=lambda row: (pool_rank(row["row_id"]), row["row_id"]))[:MAX_EXAMPLES]
            for row in sorted(lowest, key=lambda row: row["row_id"]):
                by_kind.setdefault(kind_of(row), []).append(row)
        return cls({kind: tuple(members) for kind, members in by_kind.items()})

    def choose(
        self,
        row: Row,
        k: int,
        *,
        seed: int,
        epoch: int,
        repeat: int,
        fits: Callable[[Row], bool] = lambda _: True,
    ) -> list[Row]:
        """At most k rows of the row's kind, none of its family, no two of one family, all of which fit.

        Of the labels (or equal answers), each is shown once before any is shown twice.
        """
        drawn = (seed, row["row_id"], epoch, repeat)
        candidates = sorted(
            self.by_kind.get(kind_of(row), ()),
            key=lambda other: stable_hash("few_shot", *drawn, other["row_id"]),
        )
        waiting: dict[str, list[tuple[int, Row]]] = {}  # by answer, each with its place
        for place, other in reversed([*enumerate(candidates)]):
            waiting.setdefault(_answered(other), []).append((place, other))
        chosen: list[Row] = []
        families = {row["family_id"]}
        shown: Counter[str] = Counter()
        while waiting and len(chosen) < k:
            answer = min(waiting, key=lambda answer: (shown[answer], waiting[answer][-1][0]))
            _, other = waiting[answer].pop()
            if not waiting[answer]:
                del waiting[answer]
            if other["family_id"] not in families and fits(other):
                chosen.append(other)
                families.add(other["family_id"])
                shown[answer] += 1
        return chosen


def _answered(row: Row) -> str:
    return row["fields"]["label"] or row["fields"]["answer"]
