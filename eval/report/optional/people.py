"""What people said of the answers: by criterion and by task, how far they agree, and whether metrics do."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval.report.drawing import figures
from eval.report.drawing.svg import Figure
from eval.report.optional import Content, Fact, OptionalSection
from eval.report.sections import formatting
from eval.report.sections.results import MIN_SAMPLES
from hunmin import artifact
from hunmin.schema import CriterionScores, HumanModeScores, HumanScores, Interval

FOLDER, SCORES = "human", "scores.json"
# What a mode's intervals are measured in, and the value that says neither is better.
TOP = {"absolute": 5.0, "pairwise": 100.0}
LEAST_ALPHA = 0.667  # Krippendorff (2004, p. 241): below it no conclusion should be drawn from ratings


def content(run_dir: Path) -> Content | None:
    """The scores of the ratings that were taken in; None where there are none."""
    folder = run_dir / FOLDER
    if artifact.load_manifest(folder) is None or not (folder / SCORES).exists():
        return None
    artifact.verify(folder, cure=f"hunmin human import {run_dir} FILE…", only=(SCORES,))
    scores: HumanScores = json.loads((folder / SCORES).read_text(encoding="utf-8"))
    evaluated = artifact.load_manifest(run_dir / "eval")
    return {
        "modes": [_mode(name, found) for name, found in scores["modes"].items()],
        "earlier": evaluated is None or evaluated.content_sha256 != scores["eval_sha256"],
        "min_samples": MIN_SAMPLES,
        "least_alpha": LEAST_ALPHA,
    }


def _mode(name: str, scores: HumanModeScores) -> Content:
    rows = [_row(criterion, found) for criterion, found in scores["criteria"].items()]
    return {
        "name": name,
        **{fact: scores[fact] for fact in ("raters", "ratings", "samples", "families")},
        **{fact: scores[fact] for fact in ("equal_answers", "unpaired", "first_shown")},
        "rows": rows,
        "main": _row("main", scores["main"]),
        "tasks": [_row(task, found) for task, found in scores["tasks"].items()],
        "metrics": scores["metrics"],
        "figure": _figure(name, rows),
    }


def _row(title: str, found: CriterionScores) -> Content:
    """A line of a table; win rates as percentages."""
    delta = found.get("delta")
    win_rate = _percent(found.get("win_rate"))
    return {
        "title": title,
        "n": found["n"],
        "systems": found.get("systems", {}),
        "delta": delta,
        "shares": found.get("shares", {}),
        "win_rate": win_rate,
        "verdict": _verdict(delta, 0.0, found["n"]) if delta else _verdict(win_rate, 50.0, found["n"]),
        "alpha": found["alpha"],
    }


def _percent(found: Interval | None) -> Interval | None:
    if found is None:
        return None
    low, high = found["low"], found["high"]
    return Interval(
        value=100 * found["value"],
        low=None if low is None else 100 * low,
        high=None if high is None else 100 * high,
    )


def _verdict(found: Interval | None, even: float, n: int) -> str:
    """As of the scores: `better` or `worse` where the interval leaves out what says neither is better."""
    if found is None or found["low"] is None or found["high"] is None or n < MIN_SAMPLES:
        return "unclear"
    if found["low"] <= even <= found["high"]:
        return "unclear"
    return "better" if found["low"] > even else "worse"


def _figure(mode: str, rows: list[Content]) -> Figure | None:
    """Each criterion's means, or its win rate, with intervals."""
    groups = [(row["title"].capitalize(), _marks(row)) for row in rows]
    groups = [(title, marks) for title, marks in groups if marks]
    if not groups:
        return None
    told = {"absolute": "Mean ratings", "pairwise": "Win rate of the tuned model"}[mode]
    return figures.interval_plot(
        groups,
        name=f"fig-people-{mode}",
        title=f"People: {told[0].lower()}{told[1:]}",
        description=f"{told}: "
        + "; ".join(f"{title} {', '.join(f'{m.label} {m.text}' for m in marks)}" for title, marks in groups),
        x_label={"absolute": "mean of 1 to 5", "pairwise": "% of samples, ties half"}[mode],
        limit=TOP[mode],
    )


def _marks(row: Content) -> list[figures.IntervalRow]:
    values: Mapping[str, Any] = row["systems"] or ({"tuned": row["win_rate"]} if row["win_rate"] else {})
    unit = "" if row["systems"] else "%"
    return [
        figures.IntervalRow(
            label=system,
            kind=system,
            value=found["value"],
            low=found["low"],
            high=found["high"],
            text=formatting.score(found["value"], unit) if unit else f"{found['value']:.2f}",
        )
        for system, found in values.items()
    ]


def facts(found: Content) -> list[Fact]:
    """A line a mode."""
    return [_fact(mode) for mode in found["modes"]]


def _fact(mode: Content) -> Fact:
    main = mode["main"]
    note = f"{mode['samples']} samples, {mode['raters']} rater{'s' if mode['raters'] != 1 else ''}"
    if (alpha := next((row["alpha"].get("ordinal") for row in mode["rows"]), None)) is not None:
        note += f", alpha {alpha['value']:.2f}"
    if mode["name"] == "pairwise":
        value = (
            f"in {formatting.score(main['win_rate']['value'], '%')} %" if main["win_rate"] else "nothing yet"
        )
        bounds = formatting.interval(main["win_rate"], "%")
        return Fact("People prefer tuned", value, f"{bounds}; {note}" if bounds else note, main["verdict"])
    if not main["delta"]:
        return Fact("People's rating", "no pair rated yet", note)
    value = f"{main['systems']['tuned']['value']:.2f} against {main['systems']['base']['value']:.2f}"
    return Fact("People rate tuned", value, f"of 5; {note}", main["verdict"])


SECTION = OptionalSection(title="People", content=content, folders=FOLDER, facts=facts)
