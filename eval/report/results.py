"""The sections that speak of both models: summary, scores, answers, provenance."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from markupsafe import Markup

from data_pipeline.artifact import Manifest, sha256_bytes
from data_pipeline.schema import MetricScores, Scores, Stats, TaskScores
from eval.report import figures, text

SYSTEMS = {
    "base": "base",
    "tuned": "tuned",
    "majority": "majority answer",
    "copy": "copy of input",
    "first_sentence": "first sentence",
}
MODELS = ("base", "tuned")
SAMPLES_PER_TASK = 8
HEADLINE_TASKS = 8
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
    records = sum(source["records"] for source in stats["sources"].values())
    kept = sum(source["kept"] for source in stats["sources"].values())
    rows = {split: stats["splits"][split]["rows"] for split in stats["splits"]}
    headlines = [_headline(task, found) for task, found in results["tasks"].items() if found["metrics"]]
    headlines.sort(key=lambda row: (-row["gain"], row["task"]))
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
        "export_step": counts.get("export_step"),
        "seconds": {stage: manifest.seconds for stage, manifest in manifests.items()},
        "headlines": headlines[:HEADLINE_TASKS],
        "num_headlines": len(headlines),
        "better": sum(row["verdict"] == "better" for row in headlines),
        "worse": sum(row["verdict"] == "worse" for row in headlines),
        "min_samples": MIN_SAMPLES,
        "too_few": sum(row["n"] < MIN_SAMPLES for row in headlines),
        "above": sum(row["above"] for row in headlines),
        "with_baselines": sum(row["rival"] is not None for row in headlines),
    }


def _model_name(model: Mapping[str, Any]) -> str:
    scratch = model.get("from_scratch")
    if scratch is None:
        return str(model["path"])
    return f"Llama from scratch, {scratch['num_layers']} layers, {scratch['hidden_size']} wide"


def _headline(task: str, found: TaskScores) -> Section:
    """A task's first metric: base, tuned, and the strongest trivial baseline."""
    metric, values = next(iter(found["metrics"].items()))
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
        "above": bool(rival and tuned and sign * (tuned["value"] - systems[rival]["value"]) > 0),
        "gain": sign * scale * values["delta"]["value"] if values["delta"] else float("-inf"),
    }


def verdict(metric: MetricScores) -> str:
    """Whether tuned differs from base: `better` or `worse` where the paired interval leaves out zero.

    Otherwise `unclear`, as where there is no interval or are fewer than MIN_SAMPLES samples.
    """
    delta = metric["delta"]
    if metric["n"] < MIN_SAMPLES or delta is None or delta["low"] is None or delta["high"] is None:
        return "unclear"
    if delta["low"] <= 0 <= delta["high"]:
        return "unclear"
    return "better" if (delta["low"] > 0) == metric["higher_is_better"] else "worse"


def scores(results: Scores) -> list[Section]:
    """A section a task: its metrics as rows, the systems as columns, and a figure for each unit."""
    return [_task(index, name, found) for index, (name, found) in enumerate(results["tasks"].items())]


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
            {
                "name": metric,
                "verdict": verdict(values),
                "note": values.get("note", ""),
                **_without_note(values),
            }
            for metric, values in found["metrics"].items()
        ],
        "figures": [_score_figure(index, name, unit, found["metrics"]) for unit in units],
        "stop_rate": found["stop_rate"],
        "length_ratio": {
            name: found["length_ratio"][name] for name in MODELS if name in found["length_ratio"]
        },
    }


def _without_note(metric: MetricScores) -> Section:
    return {key: value for key, value in metric.items() if key != "note"}


def _score_figure(index: int, task: str, unit: str, metrics: Mapping[str, MetricScores]) -> Markup:
    mine = {name: metric for name, metric in metrics.items() if metric["unit"] == unit}
    groups = [(name, _interval_rows(metric)) for name, metric in mine.items()]
    told = "; ".join(
        f"{name}: " + ", ".join(f"{row.label} {row.text}" for row in rows) for name, rows in groups
    )
    return figures.interval_plot(
        groups,
        name=f"fig-scores-{index}-{'percent' if unit == '%' else 'ratio'}",
        title=f"Scores of {task} with 95 % intervals",
        description=told,
        x_label="score (%)" if unit == "%" else f"score ({unit})",
        limit=100.0 if unit == "%" else 1.0,
    )


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
            text=text.score(value["value"], metric["unit"]),
        )
        for system, value in ((name, metric["systems"][name]) for name in order)
    ]


def choose_samples(
    sample_ids: Sequence[str], tasks: Sequence[str], limit: int = SAMPLES_PER_TASK
) -> list[str]:
    """At most `limit` samples a task: smallest hash of the id first.

    So neither the order of the rows nor their score decides what the page shows.
    """
    by_task: dict[str, set[str]] = {}
    for sample_id, task in zip(sample_ids, tasks, strict=True):
        by_task.setdefault(task, set()).add(sample_id)
    return [
        sample_id
        for task in sorted(by_task)
        for sample_id in sorted(by_task[task], key=lambda name: (sha256_bytes(name.encode()), name))[:limit]
    ]


def answers(samples: pa.Table, results: Scores) -> list[Section]:
    """Per task: question, reference, and the answers of base and tuned side by side."""
    by_id: dict[str, dict[str, Section]] = {}
    for row in samples.to_pylist():
        by_id.setdefault(row["sample_id"], {})[row["system"]] = row
    by_task: dict[str, list[Section]] = {}
    for sample_id in sorted(by_id):
        systems = by_id[sample_id]
        some = next(iter(systems.values()))
        units = {
            name: metric["unit"]
            for name, metric in results["tasks"].get(some["task"], {"metrics": {}})["metrics"].items()
        }
        by_task.setdefault(some["task"], []).append(
            {
                "id": sample_id,
                "turn": some["turn"],
                "prompt": some["prompt"],
                "references": some["references"] or [],
                "label": some["label"],
                "answers": [_answer(name, systems[name], units) for name in MODELS if name in systems],
            }
        )
    return [{"task": task, "samples": by_task[task]} for task in sorted(by_task)]


def _answer(system: str, row: Section, units: Mapping[str, str]) -> Section:
    found = dict(row["scores"] or [])
    return {
        "system": system,
        "text": row["answer"],
        "label": row["extracted"],
        "right": row["label"] is not None and row["extracted"] == row["label"],
        "stopped": row["stopped"],
        "num_tokens": row["num_answer_tokens"],
        "scores": [(name, text.score(found[name], units.get(name, "ratio"))) for name in sorted(found)],
    }


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
        "seed": results["seed"],
    }
