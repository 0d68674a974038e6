"""Robustness on the page: what other words that ask for the same do to the answers, and what breaks them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from eval.report.drawing import figures
from eval.report.drawing.svg import Figure
from eval.report.optional import Content, OptionalSection
from eval.report.sections import formatting
from eval.report.sections.facts import Fact
from eval.report.sections.formatting import in_percent
from eval.report.sections.results import verdict_of
from hunmin import artifact
from hunmin.readable import shown

FILES = ("scores.json", "probes.parquet", "samples.parquet")
ALL = "all"
AXES = {  # as the page calls them
    ALL: "all together",
    "expression": "expression",
    "tone": "tone",
    "complexity": "complexity",
    "language": "language of the request",
    "format": "format",
    "domain": "domain",
    "wording": "held-out wordings",
    "punctuation": "punctuation",
    "spacing": "spacing",
    "line_breaks": "line breaks",
    "particles": "particles left out",
    "speech_level": "speech level, politeness",
    "typing": "slips of the hand",
    "option_order": "order of options",
}
MAX_BREAKS = 12  # of a task
MAX_CHARS = 600  # of a quoted text


def content(run_dir: Path) -> Content | None:
    """The findings of eval's probe, with the questions that broke the tuned model quoted."""
    folder = run_dir / "eval"
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    found = scores.get("probes", {}).get("robustness", {}).get("tasks")
    if not found:
        return None
    artifact.verify(folder, cure=f"hunmin eval {run_dir / 'config.yaml'} --run {run_dir}", only=FILES)
    ids = {pair[side] for task in found.values() for pair in task["breaks"] for side in ("own", "other")}
    said = _tuned_lines(folder, ids)
    tasks = [_task(at, name, task, said) for at, (name, task) in enumerate(sorted(found.items()))]
    return {"tasks": tasks, "right": next(iter(found.values()))["right"], **_overall(found)}


def _tuned_lines(folder: Path, ids: set[str]) -> dict[str, dict[str, Any]]:
    """The tuned model's questions and answers of these ids."""
    columns = ["sample_id", "system", "prompt", "answer", "references"]
    chosen = [("system", "==", "tuned"), ("sample_id", "in", sorted(ids))]
    return {
        line["sample_id"]: line
        for name in FILES[1:]
        if ids
        for line in pq.read_table(folder / name, columns=columns, filters=chosen).to_pylist()
    }


def _task(at: int, name: str, task: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    order = [axis for axis in AXES if axis in task["axes"]]
    axes = [*order, *(axis for axis in task["axes"] if axis not in AXES)]
    rows = [{"name": AXES.get(axis, axis), **_axis(task["axes"][axis])} for axis in axes]
    return {
        "name": name,
        "metric": task["metric"],
        "rows": task["rows"],
        "questions": task["questions"],
        "axes": rows,
        "figure": _figure(at, name, task["metric"], rows),
        "breaks": [_break(pair, said) for pair in task["breaks"][:MAX_BREAKS]],
        "num_breaks": len(task["breaks"]),
    }


def _axis(found: Mapping[str, Any]) -> dict[str, Any]:
    percent = {
        system: {name: in_percent(one) for name, one in measures.items()}
        for system, measures in found["systems"].items()
    }
    return {
        "n": found["rows"],
        "k": found["k"],
        "verdict": verdict_of(percent["tuned"]["change"], found["rows"]),
        "delta": in_percent(found["delta"]["reliable"]),
        **percent,
    }


def _figure(at: int, task: str, metric: str, axes: list[dict[str, Any]]) -> Figure:
    """Each axis' mean in other words, of both models, below that in the rows' own wording."""
    groups = [("in their own wording", _interval_rows(axes[0], "own"))]
    groups += [(f"{row['name']}, {row['n']} rows", _interval_rows(row, "mean")) for row in axes]
    told = "; ".join(
        f"{heading}: " + ", ".join(f"{row.label} {row.text}" for row in rows) for heading, rows in groups
    )
    return figures.interval_plot(
        groups,
        name=f"fig-robustness-{at + 1:02d}",
        title=f"{task} in other words, 95 % intervals",
        description=told,
        x_label=f"{metric} (% of its best value)",
        limit=100.0,
    )


def _interval_rows(axis: Mapping[str, Any], measure: str) -> list[figures.IntervalRow]:
    return [
        figures.IntervalRow(
            label=system,
            kind=system,
            text=formatting.score(axis[system][measure]["value"], "%"),
            **axis[system][measure],
        )
        for system in ("base", "tuned")
    ]


def _break(pair: Mapping[str, str], said: Mapping[str, Any]) -> dict[str, Any]:
    """Two questions and the tuned model's answers, as they may be shown."""
    own, other = said[pair["own"]], said[pair["other"]]
    texts = {
        side: {"question": _quoted(line["prompt"]), "answer": _quoted(line["answer"])}
        for side, line in (("own", own), ("other", other))
    }
    return {
        "axis": AXES.get(pair["axis"], pair["axis"]),
        "lost": pair["lost"],
        "wanted": _quoted(other["references"][0]),
        **texts,
    }


def _quoted(text: str) -> str:
    return shown(text, max_chars=MAX_CHARS)


def _overall(found: Mapping[str, Any]) -> dict[str, Any]:
    """Over the rows of all tasks: how many are right however they are asked, by system, in percent."""
    together = [task["axes"][ALL] for task in found.values()]
    rows = sum(one["rows"] for one in together)
    reliable = {
        system: 100
        * sum(one["rows"] * one["systems"][system]["reliable"]["value"] for one in together)
        / rows
        for system in ("base", "tuned")
    }
    return {"num_rows": rows, "k": max(one["k"] for one in together), "reliable": reliable}


def facts(section: Content) -> list[Fact]:
    """How many rows are right however they are asked."""
    value = f"{section['reliable']['tuned']:.0f} % of rows"
    base = f"{section['reliable']['base']:.0f} %"
    note = f"{section['num_rows']} rows, each asked up to {section['k']} times; base {base}"
    return [Fact("Right however asked", value, note)]


SECTION = OptionalSection(title="Robustness", content=content, facts=facts)
