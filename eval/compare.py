"""Two runs' answers side by side: scores, and their difference on the rows that both were asked."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from eval.samples.samples import read_heldout
from eval.scores.intervals import Resamples, interval, paired_delta
from eval.scores.metric import Reference
from eval.scores.score_table import metrics_of
from hunmin.schema import Interval, TaskInfo

NUM_RESAMPLES = 1000
Key = tuple[str, tuple[str, ...], str | None]


def compare(first: Path, second: Path, *, seed: int = 0) -> list[dict[str, Any]]:
    """Scores of the tuned models of two run folders, over the samples that both answered.

    A sample is the same where its id, its references and its label are; how it was asked (wording, prefix,
    examples) may differ: that is what one compares.

    Returns:
        A row for each task and metric: task, metric, unit, n, only_first, only_second (samples that the
        other lacks), first, second (Interval), delta (second minus first, paired); the intervals are None
        where no sample is shared.
    """
    answers = [_answers(run) for run in (first, second)]
    families: dict[str, str] = {}  # by row
    infos: dict[str, TaskInfo] = {}
    for run in (second, first):  # the first run's words where both know a task
        heldout, tasks = read_heldout(run / "data" / "heldout.parquet")
        families |= {row["row_id"]: row["family_id"] for row in heldout}
        infos |= tasks
    rows = []
    for task in sorted(answers[0].keys() | answers[1].keys()):
        ours, theirs = (side.get(task, {}) for side in answers)
        shared = [key for key in ours if key in theirs]
        counts = {
            "n": len(shared),
            "only_first": len(ours) - len(shared),
            "only_second": len(theirs) - len(shared),
        }
        references = [Reference(list(key[1]), ours[key][1], key[2]) for key in shared]
        for metric in metrics_of(task, infos[task]):
            scores: dict[str, Interval | None] = {"first": None, "second": None, "delta": None}
            if shared:
                drawn = [families[sample_id.rpartition("/")[0]] for sample_id, _, _ in shared]
                draws = Resamples.of_task(task, drawn, num_resamples=NUM_RESAMPLES, seed=seed)
                a, b = (
                    metric.statistics([side[key][0] for key in shared], references) for side in (ours, theirs)
                )
                scores = {
                    "first": interval(a, metric.aggregate, draws),
                    "second": interval(b, metric.aggregate, draws),
                    "delta": paired_delta(b, a, metric.aggregate, draws),
                }
            rows.append({"task": task, "metric": metric.name, "unit": metric.unit, **counts, **scores})
    return rows


def _answers(run: Path) -> dict[str, dict[Key, tuple[str, str]]]:
    """The tuned model's (answer, language) of each sample, by task."""
    columns = ["sample_id", "system", "task", "language", "references", "label", "answer"]
    found: dict[str, dict[Key, tuple[str, str]]] = {}
    for row in pq.read_table(run / "eval" / "samples.parquet", columns=columns).to_pylist():
        if row["system"] == "tuned":
            key = (row["sample_id"], tuple(row["references"]), row["label"])
            found.setdefault(row["task"], {})[key] = (row["answer"], row["language"])
    return found
