"""Answers and references to `scores.json`, and that to rows for people."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from eval.scores import labelled, overlap
from eval.scores.habits import habits_of
from eval.scores.intervals import Array, Resamples, interval, paired_delta
from eval.scores.metric import Answer, Metric, Reference
from hunmin.errors import InputError
from hunmin.registry import member, members
from hunmin.schema import MetricScores, Scores, TaskInfo, TaskScores

DEFAULT_METRICS = ["rougeL", "chrf"]
MODELS = ("base", "tuned")
BASELINES = ("majority", "copy", "first_sentence")
LABEL_METRICS = ("accuracy", "macro_f1")
_SEAM = "eval.metrics"


@cache
def _plain_metrics() -> dict[str, Metric]:
    """Those that need nothing of a task."""
    names = members(Path(__file__).parent.parent / "metrics")
    return {metric.name: metric for metric in overlap.metrics()} | {
        name: member(_SEAM, name, "METRIC") for name in names
    }


def metrics_of(task: str, info: TaskInfo, *, run_code: bool = False) -> list[Metric]:
    """The metrics a task is scored with; those that run a model's code only with `run_code` (eval.run_code).

    Raises:
        InputError: a metric is unknown, or needs labels that the task does not have.
    """
    known = _plain_metrics() | {metric.name: metric for metric in labelled.metrics(info["labels"])}
    names = info["metrics"] or DEFAULT_METRICS
    for name in names:
        if name in LABEL_METRICS and not info["labels"]:
            raise InputError(f"task {task}: metric {name} needs labels, and the task lists none; add labels")
        if name not in known:
            every = sorted({*known, *LABEL_METRICS})
            raise InputError(f"task {task}: metric {name} is unknown; choose from {', '.join(every)}")
    return [known[name] for name in names if run_code or not known[name].runs_code]


def with_unasked(metrics: Sequence[Metric], references: Sequence[Reference]) -> list[Metric]:
    """A task's metrics, and those that some of its samples call for though its file does not name them."""
    others = [metric for metric in _plain_metrics().values() if metric.unasked and metric not in metrics]
    return [*metrics, *(metric for metric in others if any(map(metric.applies, references)))]


def places_of(metric: Metric, references: Sequence[Reference]) -> list[int]:
    """Which samples the metric is for."""
    return [place for place, reference in enumerate(references) if metric.applies(reference)]


@dataclass(frozen=True)
class Scored:
    """A task's scores, and for each system the metrics of each sample, for samples.parquet."""

    scores: TaskScores
    per_sample: dict[str, list[dict[str, float]]]


def score_task(
    task: str,
    *,
    metrics: Sequence[Metric],
    references: Sequence[Reference],
    families: Sequence[str],
    answers: Mapping[str, Sequence[Answer]],
    num_resamples: int,
    seed: int,
    labels: Sequence[str] = (),
) -> Scored:
    """Score every system on a task, with paired bootstrap intervals; `families` of the samples, in order.

    A metric scores the samples that it is for; one that is for none of them is left out.
    """
    per_sample: dict[str, list[dict[str, float]]] = {system: [{} for _ in references] for system in answers}
    scores: dict[str, MetricScores] = {}
    for metric in with_unasked(metrics, references):
        places = places_of(metric, references)
        if not places:
            continue
        draws = Resamples.of_task(
            task, [families[place] for place in places], num_resamples=num_resamples, seed=seed
        )
        asked = [references[place] for place in places]
        statistics = {
            system: metric.statistics([said[place].text for place in places], asked)
            for system, said in answers.items()
        }
        scores[metric.name] = _metric_scores(metric, asked, statistics, draws)
        for system, rows in statistics.items():
            values = metric.per_sample(rows)
            for place, value in zip(places, values if values is not None else [], strict=False):
                per_sample[system][place][metric.name] = float(value)
    return Scored(
        TaskScores(
            n=len(references),
            families=len(set(families)),
            languages=dict(sorted(Counter(reference.language for reference in references).items())),
            metrics=scores,
            **habits_of(answers, references, labels),
        ),
        per_sample,
    )


def _metric_scores(
    metric: Metric, references: Sequence[Reference], statistics: Mapping[str, Array], draws: Resamples
) -> MetricScores:
    scores = MetricScores(
        unit=metric.unit,
        tokenizer=metric.tokenizer(references),
        higher_is_better=True,
        n=len(references),
        undefined=metric.num_undefined(references),
        systems={system: interval(rows, metric.aggregate, draws) for system, rows in statistics.items()},
        delta=paired_delta(statistics["tuned"], statistics["base"], metric.aggregate, draws),
        over={
            system: paired_delta(statistics["tuned"], statistics[system], metric.aggregate, draws)
            for system in BASELINES
        },
    )
    if note := metric.note():
        scores["note"] = note
    return scores


def score_table(scores: Scores) -> list[dict[str, Any]]:
    """Rows to print: a row per task and metric.

    Returns:
        Keys: task, metric, unit, n, and Interval values (or None where absent) for base, tuned, delta
        (tuned minus base), majority, copy, first_sentence.
    """
    return [
        {"task": task, "metric": name, "unit": metric["unit"], "n": metric["n"], "delta": metric["delta"]}
        | {system: metric["systems"].get(system) for system in (*MODELS, *BASELINES)}
        for task, task_scores in scores["tasks"].items()
        for name, metric in task_scores["metrics"].items()
    ]
