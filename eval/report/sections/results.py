"""The sections that speak of both models: summary, scores, provenance."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from eval.report.drawing import figures
from eval.report.drawing.svg import Figure
from eval.report.sections import formatting
from eval.report.sections.answers import MODELS
from hunmin.artifact import Manifest
from hunmin.schema import GoalScore, Interval, MetricScores, Scores, Stats, TaskScores

SYSTEMS = {
    "base": "base",
    "tuned": "tuned",
    "majority": "majority answer",
    "copy": "copy of input",
    "first_sentence": "first sentence",
}
HEADLINE_TASKS = 7  # with goals above them, fewer: the summary is one screen
LEAST_HEADLINES = 3
ALL_TASKS = "all"  # of train.best_by
# How models answer besides what is scored: in words, the key of schema.Habits, the form of a number.
_HABITS = (
    ("Repeated 4-grams", "repetition", "percent"),
    ("No label to be read", "unread", "percent"),
    ("Tokens of thought", "thought_tokens", "integer"),
)
MIN_SAMPLES = 10  # of a verdict: the percentile interval of fewer is too narrow, of equal ones even empty

Section = dict[str, Any]


def system_name(system: str) -> str:
    """A system's name on the page."""
    return SYSTEMS.get(system, system)


def summary(
    config: Mapping[str, Any], manifests: Mapping[str, Manifest], stats: Stats, results: Scores
) -> Section:
    """The first screen: what was trained on what for how long, and what came of it."""
    counts = manifests["train"].counts
    best_by = (config.get("train") or {}).get("best_by", ALL_TASKS)
    records = sum(source["records"] for source in stats["sources"].values())
    kept = sum(source["kept"] for source in stats["sources"].values())
    rows = {split: stats["splits"][split]["rows"] for split in stats["splits"]}
    all_headlines = headlines(results)
    goals = [_goal(goal) for goal in results.get("goals", [])]
    return {
        "model": _model_name(config["model"]),
        "num_parameters": counts["num_parameters"],
        "from_scratch": config["model"].get("from_scratch") is not None,
        "records": records,
        "kept": kept,
        "rows": rows,
        "steps": counts["steps"],
        "best_step": counts.get("best_step"),
        "best_val_loss": counts.get("best_val_loss"),
        "best_by": None if best_by == ALL_TASKS else best_by,
        "export_step": counts.get("export_step"),
        "export_rule": manifests["train"].extra.get("export"),
        "seconds": {stage: manifest.seconds for stage, manifest in manifests.items()},
        "goals": goals,
        "goals_met": sum(goal["met"] for goal in goals),
        "headlines": all_headlines[: max(HEADLINE_TASKS - 2 * len(goals), LEAST_HEADLINES)],
        "num_headlines": len(all_headlines),
        "min_samples": MIN_SAMPLES,
    }


def headlines(results: Scores) -> list[Section]:
    """A row for each task that was scored, by its first metric; the largest gain over base first."""
    rows = [
        headline(task, *next(iter(found["metrics"].items())))
        for task, found in results["tasks"].items()
        if found["metrics"]
    ]
    return sorted(rows, key=lambda row: (-row["gain"], row["task"]))


def _model_name(model: Mapping[str, Any]) -> str:
    scratch = model.get("from_scratch")
    if scratch is None:
        return str(model["path"])
    return f"Llama from scratch, {scratch['num_layers']} layers, {scratch['hidden_size']} wide"


def _goal(goal: GoalScore) -> Section:
    """A goal of the config, against what the run got."""
    rivals = [{"system": name, **rival} for name, rival in goal["rivals"].items()]
    return {**goal, "rivals": rivals, "enough": goal["n"] >= goal["min_samples"]}


def headline(task: str, metric: str, values: MetricScores) -> Section:
    """A task by one of its metrics: base, tuned, and the strongest trivial baseline."""
    sign = 1 if values["higher_is_better"] else -1
    systems = values["systems"]
    rivals = [(sign * systems[name]["value"], name) for name in systems if name not in MODELS]
    rival = max(rivals)[1] if rivals else None
    base, tuned = systems.get("base"), systems.get("tuned")
    scale = 1 if values["unit"] == "%" else 100
    return {
        "task": task,
        "metric": metric,
        "unit": values["unit"],
        "n": values["n"],
        "base": base,
        "tuned": tuned,
        "delta": values["delta"],
        "verdict": verdict(values),
        "rival": rival,
        "rival_score": systems[rival] if rival else None,
        "above": above_baselines(values),
        "gain": sign * scale * values["delta"]["value"] if values["delta"] else float("-inf"),
    }


def verdict(metric: MetricScores) -> str:
    """Whether tuned differs from base: `better` or `worse` where the paired interval leaves out zero.

    Otherwise `unclear`, as where there is no interval or are fewer than MIN_SAMPLES samples.
    """
    return verdict_of(metric["delta"], metric["n"], metric["higher_is_better"])


def above_baselines(metric: MetricScores) -> bool | None:
    """Whether tuned is better than every trivial baseline, each by its paired interval, as in `verdict`.

    None where there is no baseline, or one without a difference.
    """
    baselines = [name for name in metric["systems"] if name not in MODELS]
    over = metric.get("over", {})
    if not baselines or not over.keys() >= set(baselines):
        return None
    n, higher = metric["n"], metric["higher_is_better"]
    return all(verdict_of(over[name], n, higher) == "better" for name in baselines)


def verdict_of(delta: Interval | None, n: int, higher_is_better: bool = True) -> str:
    """The word for a difference over n samples, as in `verdict`."""
    if n < MIN_SAMPLES or delta is None or delta["low"] is None or delta["high"] is None:
        return "unclear"
    if delta["low"] <= 0 <= delta["high"]:
        return "unclear"
    return "better" if (delta["low"] > 0) == higher_is_better else "worse"


def scores(results: Scores) -> list[Section]:
    """A section a task: its metrics as rows, the systems as columns, and a figure for each unit."""
    return [_task(index, name, found) for index, (name, found) in enumerate(results["tasks"].items())]


def overview(results: Scores) -> Figure | None:
    """Each task's first metric in one figure, ratios as percentages."""
    firsts = [
        (task, *next(iter(found["metrics"].items())))
        for task, found in results["tasks"].items()
        if found["metrics"]
    ]
    if not firsts:
        return None
    groups, told = [], []
    for task, name, metric in firsts:
        rows = [_as_percent(row, metric["unit"]) for row in _interval_rows(metric)]
        groups.append((f"{task}: {name}, n = {metric['n']:,}", rows))
        told.append(f"{task}, {name}: " + ", ".join(f"{row.label} {row.text}" for row in rows))
    return figures.overview_plot(
        groups,
        name="fig-scores",
        title="Held-out scores, 95 % intervals",
        description="; ".join(told),
        x_label="score (%)",
        limit=100.0,
    )


def _as_percent(row: figures.IntervalRow, unit: str) -> figures.IntervalRow:
    if unit == "%":
        return row
    low, high = (None if end is None else 100 * end for end in (row.low, row.high))
    return replace(
        row, value=100 * row.value, low=low, high=high, text=formatting.score(100 * row.value, "%")
    )


def _task(index: int, name: str, found: TaskScores) -> Section:
    present = {system for metric in found["metrics"].values() for system in metric["systems"]}
    known = [system for system in SYSTEMS if system in present]
    units = dict.fromkeys(metric["unit"] for metric in found["metrics"].values())
    return {
        "name": name,
        "n": found["n"],
        "languages": found["languages"],
        "systems": known + sorted(present.difference(known)),
        "metrics": [
            {"name": metric, "verdict": verdict(values), "note": "", **values}
            for metric, values in found["metrics"].items()
        ],
        "figures": [_score_figure(index, name, unit, found["metrics"]) for unit in units],
        "stop_rate": found["stop_rate"],
        "length_ratio": {
            name: found["length_ratio"][name] for name in MODELS if name in found["length_ratio"]
        },
        "habits": [
            (what, {name: shares[name] for name in MODELS if name in shares}, form)
            for what, key, form in _HABITS
            if (shares := found.get(key))
        ],
        "drawn": _drawn(found),
        "own_history": _own_history(found),
        "unseen": _unseen(found),
    }


def _drawn(found: TaskScores) -> Section | None:
    """Each metric over several draws of answers, a row a metric and model; None where one was drawn."""
    drawn = found.get("drawn")
    if drawn is None:
        return None
    rows = [
        {"name": name, "system": system, "unit": found["metrics"][name]["unit"], **values}
        for name, systems in drawn["metrics"].items()
        for system, values in systems.items()
    ]
    return {"draws": drawn["draws"], "rows": rows}


def _own_history(found: TaskScores) -> Section | None:
    """Later turns on the given and on the model's own history, a row a metric and model."""
    history = found.get("own_history")
    if history is None:
        return None
    rows = [
        {
            "name": name,
            "system": system,
            "verdict": verdict_of(values["delta"], history["n"][system], higher_is_better=True),
            **values,
        }
        for name, systems in history["metrics"].items()
        for system, values in systems.items()
    ]
    return {"n": history["n"], "rows": rows}


def _unseen(found: TaskScores) -> Section | None:
    """The tuned model's scores in held-out wordings, a row a metric; None where none was asked."""
    wordings = found.get("unseen_wordings")
    if wordings is None:
        return None
    rows = [
        {
            "name": name,
            "verdict": verdict_of(metric["delta"], wordings["n"], found["metrics"][name]["higher_is_better"]),
            **metric,
        }
        for name, metric in wordings["metrics"].items()
    ]
    return {"n": wordings["n"], "wordings": wordings["wordings"], "metrics": rows}


def _score_figure(index: int, task: str, unit: str, metrics: Mapping[str, MetricScores]) -> Figure:
    mine = {name: metric for name, metric in metrics.items() if metric["unit"] == unit}
    groups = [(name, _interval_rows(metric)) for name, metric in mine.items()]
    return figures.score_plot(
        groups,
        name=f"fig-scores-{_slug(index, task)}-{'percent' if unit == '%' else 'ratio'}",
        title=f"{task}, 95 % intervals",
        unit=unit,
    )


def _slug(index: int, task: str) -> str:
    """A part of a file name for a task: its number, and its name as far as that is plain letters."""
    plain = re.sub(r"[^a-z0-9]+", "-", task.lower()).strip("-")[:40]
    return f"{index + 1:02d}-{plain}" if plain else f"{index + 1:02d}"


def _interval_rows(metric: MetricScores) -> list[figures.IntervalRow]:
    order = [name for name in SYSTEMS if name in metric["systems"]]
    order += sorted(set(metric["systems"]).difference(order))
    return [
        figures.IntervalRow(
            label=system_name(system),
            kind=system if system in MODELS else "baseline",
            value=value["value"],
            low=value["low"],
            high=value["high"],
            text=formatting.score(value["value"], metric["unit"]),
        )
        for system, value in ((name, metric["systems"][name]) for name in order)
    ]


def provenance(manifests: Mapping[str, Manifest], results: Scores) -> Section:
    """Hashes of the stages and of the models, and the versions they ran with."""
    versions: dict[str, dict[str, str]] = {}
    for stage, manifest in manifests.items():
        for package, version in manifest.versions.items():
            versions.setdefault(package, {})[stage] = version
    one_environment = all(len(set(by_stage.values())) == 1 for by_stage in versions.values())
    return {
        "stages": manifests,
        "versions": versions,
        "one_environment": one_environment,
        "models": results["models"],
        "engine": results.get("engine"),
        "seed": results["seed"],
    }
