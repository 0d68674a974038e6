"""Robustness: held-out rows asked in other words that ask for the same, and what that does to answers.

Findings, by task: the metric, from which share of its best value an answer is right (`right`), and for `all`
and each axis how many rows were asked how often, the measures of eval/scores/steadiness.py of each system,
and tuned minus base on the same rows. All values are shares of the metric's best. `breaks` are pairs of
questions, by their ids, of which the tuned model got one right and the other wrong (`lost`: the other).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from eval.probes import Answers, Findings, Material, Probe
from eval.samples.samples import Sample, draw_samples
from eval.samples.variants import axis_of, variants
from eval.scores.intervals import Resamples
from eval.scores.labelled import LabelExtractor
from eval.scores.metric import Metric
from eval.scores.shares import best_value, mean_delta, mean_interval, metric_of_answers, shares
from eval.scores.steadiness import RIGHT, Askings, measures
from hunmin.hashing import stable_hash
from hunmin.language.script import comparable

NAME = "robustness"
ROWS = 16  # of a task, where the config names no number and that at most doubles what is asked
ALL = "all"
SYSTEMS = ("base", "tuned")
BREAKS = 3  # of an axis that are kept to be shown

Key = tuple[str, int]  # row_id, turn


def ask(material: Material) -> list[Sample]:
    """The drawn rows in each held-out wording that they are laid out in, and with an edit of each axis."""
    unseen: dict[Key, list[Sample]] = defaultdict(list)
    for sample in material.unseen:
        unseen[sample.row_id, sample.turn].append(sample)
    wanted = material.config.robustness
    of_task = _by_task(material.samples)
    drawn = draw_samples(material.samples, per_task=ROWS if wanted is None else wanted, seed=material.seed)
    asked = {
        task: [
            variants(
                sample,
                unseen[sample.row_id, sample.turn],
                info=material.tasks[task],
                seed=material.seed,
                probe=NAME,
            )
            for sample in sorted(members, key=lambda one: stable_hash(NAME, material.seed, one.sample_id))
        ]
        for task, members in _by_task(drawn).items()
    }
    if wanted is None:
        asked = {task: _at_most(rows, len(of_task[task])) for task, rows in asked.items()}
    found = [sample for rows in asked.values() for row in rows for sample in row]
    return sorted(found, key=lambda sample: (sample.task, sample.sample_id))


def _at_most(rows: Sequence[list[Sample]], num_questions: int) -> list[list[Sample]]:
    """As many of the first rows, each with all its questions, as do not ask more than that."""
    ends = accumulate(len(row) for row in rows)
    return [row for row, end in zip(rows, ends, strict=True) if end <= num_questions]


def judge(material: Material, asked: Sequence[Sample], answers: Answers) -> Findings:
    """What other words change, by task and axis."""
    first = {(sample.row_id, sample.turn): sample for sample in material.samples}
    tasks: dict[str, Any] = {}
    per_answer: dict[tuple[str, str], dict[str, float]] = {}
    for task, members in _by_task(asked).items():
        own = [first[key] for key in dict.fromkeys((one.row_id, one.turn) for one in members)]
        answered = _answered(material, task, [*own, *members], answers)
        for system in SYSTEMS:
            for sample in members:
                value = answered.values[system][sample.sample_id]
                per_answer[system, sample.sample_id] = {
                    answered.metric.name: value * best_value(answered.metric)
                }
        tasks[task] = _judged(task, own, members, answered, material)
    return Findings({"tasks": tasks}, per_answer)


@dataclass(frozen=True)
class _Answered:
    """A task's answers as robustness sees them, by system and sample id."""

    metric: Metric
    values: Mapping[str, Mapping[str, float]]  # shares of the best value
    said: Mapping[str, Mapping[str, str | None]]  # the label, or the answer without its punctuation


def _answered(material: Material, task: str, samples: Sequence[Sample], answers: Answers) -> _Answered:
    labels = material.tasks[task]["labels"]
    extract = LabelExtractor(labels) if labels else lambda text: comparable(text).rstrip(" .!?。")
    ids, references = [one.sample_id for one in samples], [one.reference for one in samples]
    metric = metric_of_answers(material.metrics[task], references)
    texts = {system: [answers[system][name].text for name in ids] for system in SYSTEMS}

    def by_id(found: Iterable[Any]) -> dict[str, Any]:
        return dict(zip(ids, found, strict=True))

    return _Answered(
        metric,
        values={system: by_id(shares(metric, said, references).tolist()) for system, said in texts.items()},
        said={system: by_id(map(extract, said)) for system, said in texts.items()},
    )


def _judged(
    task: str, own: Sequence[Sample], members: Sequence[Sample], answered: _Answered, material: Material
) -> dict[str, Any]:
    """A task's findings. `own`: its rows in their own wording; `members`: in all others."""
    by_axis: dict[str, list[Sample]] = {ALL: list(members)}
    for sample in members:
        by_axis.setdefault(axis_of(sample), []).append(sample)
    axes: dict[str, Any] = {}
    for axis, asked in by_axis.items():
        others: dict[Key, list[Sample]] = defaultdict(list)
        for sample in asked:
            others[sample.row_id, sample.turn].append(sample)
        rows = [sample for sample in own if (sample.row_id, sample.turn) in others]
        draws = Resamples.of_task(
            task,
            [sample.family_id for sample in rows],
            num_resamples=material.config.bootstrap_samples,
            seed=material.seed,
        )
        found = {
            system: measures([_askings(one, others[one.row_id, one.turn], system, answered) for one in rows])
            for system in SYSTEMS
        }
        axes[axis] = {
            "rows": len(rows),
            "k": max(1 + len(asked) for asked in others.values()),  # askings of a row, its own among them
            "systems": {
                system: {name: mean_interval(values, draws) for name, values in of_system.items()}
                for system, of_system in found.items()
            },
            "delta": {
                name: mean_delta(values, found["base"][name], draws)
                for name, values in found["tuned"].items()
            },
        }
    return {
        "metric": answered.metric.name,
        "right": RIGHT,
        "rows": len(own),
        "questions": len(members),
        "axes": axes,
        "breaks": _breaks(own, members, answered),
    }


def _askings(own: Sample, others: Sequence[Sample], system: str, answered: _Answered) -> Askings:
    values, said = answered.values[system], answered.said[system]

    def is_same(other: Sample) -> bool:
        if other.reference.texts != own.reference.texts:  # the right mark has moved
            return values[other.sample_id] == values[own.sample_id]
        return said[other.sample_id] is not None and said[other.sample_id] == said[own.sample_id]

    return Askings([values[one.sample_id] for one in (own, *others)], [is_same(other) for other in others])


def _breaks(own: Sequence[Sample], members: Sequence[Sample], answered: _Answered) -> list[dict[str, Any]]:
    """Of each axis the pairs that differ most of which the tuned model got one right and the other wrong."""
    first = {(sample.row_id, sample.turn): sample for sample in own}
    values = answered.values["tuned"]

    def pair(other: Sample) -> tuple[float, float]:
        return values[first[other.row_id, other.turn].sample_id], values[other.sample_id]

    broken = [other for other in members if len({value >= RIGHT for value in pair(other)}) == 2]
    broken.sort(key=lambda other: (pair(other)[1] - pair(other)[0], other.sample_id))  # what is lost first
    kept: dict[str, list[Sample]] = defaultdict(list)
    for other in broken:
        if len(kept[axis_of(other)]) < BREAKS:
            kept[axis_of(other)].append(other)
    pairs = [(rank, axis, other) for axis, others in kept.items() for rank, other in enumerate(others)]
    return [
        {
            "axis": axis,
            "own": first[other.row_id, other.turn].sample_id,
            "other": other.sample_id,
            "lost": pair(other)[0] > pair(other)[1],
        }
        for _, axis, other in sorted(pairs, key=lambda found: found[:2])  # one of each axis first
    ]


def _by_task(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.task, []).append(sample)
    return found


PROBE = Probe(ask=ask, judge=judge, systems=SYSTEMS)
