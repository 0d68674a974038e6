"""Several runs' answers side by side: scores and their differences, on the rows that all were asked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from eval.samples.samples import read_heldout
from eval.scores.intervals import Array, Resamples, interval, paired_delta
from eval.scores.metric import Metric, Reference
from eval.scores.score_table import metrics_of, places_of, with_unasked
from hunmin.schema import Interval, TaskInfo

NUM_RESAMPLES = 1000
Key = tuple[str, tuple[str, ...], str | None]  # sample id, references, label
Answers = Mapping[Key, tuple[str, str]]  # answer, language


@dataclass(frozen=True)
class Compared:
    """A task by one metric. The lists are by run, in the order of the runs."""

    task: str
    metric: str
    unit: str
    n: int  # samples that the metric is for, of those that all runs which know the task were asked
    asked: list[int]  # such samples that each was asked; 0: a run that does not know the task
    scores: list[Interval | None]  # over the n; None: the run does not know the task, or n is 0
    deltas: list[Interval | None]  # minus the first run's, paired; None for itself

    @property
    def is_partial(self) -> bool:
        """Whether a run was asked samples that another was not."""
        return any(asked not in (0, self.n) for asked in self.asked)


@dataclass(frozen=True)
class RunsBeside:
    """All that is told of runs beside each other. Every list is by run, in one order."""

    folders: list[Path]
    names: list[str]  # as their configs say
    settings: dict[str, list[Any]]  # content fields of the config that are not equal in all runs
    content: dict[str, list[str | None]]  # stage -> content hashes
    counts: dict[str, list[int | float | None]]
    scores: list[Compared]

    @property
    def letters(self) -> list[str]:
        """What each run is called beside the others: A, B, …, Z, AA and so on."""
        return [letter_of(number) for number in range(len(self.folders))]


def letter_of(number: int) -> str:
    """0 as A, 25 as Z, 26 as AA: as spreadsheets call their columns."""
    higher, last = divmod(number, 26)
    return (letter_of(higher - 1) if higher else "") + chr(ord("A") + last)


def compare(runs: Sequence[Path], *, seed: int = 0) -> list[Compared]:
    """The tuned models of run folders, over the samples that all runs which know the task answered.

    A sample is the same where its id, its references and its label are; how it was asked (wording, prefix,
    examples) may differ: that is what one compares.
    """
    answers = [_answers(run) for run in runs]
    families: dict[str, str] = {}  # by row
    infos: dict[str, TaskInfo] = {}
    for run in reversed(runs):  # the first run's words where several know a task
        heldout, tasks = read_heldout(run / "data" / "heldout.parquet")
        families |= {row["row_id"]: row["family_id"] for row in heldout}
        infos |= tasks
    return [
        one
        for task in sorted(set().union(*answers))
        for one in _compare_task(task, infos[task], [side.get(task, {}) for side in answers], families, seed)
    ]


def _compare_task(
    task: str, info: TaskInfo, sides: Sequence[Answers], families: Mapping[str, str], seed: int
) -> list[Compared]:
    known = [side for side in sides if side]
    shared = [key for key in known[0] if all(key in side for side in known)] if len(known) > 1 else []
    references = _references(known[0], shared)
    drawn = [families[sample_id.rpartition("/")[0]] for sample_id, _, _ in shared]
    out = []
    for metric in with_unasked(metrics_of(task, info), references):
        places = places_of(metric, references)
        if shared and not places:
            continue
        draws = Resamples.of_task(
            task, [drawn[place] for place in places], num_resamples=NUM_RESAMPLES, seed=seed
        )
        asked, wanted = [shared[place] for place in places], [references[place] for place in places]
        statistics = [_statistics(metric, side, asked, wanted) for side in sides]
        first = statistics[0]
        out.append(
            Compared(
                task,
                metric.name,
                metric.unit,
                n=len(places),
                asked=[len(places_of(metric, _references(side, side))) for side in sides],
                scores=[
                    None if one is None else interval(one, metric.aggregate, draws) for one in statistics
                ],
                deltas=[
                    None
                    if one is None or first is None or one is first
                    else paired_delta(one, first, metric.aggregate, draws)
                    for one in statistics
                ],
            )
        )
    return out


def _references(side: Answers, keys: Iterable[Key]) -> list[Reference]:
    return [Reference(list(key[1]), side[key][1], key[2]) for key in keys]


def _statistics(
    metric: Metric, side: Answers, shared: Sequence[Key], references: Sequence[Reference]
) -> Array | None:
    if not side or not shared:
        return None
    return metric.statistics([side[key][0] for key in shared], references)


def _answers(run: Path) -> dict[str, dict[Key, tuple[str, str]]]:
    """The tuned model's answers, by task and sample."""
    columns = ["sample_id", "task", "language", "references", "label", "answer"]
    table = pq.read_table(
        run / "eval" / "samples.parquet", columns=columns, filters=[("system", "=", "tuned")]
    )
    found: dict[str, dict[Key, tuple[str, str]]] = {}
    for row in table.to_pylist():
        key = (row["sample_id"], tuple(row["references"]), row["label"])
        found.setdefault(row["task"], {})[key] = (row["answer"], row["language"])
    return found
