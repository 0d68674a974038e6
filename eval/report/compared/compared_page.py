"""Several runs on one page: a table of their scores, and a figure for each metric.

The first run is the one that the others are compared with. Only samples that all runs were asked are scored.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.compare import Compared, RunsBeside
from eval.report.drawing import figures
from eval.report.drawing.svg import Figure
from eval.report.html_page import render_page
from eval.report.sections import formatting
from eval.report.sections.results import MIN_SAMPLES, verdict_of

FOLDER = Path(__file__).parent
MAX_VALUE = 300  # characters of a setting's value

Section = dict[str, Any]


def render(found: RunsBeside) -> str:
    """The page; what comes from configs or data is escaped by the template engine."""
    tasks = _tasks(found.scores)
    return render_page(
        "compared.html.j2",
        folder=FOLDER,
        css=(FOLDER / "compared.css").read_text(encoding="utf-8"),
        runs=[
            {"letter": letter, "name": name, "folder": str(folder)}
            for letter, name, folder in zip(found.letters, found.names, found.folders, strict=True)
        ],
        counts=found.counts,
        settings={
            key: [formatting.shortened(str(value), MAX_VALUE) for value in values]
            for key, values in found.settings.items()
        },
        same={stage: len(set(hashes)) == 1 for stage, hashes in found.content.items()},
        tasks=tasks,
        partial=[task for task in tasks if task["is_partial"] and task["n"]],
        alone=[task for task in tasks if not task["n"]],
        standings=standings(found),
        figures=metric_figures(found),
        min_samples=MIN_SAMPLES,
    )


def standings(found: RunsBeside) -> list[Section]:
    """How each run but the first stands against it: on how many tasks better, worse and unclear.

    A task counts by its first metric, as in the report of one run.
    """
    firsts = list({one.task: one for one in reversed(found.scores)}.values())
    out = []
    for number, (letter, name) in enumerate(zip(found.letters, found.names, strict=True)):
        if number == 0:
            continue
        verdicts = [verdict_of(one.deltas[number], one.n) for one in firsts if one.deltas[number] is not None]
        words = ("better", "worse", "unclear")
        counts = {word: verdicts.count(word) for word in words}
        out.append({"letter": letter, "name": name, "num_tasks": len(verdicts), **counts})
    return out


def _tasks(scores: Sequence[Compared]) -> list[Section]:
    """A task with its metrics as rows: each run's score, and its difference from the first run's."""
    by_task: dict[str, list[Compared]] = {}
    for one in scores:
        by_task.setdefault(one.task, []).append(one)
    return [
        {
            "name": task,
            "n": members[0].n,
            "asked": members[0].asked,
            "is_partial": members[0].is_partial,
            "metrics": [_metric(one) for one in members],
        }
        for task, members in by_task.items()
    ]


def _metric(one: Compared) -> Section:
    values = [score["value"] for score in one.scores if score is not None]
    return {
        "name": one.metric,
        "unit": one.unit,
        "cells": [
            {
                "score": score,
                "delta": delta,
                "verdict": verdict_of(delta, one.n),
                "best": score is not None and len(values) > 1 and score["value"] == max(values) > min(values),
            }
            for score, delta in zip(one.scores, one.deltas, strict=True)
        ],
    }


def metric_figures(found: RunsBeside) -> list[Figure]:
    """A figure for each metric: a group for each task, a row for each run."""
    metrics = dict.fromkeys((one.metric, one.unit) for one in found.scores if one.n)
    return [_figure(number, metric, unit, found) for number, (metric, unit) in enumerate(metrics, start=1)]


def _figure(number: int, metric: str, unit: str, found: RunsBeside) -> Figure:
    members = [one for one in found.scores if (one.metric, one.unit) == (metric, unit) and one.n]
    labels = [f"{letter} {name}" for letter, name in zip(found.letters, found.names, strict=True)]
    groups = [
        (
            f"{one.task}, n = {one.n:,}",
            [
                figures.IntervalRow(
                    label=label,
                    kind="base" if at == 0 else "tuned",  # the marks of what is compared, and with what
                    value=score["value"],
                    low=score["low"],
                    high=score["high"],
                    text=formatting.score(score["value"], unit),
                )
                for at, (label, score) in enumerate(zip(labels, one.scores, strict=True))
                if score is not None
            ],
        )
        for one in members
    ]
    return figures.score_plot(
        groups, name=f"fig-compared-{number:02d}", title=f"{metric}, 95 % intervals", unit=unit
    )
