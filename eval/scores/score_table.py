"""Answers and references to `scores.json`, and that to rows for people."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from eval.scores import labelled, overlap
from eval.scores.intervals import Array, Resamples, interval, paired_delta
from eval.scores.metric import Answer, Metric, Reference
from hunmin.errors import InputError
from hunmin.schema import MetricScores, Scores, TaskInfo, TaskScores

DEFAULT_METRICS = ["rougeL", "chrf"]
MODELS = ("base", "tuned")
BASELINES = ("majority", "copy", "first_sentence")
LABEL_METRICS = ("accuracy", "macro_f1")


@cache
def _text_metrics() -> dict[str, Metric]:
    return {metric.name: metric for metric in overlap.metrics()}


def metrics_of(task: str, info: TaskInfo) -> list[Metric]:
    """The metrics a task is scored with.

    Raises:
        InputError: a metric is unknown, or needs labels that the task does not have.
    """
    known = _text_metrics() | {metric.name: metric for metric in labelled.metrics(info["labels"])}
    names = info["metrics"] or DEFAULT_METRICS
    for name in names:
        if name in LABEL_METRICS and not info["labels"]:
            raise InputError(f"task {task}: metric {name} needs labels, and the task lists none; add labels")
        if name not in known:
            every = sorted({*known, *LABEL_METRICS})
            raise InputError(f"task {task}: metric {name} is unknown; choose from {', '.join(every)}")
    return [known[name] for name in names]


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
) -> Scored:
    """Score every system on a task, with paired bootstrap intervals; `families` of the samples, in order."""
    draws = Resamples.of_task(task, families, num_resamples=num_resamples, seed=seed)
    texts = {system: [answer.text for answer in members] for system, members in answers.items()}
    per_sample: dict[str, list[dict[str, float]]] = {system: [{} for _ in references] for system in texts}
    scores: dict[str, MetricScores] = {}
    for metric in metrics:
        statistics = {system: metric.statistics(members, references) for system, members in texts.items()}
        scores[metric.name] = _metric_scores(metric, references, statistics, draws)
        for system, rows in statistics.items():
            values = metric.per_sample(rows)
            for sample, value in zip(per_sample[system], values if values is not None else [], strict=False):
                sample[metric.name] = float(value)
    return Scored(
        TaskScores(
            n=len(references),
            families=len(set(families)),
            languages=dict(sorted(Counter(reference.language for reference in references).items())),
            metrics=scores,
            stop_rate={
                system: sum(bool(answer.stopped) for answer in answers[system]) / len(references)
                for system in MODELS
            },
            length_ratio={system: _length_ratio(members, references) for system, members in texts.items()},
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


def _length_ratio(texts: Sequence[str], references: Sequence[Reference]) -> float:
    """Characters of all answers over characters of all first references."""
    wanted = sum(len(reference.texts[0]) for reference in references)
    return sum(map(len, texts)) / max(wanted, 1)


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
