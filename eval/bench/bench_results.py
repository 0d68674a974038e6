"""What RUN/bench/SUITE/results.json says: each number beside what it was measured by."""

import json
from pathlib import Path
from typing import TypedDict

from hunmin.artifact import verify
from hunmin.schema import Interval


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
    filter: str  # which reading of a written answer counts
    higher_is_better: bool
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
    shot_seed: int  # of the draw of worked examples


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


def read_results(run_dir: Path, suite: str) -> BenchResults:
    """What a finished suite's results.json says, checked against its manifest.

    Raises:
        ArtifactError: it is not finished, or the file is not as it was written.
    """
    folder = run_dir / "bench" / suite
    verify(folder, cure=f"hunmin bench {run_dir} --suite {suite}", only=("results.json",))
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))
