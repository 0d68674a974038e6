"""What the gate tells of its leaks: a file with all of them, and a list for the error message."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from data_pipeline.database.leaks import OTHER_TASK, Leak
from data_pipeline.dedup.leak_keys import KINDS
from data_pipeline.dedup.shingles import turns_of
from hunmin.artifact import written_whole
from hunmin.rows import Row

FILE = "leaks.jsonl"  # in data/
SHOWN = 20
MATCHED_LETTERS = 6  # that must stand in both texts in a row
_SHOWN_CHARS = 100  # of a text in the list
_LEAKS_AT_A_TIME = 5_000  # whose texts are held in memory


class ShownLeak(NamedTuple):
    """A line of leaks.jsonl. `matched`: of the held-out row's text, what the train row has too."""

    kind: str
    score: float
    matched: str
    heldout: str  # row ids
    train: str
    heldout_task: str
    train_task: str
    heldout_text: str
    train_text: str


def write_leaks(
    leaks: Sequence[Leak], path: Path, *, rows_at: Callable[[Iterable[int]], Iterable[Row]]
) -> list[ShownLeak]:
    """Write all leaks, a JSON object a line, and give back the first SHOWN.

    Args:
        rows_at: the prepared rows at these places, in any order.
    """
    shown: list[ShownLeak] = []
    with written_whole(path) as partial, partial.open("w", encoding="utf-8") as lines:
        for first in range(0, len(leaks), _LEAKS_AT_A_TIME):
            some = leaks[first : first + _LEAKS_AT_A_TIME]
            rows = {row["ord"]: row for row in rows_at({o for one in some for o in one[1:3]})}
            for leak in some:
                line = shown_leak(leak, heldout=rows[leak.heldout_ord], train=rows[leak.train_ord])
                lines.write(json.dumps(line._asdict(), ensure_ascii=False) + "\n")
                shown += [line][: SHOWN - len(shown)]
    return shown


def shown_leak(leak: Leak, *, heldout: Row, train: Row) -> ShownLeak:
    """A leak with its texts: what is asked and answered, as the gate compares it, without instructions."""
    theirs, ours = _compared(heldout), _compared(train)
    return ShownLeak(
        kind=leak.kind,
        score=round(leak.score, 4),
        matched=matched_stretch(theirs, ours),
        heldout=heldout["row_id"],
        train=train["row_id"],
        heldout_task=heldout["task"],
        train_task=train["task"],
        heldout_text=theirs,
        train_text=ours,
    )


def _compared(row: Row) -> str:
    return "\n".join(" → ".join(turn) for turn in turns_of(row))


def matched_stretch(text: str, other: str) -> str:
    """The longest stretch of a text that stands in the other one too, but for case, spaces and signs.

    Empty where no MATCHED_LETTERS in a row do. Read off windows of so many letters, in linear time: a stretch
    whose windows stand in different places of the other text counts as one.
    """
    letters, places = _letters(text)
    theirs, _ = _letters(other)
    size = MATCHED_LETTERS
    windows = {theirs[i : i + size] for i in range(len(theirs) - size + 1)}
    best = (0, 0)
    start = 0
    for end in range(len(letters) - size + 2):
        if end <= len(letters) - size and letters[end : end + size] in windows:
            continue
        if end - start > best[1] - best[0]:
            best = (start, end)
        start = end + 1
    if best[1] == best[0]:
        return ""
    return text[places[best[0]] : places[best[1] + size - 2] + 1]


def _letters(text: str) -> tuple[str, list[int]]:
    """The letters and digits of a text in lower case, and where each of them stands."""
    found = [(sign.lower()[0], place) for place, sign in enumerate(text) if sign.isalnum()]
    return "".join(letter for letter, _ in found), [place for _, place in found]


def readable_leaks(leaks: Sequence[Leak], shown: Sequence[ShownLeak], *, path: Path) -> str:
    """The list for the error message: a total per kind, some leaks with what matched, what to do."""
    counts = Counter(leak.kind for leak in leaks)
    totals = ", ".join(f"{counts[kind]} {kind}" for kind in (*KINDS, OTHER_TASK) if counts[kind])
    lines = [f"{len(leaks)} held-out row(s) stand in the training data too: {totals}; all of them: {path}"]
    for leak in shown:
        found = f" ({leak.score:.0%} of it)" if leak.score < 1 else ""
        tasks = f" ({leak.heldout_task}, {leak.train_task})" if leak.kind == OTHER_TASK else ""
        lines.append(f"  {leak.kind}{tasks}{found}: {_shorten(leak.matched or leak.heldout_text)}")
        lines.append(f"    held-out  {leak.heldout}")
        lines.append(f"    train     {leak.train}")
    if len(leaks) > len(shown):
        lines.append(f"  ... and {len(leaks) - len(shown)} more")
    lines.append(ADVICE)
    if counts[OTHER_TASK]:
        lines.append(OTHER_TASK_ADVICE)
    return "\n".join(lines)


ADVICE = (
    "Rows of one source that share a passage: declare what they share as its `family:`, then all of them go "
    "to one split. Copies: take one of the two out of its source (`filters`, or the file itself). If they "
    "are meant all the same, set data.allow_contamination to the reason; every report will show it."
)
OTHER_TASK_ADVICE = (
    f"{OTHER_TASK}: the text is trained on for another task, not with this answer. Sources that share their "
    "texts go to one split with a `family:` of the same column."
)


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARS else line[: _SHOWN_CHARS - 1] + "…"
