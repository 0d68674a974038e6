"""Several answers to each sample, drawn at a temperature: how metrics spread over them, and pass@k."""

import math
import statistics
from collections.abc import Mapping, Sequence

import pyarrow as pa

from eval.probes import Material
from eval.samples.answers_table import samples_table
from eval.samples.samples import Sample
from eval.scores.intervals import value_of
from eval.scores.metric import Answer
from eval.scores.score_table import MODELS, places_of, with_unasked
from hunmin.schema import DRAWS, Drawn, DrawnMetric

# Of each draw: by system, the answers in the samples' order.
Draws = Sequence[Mapping[str, Sequence[Answer]]]


def score_draws(
    samples: Sequence[Sample], draws: Draws, material: Material, *, prompts: Mapping[str, Sequence[int]]
) -> tuple[dict[str, Drawn], pa.Table]:
    """What two or more draws of each task show, and schema.DRAWS: every answer with its draw.

    `prompts` are ids, by sample id.
    """
    values: list[dict[str, list[dict[str, float]]]] = [
        {system: [{} for _ in samples] for system in MODELS} for _ in draws
    ]
    places_by_task: dict[str, list[int]] = {}
    for place, sample in enumerate(samples):
        places_by_task.setdefault(sample.task, []).append(place)
    found: dict[str, Drawn] = {}
    for task, places in places_by_task.items():
        found[task] = Drawn(draws=len(draws), metrics={})
        references = [samples[place].reference for place in places]
        for metric in with_unasked(material.metrics[task], references):
            scored = [places[at] for at in places_of(metric, references)]
            if not scored:
                continue
            asked = [samples[place].reference for place in scored]
            systems: dict[str, DrawnMetric] = {}
            for system in MODELS:
                whole: list[float] = []
                for draw, mine in zip(draws, values, strict=True):
                    rows = metric.statistics([draw[system][place].text for place in scored], asked)
                    whole.append(value_of(rows, metric.aggregate))
                    each = metric.per_sample(rows)
                    for place, value in zip(scored, each if each is not None else (), strict=False):
                        mine[system][place][metric.name] = float(value)
                systems[system] = DrawnMetric(mean=statistics.fmean(whole), spread=statistics.stdev(whole))
                if metric.runs_code:
                    right = [sum(mine[system][place][metric.name] for mine in values) for place in scored]
                    systems[system]["pass_at"] = {
                        str(k): statistics.fmean(pass_at_k(len(draws), round(one), k) for one in right)
                        for k in range(1, len(draws) + 1)
                    }
            found[task]["metrics"][metric.name] = systems
    tables = []
    for number, (draw, mine) in enumerate(zip(draws, values, strict=True)):
        table = samples_table(samples, answers=draw, prompts=prompts, tasks=material.tasks, values=mine)
        numbers = pa.array([number] * table.num_rows, pa.int32())
        tables.append(table.add_column(0, DRAWS.field("draw"), numbers))
    return found, pa.concat_tables(tables)


def pass_at_k(n: int, num_right: int, k: int) -> float:
    """The chance that one of k answers is right, of n of which some are: 1 - C(n - c, k) / C(n, k), the
    unbiased estimate of Chen et al., 2021 ("Evaluating large language models trained on code").
    """
    return 1 - math.comb(n - num_right, k) / math.comb(n, k)
