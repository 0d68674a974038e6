"""Goals: what a config says beforehand that its run will show, and whether it did."""

from collections.abc import Mapping, Sequence

from eval.config import GoalConfig
from hunmin.errors import ConfigError, did_you_mean
from hunmin.schema import GoalScore, MetricScores, RivalScore, TaskInfo, TaskScores

MOST = {"ratio": 1.0, "%": 100.0}  # of a metric, by its unit
_ROUNDING = 1e-9  # 0.35 - 0.2 is 0.15 to a reader, and a little less to a float


def check_goals(
    goals: Sequence[GoalConfig], tasks: Mapping[str, TaskInfo], *, run_code: bool = False
) -> None:
    """Refuse, before hours of training, a goal that cannot be judged or met.

    Raises:
        ConfigError: no source has the task, the task is not scored by the metric, or the margin is in
            another unit than the metric.
    """
    for index, goal in enumerate(goals):
        place = f"eval.goals.{index}"
        if goal.task not in tasks:
            raise ConfigError(f"{place}.task: no source has the task {goal.task!r}{_hint(goal.task, tasks)}")
        _check_metric(goal, tasks[goal.task], place=place, run_code=run_code)


def _check_metric(goal: GoalConfig, task: TaskInfo, *, place: str, run_code: bool) -> None:
    from eval.scores.score_table import metrics_of  # here, for it loads the libraries of the metrics

    units = {metric.name: metric.unit for metric in metrics_of(goal.task, task, run_code=True)}
    if goal.metric == "pass_at_1" and not run_code:
        raise ConfigError(f"{place}.metric: {goal.metric} runs what models write; set eval.run_code: true")
    if goal.metric not in units:
        raise ConfigError(
            f"{place}.metric: task {goal.task} is not scored by {goal.metric!r}{_hint(goal.metric, units)}"
        )
    unit = units[goal.metric]
    if goal.margin > MOST[unit] or (unit == "%" and 0 < goal.margin < 1):
        other = goal.margin / 100 if unit == "ratio" else goal.margin * 100
        raise ConfigError(
            f"{place}.margin: {goal.metric} goes from 0 to {MOST[unit]:g}; did you mean {other:g} "
            f"instead of {goal.margin:g}?"
        )


def _hint(name: str, known: Mapping[str, object]) -> str:
    return "; " + did_you_mean(name, known, f"known here: {', '.join(sorted(known))}")


def judge_goal(goal: GoalConfig, task: TaskScores | None) -> GoalScore:
    """A goal against the scores of its task; without any it is not met."""
    metric = task["metrics"].get(goal.metric) if task else None
    rivals = {system: _rival(metric, system, margin=goal.margin) for system in goal.over} if metric else {}
    n = metric["n"] if metric else 0
    return GoalScore(
        task=goal.task,
        metric=goal.metric,
        unit=metric["unit"] if metric else "",
        margin=goal.margin,
        min_samples=goal.min_samples,
        n=n,
        tuned=metric["systems"]["tuned"]["value"] if metric else None,
        rivals=rivals,
        met=bool(rivals) and n >= goal.min_samples and all(rival["met"] for rival in rivals.values()),
    )


def _rival(metric: MetricScores, system: str, *, margin: float) -> RivalScore:
    delta = metric["delta"] if system == "base" else metric.get("over", {})[system]
    assert delta is not None
    above_zero = delta["low"] is not None and delta["low"] > 0
    return RivalScore(delta=delta, met=delta["value"] >= margin - _ROUNDING and above_zero)
