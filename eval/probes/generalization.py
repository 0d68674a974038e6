"""Generalization: what was never trained beside what was, and rows with something around their request.

Findings, all values shares of the best value of a task's metric:

kinds: by `task`, `domain` and `language` of the answer, groups of held-out rows with the number of train
rows of the same kind, each system's mean, tuned minus base (`gain`); where some groups were trained and some
not, the gap of the tuned model and of the gain, unseen minus seen, over different rows.
wrappers: by task and wrapper the same rows asked plainly and so, and the paired change. After a request for
steps the answer is what stands behind its marker, where there is one.

Held-out wordings beside trained ones stand in each task's scores (`unseen_wordings`), and in robustness.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from eval.probes import Answers, Findings, Material, Probe
from eval.samples.samples import Sample, draw_samples, read_trained
from eval.samples.wrapped import STEPWISE, by_wrapper, read_examples, wrapped
from eval.scores.intervals import Array, Resamples
from eval.scores.metric import Metric, Reference
from eval.scores.shares import (
    best_value,
    mean_delta,
    mean_gap,
    mean_interval,
    metric_of_answers,
    shares,
)
from hunmin.language.answers.final_answer import extract_final_answer

NAME = "generalization"
SYSTEMS = ("base", "tuned")
KINDS = ("task", "domain", "language")

Values = Mapping[str, Mapping[str, float]]  # by system and sample id


def ask(material: Material) -> list[Sample]:
    """The drawn rows in each wrapper that goes with them; their examples are train rows of their task."""
    drawn = draw_samples(material.samples, per_task=material.config.wrappers, seed=material.seed)
    examples = read_examples(material.data_dir / "corpus.json") if drawn else {}
    found = [
        one
        for sample in drawn
        for one in wrapped(sample, examples.get(sample.task, ()), seed=material.seed, probe=NAME)
    ]
    return sorted(found, key=lambda sample: (sample.task, sample.sample_id))


def judge(material: Material, asked: Sequence[Sample], answers: Answers) -> Findings:
    """What lies beyond the training data, and what wrappers change."""
    if not material.samples:
        return Findings({}, {})
    metrics = _metrics(material, [*material.samples, *asked])
    values = _values(metrics, [*material.samples, *asked], answers)
    per_answer = {
        (system, one.sample_id): {
            metrics[one.task].name: values[system][one.sample_id] * best_value(metrics[one.task])
        }
        for system in SYSTEMS
        for one in asked
    }
    kinds = {kind: found for kind in KINDS if (found := _kind(material, kind, values))}
    wrappers = _wrappers(material, asked, values)
    scores = {name: found for name, found in (("kinds", kinds), ("wrappers", wrappers)) if found}
    return Findings(scores, per_answer)


def _metrics(material: Material, samples: Sequence[Sample]) -> dict[str, Metric]:
    """By task, the metric that says how good a single answer is."""
    references: dict[str, list[Reference]] = {}
    for sample in samples:
        references.setdefault(sample.task, []).append(sample.reference)
    return {task: metric_of_answers(material.metrics[task], mine) for task, mine in references.items()}


def _values(metrics: Mapping[str, Metric], samples: Sequence[Sample], answers: Answers) -> Values:
    """Each answer as a share of its metric's best value."""
    found: dict[str, dict[str, float]] = {system: {} for system in SYSTEMS}
    for task, metric in metrics.items():
        mine = [sample for sample in samples if sample.task == task]
        for system in SYSTEMS:
            texts = [_said(sample, answers[system][sample.sample_id].text) for sample in mine]
            values = shares(metric, texts, [sample.reference for sample in mine])
            found[system] |= dict(zip((one.sample_id for one in mine), values.tolist(), strict=True))
    return found


def _said(sample: Sample, text: str) -> str:
    """The answer; behind its steps where steps were asked for."""
    return (sample.wording_id == f"wrapper:{STEPWISE}" and extract_final_answer(text)) or text


def _kind(material: Material, kind: str, values: Values) -> list[dict[str, Any]]:
    """Groups of one kind: of tasks over all samples, where one is new; of others within each task."""
    trained = read_trained(material.data_dir / "heldout.parquet")
    if trained is None:
        return []
    if kind == "domain":
        table = pq.read_table(material.data_dir / "heldout.parquet", columns=["row_id", "domain"])
        domains = dict(zip(*(column.to_pylist() for column in table.columns), strict=True))

    def name_of(sample: Sample) -> str:
        if kind == "task":
            return sample.task
        return (domains[sample.row_id] or "") if kind == "domain" else sample.reference.language

    within: dict[str | None, dict[str, list[Sample]]] = {}
    for sample in material.samples:
        groups = within.setdefault(None if kind == "task" else sample.task, {})
        groups.setdefault(name_of(sample), []).append(sample)
    return [
        _groups(material, task, groups, trained[kind], values)
        for task, groups in within.items()
        if len(groups) > 1 and (task is not None or any(name not in trained[kind] for name in groups))
    ]


def _groups(
    material: Material,
    task: str | None,
    groups: Mapping[str, Sequence[Sample]],
    trained: Mapping[str, int],
    values: Values,
) -> dict[str, Any]:
    told = [
        {"name": name, "trained": trained.get(name, 0), "n": len(members)}
        | _sides(material, f"{task}/{name}", members, values)
        for name, members in sorted(groups.items())
    ]
    sides = {
        side: [
            one
            for name, members in groups.items()
            if (name in trained) == (side == "seen")
            for one in members
        ]
        for side in ("seen", "unseen")
    }
    return {"task": task, "groups": told, "gap": _gap(material, task, sides, values)}


def _sides(material: Material, name: str, members: Sequence[Sample], values: Values) -> dict[str, Any]:
    draws = _draws(material, name, members)
    base, tuned = (_of(members, values[system]) for system in SYSTEMS)
    return {
        "systems": {"base": mean_interval(base, draws), "tuned": mean_interval(tuned, draws)},
        "gain": mean_delta(tuned, base, draws),
    }


def _gap(
    material: Material, task: str | None, sides: Mapping[str, Sequence[Sample]], values: Values
) -> dict[str, Any] | None:
    """Unseen minus seen; None where there is only one of them."""
    if not (sides["seen"] and sides["unseen"]):
        return None
    (seen, seen_draws), (unseen, unseen_draws) = (
        (sides[side], _draws(material, f"{task}/{side}", sides[side])) for side in ("seen", "unseen")
    )

    def gap(system: Mapping[str, float], less: Mapping[str, float] | None = None) -> Any:
        ours, theirs = (
            _of(members, system) - (_of(members, less) if less is not None else 0.0)
            for members in (unseen, seen)
        )
        return mean_gap(ours, unseen_draws, theirs, seen_draws)

    return {
        "seen": len(seen),
        "unseen": len(unseen),
        "tuned": gap(values["tuned"]),
        "gain": gap(values["tuned"], values["base"]),
    }


def _wrappers(material: Material, asked: Sequence[Sample], values: Values) -> dict[str, Any]:
    """By task and wrapper: each system on the same rows, plainly and in the wrapper."""
    first = {(sample.row_id, sample.turn): sample for sample in material.samples}
    found: dict[str, Any] = {}
    for task in dict.fromkeys(sample.task for sample in asked):
        mine = [sample for sample in asked if sample.task == task]
        found[task] = {}
        for wrapper, members in by_wrapper(mine).items():
            plain = [first[one.row_id, one.turn] for one in members]
            draws = _draws(material, task, plain)
            found[task][wrapper] = {
                "rows": len(members),
                "systems": {
                    system: {
                        "plain": mean_interval(_of(plain, values[system]), draws),
                        "wrapped": mean_interval(_of(members, values[system]), draws),
                        "change": mean_delta(_of(members, values[system]), _of(plain, values[system]), draws),
                    }
                    for system in SYSTEMS
                },
            }
    return found


def _of(members: Sequence[Sample], values: Mapping[str, float]) -> Array:
    return np.array([values[sample.sample_id] for sample in members])


def _draws(material: Material, name: str, members: Sequence[Sample]) -> Resamples:
    return Resamples.of_task(
        name,
        [sample.family_id for sample in members],
        num_resamples=material.config.bootstrap_samples,
        seed=material.seed,
    )


PROBE = Probe(ask=ask, judge=judge, systems=SYSTEMS, of_heldout=True)
