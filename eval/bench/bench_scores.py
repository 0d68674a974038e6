"""Samples of both models to scores: each a mean with its interval, tuned minus base over the same samples."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa

from eval.bench.harness import BenchTask
from eval.scores.intervals import Array, Resamples, interval, paired_delta
from hunmin.errors import ArtifactError
from hunmin.schema import Interval

SYSTEMS = ("base", "tuned")

BENCH_SAMPLES = pa.schema(
    [
        ("system", pa.string()),  # base | tuned
        ("task", pa.string()),
        ("doc_id", pa.int64()),  # place in the split that was asked
        ("doc_sha256", pa.string()),
        ("prompt_sha256", pa.string()),
        ("prompt", pa.string()),  # as the template writes it
        ("target", pa.string()),
        ("answer", pa.string()),  # what was written, or the choice of the highest likelihood
        ("value_sum", pa.float64()),  # of the metric, over value_count: one, or the parts of a prompt
        ("value_count", pa.int64()),
    ]
)


class BenchScores(TypedDict):
    """Both models on the same samples; `delta` is tuned minus base, paired."""

    n: int
    systems: dict[str, Interval]
    delta: Interval


class DatasetRecord(TypedDict):
    """The data of a task, as it lay on the disk."""

    name: str
    subset: str | None
    split: str
    revision: str | None  # commit on the hub; None: nobody noted one
    sha256: dict[str, str]  # of each split's file


class TaskScores(BenchScores):
    """A task's scores, with what they were measured by."""

    metric: str
    filter: str
    shots: int
    version: str  # of the task's definition
    dataset: DatasetRecord
    num_cut: dict[str, int]  # samples whose prompt was longer than the model's context, by system


class Protocol(TypedDict):
    """What all numbers of a suite were measured by."""

    harness: str  # name and version
    engine: str
    dtype: str
    batch_size: int
    template_sha256: str
    same_ids_as_training: bool  # the harness' way through the template gives the ids of training
    limit: int | None  # the first so many samples of each task; None: all
    seed: int


class BenchResults(TypedDict):
    """RUN/bench/SUITE/results.json."""

    schema_version: int
    suite: str
    title: str
    languages: list[str]
    licence: str
    source: str
    protocol: Protocol
    models: dict[str, dict[str, str]]
    tasks: dict[str, TaskScores]
    overall: BenchScores | None  # over all samples of all tasks; None: one task, or several metrics


def mean(sums_BK: Array) -> Array:
    """Sum over count, for each resample."""
    return sums_BK[:, 0] / sums_BK[:, 1]


def score(samples: Mapping[str, Sequence[Mapping[str, Any]]], *, name: str, resamples: int, seed: int) -> BenchScores:
    """Scores of the systems' samples, which are the same ones in the same order.

    Equal documents are one family: a benchmark that holds one twice has no two samples of it.

    Raises:
        ArtifactError: the systems were asked different things.
    """
    asked = {system: [(row["task"], row["prompt_sha256"]) for row in rows] for system, rows in samples.items()}
    if asked["base"] != asked["tuned"]:
        raise ArtifactError(f"bench: {name}: base and tuned were asked different samples; delete the parts")
    families = [f"{row['task']} {row['doc_sha256']}" for row in samples["tuned"]]
    draws = Resamples.of_task(name, families, num_resamples=resamples, seed=seed)
    values = {
        system: np.array([(row["value_sum"], row["value_count"]) for row in rows], dtype=np.float64)
        for system, rows in samples.items()
    }
    return BenchScores(
        n=len(families),
        systems={system: interval(values[system], mean, draws) for system in SYSTEMS},
        delta=paired_delta(values["tuned"], values["base"], mean, draws),
    )


def overall(
    tasks: Sequence[BenchTask],
    samples: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    name: str,
    resamples: int,
    seed: int,
) -> BenchScores | None:
    """The mean over all samples of a suite whose tasks have one metric, as the harness' groups weigh them."""
    if len(tasks) == 1 or len({(task.metric, task.filter) for task in tasks}) > 1:
        return None
    return score(samples, name=name, resamples=resamples, seed=seed)
