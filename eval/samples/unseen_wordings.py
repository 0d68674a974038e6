"""Held-out rows asked again, in wordings that nothing was trained in: what a score owes to its wording."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from eval.samples.samples import Sample, draw_samples
from eval.scores.intervals import Resamples, interval, paired_delta
from eval.scores.metric import Answer, Metric
from eval.scores.score_table import places_of
from hunmin.schema import WordingMetric, WordingScores


def draw_again(
    samples: Sequence[Sample], reworded: Sequence[Sample], *, per_task: int, seed: int
) -> list[Sample]:
    """Which samples are asked again, each once: at most `per_task` of each task, drawn by hash.

    Of a row that is laid out in several held-out wordings it is the first; the order is canonical.
    """
    asked = {(sample.row_id, sample.turn) for sample in samples}
    first: dict[tuple[str, int], Sample] = {}
    for sample in reworded:
        if (sample.row_id, sample.turn) in asked:
            first.setdefault((sample.row_id, sample.turn), sample)
    return draw_samples([*first.values()], per_task=per_task, seed=seed)


@dataclass
class Compared:
    """Scores by task; and of each sample that was asked again its metrics, by sample id."""

    scores: dict[str, WordingScores] = field(default_factory=dict)
    per_sample: dict[str, dict[str, float]] = field(default_factory=dict)


def compare_wordings(
    samples: Sequence[Sample],
    again: Sequence[Sample],
    *,
    answers: Mapping[str, Answer],
    metrics: Mapping[str, Sequence[Metric]],
    num_resamples: int,
    seed: int,
) -> Compared:
    """Each task's scores over the rows that were asked twice, with the paired difference."""
    first = {(sample.row_id, sample.turn): sample for sample in samples}
    pairs: dict[str, list[tuple[Sample, Sample]]] = {}
    for sample in again:
        pairs.setdefault(sample.task, []).append((first[sample.row_id, sample.turn], sample))
    found = Compared(per_sample={sample.sample_id: {} for sample in again})
    for task, twice in pairs.items():
        scores: dict[str, WordingMetric] = {}
        for metric in metrics[task]:
            scored = [twice[place] for place in places_of(metric, [one.reference for one, _ in twice])]
            if not scored:
                continue
            families = [sample.family_id for sample, _ in scored]
            draws = Resamples.of_task(task, families, num_resamples=num_resamples, seed=seed)
            seen, unseen = (
                metric.statistics(
                    [answers[one.sample_id].text for one in side], [one.reference for one in side]
                )
                for side in zip(*scored, strict=True)
            )
            scores[metric.name] = WordingMetric(
                unit=metric.unit,
                seen=interval(seen, metric.aggregate, draws),
                unseen=interval(unseen, metric.aggregate, draws),
                delta=paired_delta(unseen, seen, metric.aggregate, draws),
            )
            values = metric.per_sample(unseen)
            for (_, sample), value in zip(scored, values if values is not None else (), strict=False):
                found.per_sample[sample.sample_id][metric.name] = float(value)
        wordings = len({sample.wording_id for _, sample in twice})
        found.scores[task] = WordingScores(n=len(twice), wordings=wordings, metrics=scores)
    return found
