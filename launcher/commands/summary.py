"""What a finished command tells: scores, seconds, the report's path."""

import json
from typing import Any

from hunmin.artifact import Manifest
from launcher.help.pages import columns
from launcher.run import Run


def as_dict(run: Run, manifests: dict[str, Manifest]) -> dict[str, Any]:
    """The result as JSON values."""
    result: dict[str, Any] = {
        "run": str(run.dir),
        "seconds": {name: manifest.seconds for name, manifest in manifests.items()},
        "content_sha256": {name: manifest.content_sha256 for name, manifest in manifests.items()},
        "counts": {name: manifest.counts for name, manifest in manifests.items()},
    }
    if run.corpus_page.exists():
        result["corpus"] = str(run.corpus_page)
    if "eval" in manifests:
        from eval.scores.score_table import score_table

        scores = json.loads((run.dir / "eval" / "scores.json").read_text())
        result["scores"] = score_table(scores)
        result["goals"] = scores.get("goals", [])
    if "report" in manifests:
        result["report"] = str(run.dir / "report" / "index.html")
    return result


def as_text(result: dict[str, Any]) -> str:
    """The result as lines for a person."""
    lines = [""]
    if "scores" in result:
        lines += [*_score_lines(result["scores"]), ""]
    if result.get("goals"):
        lines += [*map(_goal_line, result["goals"]), ""]
    seconds = result["seconds"]
    lines.append("seconds: " + "  ".join(f"{name} {value:.1f}" for name, value in seconds.items()))
    if "report" in result:
        lines.append(f"report:  {result['report']}")
    else:
        lines.append(f"run:     {result['run']}")
        if "corpus" in result:
            lines.append(f"corpus:  {result['corpus']}")
    return "\n".join(lines)


def _score_lines(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return ["no scores: no row was held out (data.split.heldout)"]
    head = [
        "task",
        "metric",
        "n",
        "base",
        "tuned",
        "tuned - base [95 %]",
        "majority",
        "copy",
        "first sentence",
    ]
    body = [
        [
            row["task"],
            row["metric"] + (" %" if row["unit"] == "%" else ""),
            str(row["n"]),
            _number(row["base"]),
            _number(row["tuned"]),
            signed(row["delta"]),
            *(_number(row[system]) for system in ("majority", "copy", "first_sentence")),
        ]
        for row in rows
    ]
    return aligned([head, *body], left=(0, 1))


def aligned(rows: list[list[str]], *, left: tuple[int, ...]) -> list[str]:
    """Rows as lines of columns, right-aligned but for `left`; a Hangul syllable takes two columns."""
    widths = [max(columns(line[column]) for line in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell + " " * (width - columns(cell)) if column in left else " " * (width - columns(cell)) + cell
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in rows
    ]


def _goal_line(goal: dict[str, Any]) -> str:
    wanted = f"tuned at least {goal['margin']:g} above {', '.join(goal['rivals'])}" if goal["rivals"] else "-"
    nearest = min(goal["rivals"].items(), key=lambda item: item[1]["delta"]["value"], default=None)
    found = f"{signed(nearest[1]['delta'])} above {nearest[0]}" if nearest else "no answers"
    if goal["n"] < goal["min_samples"]:
        found += f", on fewer than {goal['min_samples']} answers"
    word = "met" if goal["met"] else "NOT met"
    return f"goal {word}: {goal['task']} {goal['metric']}, n = {goal['n']}: wanted {wanted}; {found}"


def _number(interval: dict[str, float] | None) -> str:
    return "-" if interval is None else f"{interval['value']:.2f}"


def signed(interval: dict[str, float] | None) -> str:
    """A difference with its interval."""
    if interval is None:
        return "-"
    if interval["low"] is None:
        return f"{interval['value']:+.2f}"
    return f"{interval['value']:+.2f} [{interval['low']:+.2f}, {interval['high']:+.2f}]"
