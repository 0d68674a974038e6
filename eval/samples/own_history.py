"""Conversations asked again turn after turn: behind the model's own answers instead of the row's.

the row:     user, answer, user  -> asked          the model's own:  user, *its answer*, user -> asked
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from eval.answering.asker import Answers, Prompts
from eval.samples.samples import Sample, draw_samples
from eval.scores.intervals import Resamples, interval, paired_delta
from eval.scores.metric import Answer, Metric
from eval.scores.score_table import MODELS, places_of
from hunmin.rows import Message
from hunmin.schema import HistoryMetric, HistoryScores

Render = Callable[[Sequence[Sample]], tuple[Mapping[str, list[int]], Mapping[str, int]]]
Ask = Callable[[Sequence[tuple[Prompts, Sequence[str]]]], Answers]


@dataclass
class OwnHistory:
    """What was answered on own histories: the samples as they were asked, and the answers, by system."""

    samples: dict[str, list[Sample]] = field(default_factory=lambda: {name: [] for name in MODELS})
    prompts: dict[str, dict[str, list[int]]] = field(default_factory=lambda: {name: {} for name in MODELS})
    answers: dict[str, dict[str, Answer]] = field(default_factory=lambda: {name: {} for name in MODELS})
    skipped: dict[str, int] = field(default_factory=dict)


def conversations(samples: Sequence[Sample], *, per_task: int, seed: int) -> list[list[Sample]]:
    """The turns of conversations of which every answer is asked and is text, at most so many of a task.

    What a tool gives back belongs to the row's own call, so that one with calls has no other history.
    """
    turns: dict[str, list[Sample]] = {}
    for sample in samples:
        turns.setdefault(sample.row_id, []).append(sample)
    whole = [
        ordered
        for members in turns.values()
        if len(ordered := sorted(members, key=lambda one: one.turn)) > 1
        and [one.turn for one in ordered] == list(range(len(ordered)))
        and not any(message.get("tool_calls") for message in ordered[-1].messages)
        and ordered[-1].calling is None
    ]
    by_first = {members[0].sample_id: members for members in whole}
    drawn = draw_samples([members[0] for members in whole], per_task=per_task, seed=seed)
    return [by_first[one.sample_id] for one in drawn]


def on_own_answers(sample: Sample, said: Sequence[str]) -> Sample:
    """The sample with these answers in its history, in the places of the row's."""
    left = iter(said)
    messages: list[Message] = [
        {"role": "assistant", "content": next(left)} if message["role"] == "assistant" else message
        for message in sample.messages
    ]
    return replace(sample, sample_id=f"{sample.sample_id}/own", messages=messages)


def ask_on(asked: Sequence[Sequence[Sample]], given: Answers, *, render: Render, ask: Ask) -> OwnHistory:
    """Ask every turn but the first, whose history is nobody's; `given`: the answers on the rows' history.

    A conversation whose prompt no longer fits ends there, and is counted.
    """
    found = OwnHistory()
    histories = {
        system: {members[0].row_id: [given[system][members[0].sample_id].text] for members in asked}
        for system in MODELS
    }
    for turn in range(1, max(map(len, asked), default=0)):
        asking: list[tuple[Prompts, Sequence[str]]] = []
        for system, history in histories.items():
            now = [
                on_own_answers(members[turn], history[members[turn].row_id])
                for members in asked
                if turn < len(members) and len(history[members[turn].row_id]) == turn
            ]
            prompts, skipped = render(now)
            for reason, count in skipped.items():
                found.skipped[reason] = found.skipped.get(reason, 0) + count
            found.samples[system] += [one for one in now if one.sample_id in prompts]
            found.prompts[system] |= prompts
            asking.append((prompts, [system]))
        said = ask([one for one in asking if one[0]])
        for system, history in histories.items():
            found.answers[system] |= said.get(system, {})
            for one in found.samples[system]:
                if one.turn == turn:
                    history[one.row_id].append(said[system][one.sample_id].text)
    return found


def compare_histories(
    own: OwnHistory,
    given: Answers,
    metrics: Mapping[str, Sequence[Metric]],
    *,
    num_resamples: int,
    seed: int,
) -> dict[str, HistoryScores]:
    """By task, each model's scores of the same turns on the given and on its own history."""
    found: dict[str, HistoryScores] = {}
    for system, samples in own.samples.items():
        by_task: dict[str, list[Sample]] = {}
        for sample in samples:
            by_task.setdefault(sample.task, []).append(sample)
        for task, turns in by_task.items():
            scores = found.setdefault(task, HistoryScores(n={}, conversations={}, metrics={}))
            scores["n"][system] = len(turns)
            scores["conversations"][system] = len({one.row_id for one in turns})
            for metric in metrics[task]:
                scored = [turns[place] for place in places_of(metric, [one.reference for one in turns])]
                if not scored:
                    continue
                draws = Resamples.of_task(
                    task, [one.family_id for one in scored], num_resamples=num_resamples, seed=seed
                )
                references = [one.reference for one in scored]
                first, second = (
                    metric.statistics([said.text for said in answers], references)
                    for answers in (
                        [given[system][one.sample_id.removesuffix("/own")] for one in scored],
                        [own.answers[system][one.sample_id] for one in scored],
                    )
                )
                scores["metrics"].setdefault(metric.name, {})[system] = HistoryMetric(
                    unit=metric.unit,
                    given=interval(first, metric.aggregate, draws),
                    own=interval(second, metric.aggregate, draws),
                    delta=paired_delta(second, first, metric.aggregate, draws),
                )
    return found
