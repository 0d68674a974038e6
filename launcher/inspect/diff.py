"""`hunmin diff`: what differs between two runs, from their configs to their scores."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from launcher.commands.summary import aligned, signed
from launcher.inspect.side_by_side import side_by_side

if TYPE_CHECKING:
    from eval.compare import Compared


def diff(first: Path, second: Path) -> dict[str, Any]:
    """Settings, stages, counts and scores of two runs, as JSON values; `side_by_side` says what it raises."""
    found = side_by_side([first, second])
    return {
        "runs": [str(folder) for folder in found.folders],
        "config": [f"{key}: {before!r} -> {after!r}" for key, (before, after) in found.settings.items()],
        "stages": {
            name: "same" if before == after else "differs" for name, (before, after) in found.content.items()
        },
        "counts": found.counts,
        "scores": [_score(one) for one in found.scores],
    }


def _score(one: "Compared") -> dict[str, Any]:
    first, second = one.scores
    return {
        "task": one.task,
        "metric": one.metric,
        "unit": one.unit,
        "n": one.n,
        "only_first": one.asked[0] - one.n,
        "only_second": one.asked[1] - one.n,
        "first": first,
        "second": second,
        "delta": one.deltas[1],
    }


def as_text(found: dict[str, Any]) -> str:
    """The same for a reader; A is the first run, B the second."""
    a, b = found["runs"]
    stages = ", ".join(f"{name} {word}" for name, word in found["stages"].items())
    lines = [f"A  {a}", f"B  {b}", "", "config, A -> B:"]
    lines += [f"  {line}" for line in found["config"]] or ["  the same, but for how the work is done"]
    lines += ["", f"content: {stages}", ""]
    counts = [["", "A", "B"], *([key, *map(_short, pair)] for key, pair in found["counts"].items())]
    lines += [*aligned(counts, left=(0,)), ""]
    head = ["task", "metric", "n", "A", "B", "B - A [95 %]"]
    body = [
        [
            row["task"],
            row["metric"] + (" %" if row["unit"] == "%" else ""),
            str(row["n"]),
            *("-" if row[side] is None else f"{row[side]['value']:.2f}" for side in ("first", "second")),
            signed(row["delta"]),
        ]
        for row in found["scores"]
    ]
    lines += aligned([head, *body], left=(0, 1)) if body else ["no scores: no task was asked in either run"]
    partly = {
        row["task"]: (row["n"], row["only_first"], row["only_second"])
        for row in found["scores"]
        if row["only_first"] or row["only_second"]
    }
    lines += [
        f"{task}: compared on the {n} rows that both were asked; {only_a} in A alone, {only_b} in B alone"
        for task, (n, only_a, only_b) in partly.items()
    ]
    return "\n".join(lines)


def _short(value: Any) -> str:
    return "-" if value is None else f"{value:.4f}" if isinstance(value, float) else f"{value:,}"
