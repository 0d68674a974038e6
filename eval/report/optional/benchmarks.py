"""Benchmarks on the page: what `hunmin bench` found, each number beside what it was measured by."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval.bench.bench_results import BenchResults, read_results
from eval.report.drawing import figures
from eval.report.drawing.figures import IntervalRow
from eval.report.optional import Content, Fact, OptionalSection
from eval.report.sections import formatting
from eval.report.sections.results import verdict_of
from hunmin.artifact import load_manifest

FOLDERS = "bench/*"
DRAWN_TASKS = 8  # of a suite in the figure; of one with more, the mean over all samples alone
OPEN_TASKS = 12  # rows of a table that is not folded


def content(run_dir: Path) -> Content | None:
    """Every finished suite, by name."""
    found = {folder.name: load_manifest(folder) for folder in sorted(run_dir.glob(FOLDERS))}
    finished = {name: manifest for name, manifest in found.items() if manifest is not None}
    if not finished:
        return None
    train = load_manifest(run_dir / "train")
    suites = [
        {
            **_suite(read_results(run_dir, name)),
            "is_old": train is None or manifest.parents["train"] != train.content_sha256,
        }
        for name, manifest in finished.items()
    ]
    return {"suites": suites, "figure": _figure(suites)}


def _suite(found: BenchResults) -> dict[str, Any]:
    tasks = found["tasks"]
    rows = [
        {"name": name, "verdict": verdict_of(task["delta"], task["n"], task["higher_is_better"]), **task}
        for name, task in tasks.items()
    ]
    first, summed = next(iter(tasks.values())), found["overall"]
    overall = summed and {
        "verdict": verdict_of(summed["delta"], summed["n"], first["higher_is_better"]),
        **summed,
    }
    return {
        "name": found["suite"],
        "title": found["title"],
        "languages": found["languages"],
        "licence": found["licence"],
        "source": found["source"],
        "protocol": found["protocol"],
        "rows": rows,
        "overall": overall,
        "metric": first["metric"],
        "is_folded": len(rows) > OPEN_TASKS,
        "num_cut": sum(max(task["num_cut"].values()) for task in found["tasks"].values()),
    }


def _figure(suites: list[dict[str, Any]]) -> figures.Figure:
    groups, told = [], []
    for suite in suites:
        shown = [("all tasks", suite["overall"])] if suite["overall"] else []
        if len(suite["rows"]) <= DRAWN_TASKS:
            shown += [(row["name"], row) for row in suite["rows"]]
        for name, found in shown:
            named = suite["title"] if len(shown) == 1 else f"{suite['title']}: {name}"
            heading = f"{named}, n = {found['n']:,}"
            rows = [_interval_row(system, found) for system in ("base", "tuned")]
            groups.append((heading, rows))
            told.append(f"{heading}: " + ", ".join(f"{row.label} {row.text}" for row in rows))
    return figures.overview_plot(
        groups,
        name="fig-benchmarks",
        title="Benchmarks, 95 % intervals",
        description="; ".join(told),
        x_label="score (%)",
        limit=100.0,
    )


def _interval_row(system: str, found: Mapping[str, Any]) -> IntervalRow:
    value, low, high = (
        None if found["systems"][system][end] is None else 100 * found["systems"][system][end]
        for end in ("value", "low", "high")
    )
    assert value is not None, "a mean of samples"
    return IntervalRow(system, system, value, low, high, formatting.score(value, "%"))


def facts(content: Content) -> list[Fact]:
    """A line for each suite that was asked whole, of the export that the run has."""
    found = []
    for suite in content["suites"]:
        shown = suite["overall"] or (suite["rows"][0] if len(suite["rows"]) == 1 else None)
        if shown is None or suite["is_old"] or suite["protocol"]["limit"] is not None:
            continue
        base, tuned = (formatting.score(shown["systems"][one]["value"], "ratio") for one in ("base", "tuned"))
        note = f"base {base}, change {formatting.interval(shown['delta'], 'ratio', signed=True)}"
        found.append(Fact(suite["title"], f"tuned {tuned}", note, _colour(shown["verdict"])))
    return found


def _colour(verdict: str) -> Any:
    return verdict if verdict in ("better", "worse", "unclear") else ""


SECTION = OptionalSection(title="Benchmarks", content=content, folders=FOLDERS, facts=facts)
