"""Samples of both models to scores: each a mean with its interval, tuned minus base over the same samples."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from eval.bench.bench_job import BenchTask
from eval.bench.bench_results import BenchScores
from eval.scores.intervals import Array, Resamples, interval, paired_delta
from hunmin.errors import ArtifactError

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


def mean(sums_BK: Array) -> Array:
    """Sum over count, for each resample."""
    return sums_BK[:, 0] / sums_BK[:, 1]


def score(
    samples: Mapping[str, Sequence[Mapping[str, Any]]], *, name: str, resamples: int, seed: int
) -> BenchScores:
    """Scores of the systems' samples, which are the same ones in the same order.

    Equal documents are one family: a benchmark that holds one twice has no two samples of it.

    Raises:
        ArtifactError: the systems were asked different things.
    """
    asked = {
        system: [(row["task"], row["prompt_sha256"]) for row in rows] for system, rows in samples.items()
    }
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
