"""The training section: loss over steps, validation loss per task, what the steps cost."""

from collections.abc import Sequence
from statistics import mean, median
from typing import Any

from data_pipeline.schema import Stats, TrainMetrics, ValMetrics
from eval.report import figures
from eval.report.svg import NUM_STYLES, Figure, Point

MAX_POINTS = 400  # of a line: more are averaged, and the page says so
MAX_TASK_LINES = NUM_STYLES

Section = dict[str, Any]


def section(
    train: Sequence[TrainMetrics],
    val: Sequence[ValMetrics],
    stats: Stats,
    *,
    export_step: int,
) -> Section:
    """Loss, validation loss per task, and what the steps cost."""
    return {
        "loss_figure": _loss_figure(train, val, export_step),
        "task_figure": _task_loss_figure(val, stats),
        "averaged": _bucket(len(train)),
        "task_losses": _task_losses(val),
        "task_lines": MAX_TASK_LINES,
        "num_val": len(val),
        "facts": _training_facts(train) if train else None,
    }


def _training_facts(train: Sequence[TrainMetrics]) -> Section:
    return {
        "first_loss": train[0]["loss"],
        "last_loss": train[-1]["loss"],
        "last_step": train[-1]["step"],
        "tokens": sum(line["num_tokens"] for line in train),
        "trained_tokens": sum(line["num_valid_tokens"] for line in train),
        "step_s": median(line["step_s"] for line in train),
        "tokens_per_s": median(line["tokens_per_s"] for line in train),
        "trained_tokens_per_s": median(line["trained_tokens_per_s"] for line in train),
        "idle_share": mean(line["idle_share"] for line in train),
        "grad_norm": median(line["grad_norm"] for line in train),
        "max_grad_norm": max(line["grad_norm"] for line in train),
        "peak_memory_bytes": max(line["peak_memory_bytes"] for line in train),
    }


def thin(points: Sequence[Point], limit: int = MAX_POINTS) -> list[Point]:
    """At most `limit` points: means of equal runs of neighbours."""
    size = _bucket(len(points), limit)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(mean(x for x, _ in group), mean(y for _, y in group)) for group in groups]


def _bucket(num_points: int, limit: int = MAX_POINTS) -> int:
    return max(1, -(-num_points // limit))


def _loss_figure(train: Sequence[TrainMetrics], val: Sequence[ValMetrics], export_step: int) -> Figure | None:
    if not train:
        return None
    lines = [figures.Series("train", thin([(line["step"], line["loss"]) for line in train]))]
    told = f"Training loss {train[0]['loss']:.3f} at step {train[0]['step']}, "
    told += f"{train[-1]['loss']:.3f} at step {train[-1]['step']}."
    if val:
        lines.append(figures.Series("validation", [(line["step"], line["loss"]) for line in val], marks=True))
        best = min(val, key=lambda line: line["loss"])
        told += f" Validation loss over all tasks lowest at step {best['step']}: {best['loss']:.3f}."
        told += f" Exported: step {export_step}."
    return figures.line_chart(
        lines,
        name="fig-loss",
        title="Loss over steps",
        description=told,
        x_label="optimizer step",
        y_label="nats per answer token",
    )


def _task_loss_figure(val: Sequence[ValMetrics], stats: Stats) -> Figure | None:
    """Lines for the tasks with most trained tokens; the table beside it has all."""
    names = {name for line in val for name in line["tasks"]}
    weight = {name: task["trained_tokens"] for name, task in stats["tasks"].items()}
    shown = sorted(names, key=lambda name: (-weight.get(name, 0), name))[:MAX_TASK_LINES]
    if not shown:
        return None
    lines = [
        figures.Series(
            name, [(line["step"], line["tasks"][name]) for line in val if name in line["tasks"]], True
        )
        for name in shown
    ]
    ends = ", ".join(f"{line.name} {line.points[-1][1]:.3f}" for line in lines)
    return figures.line_chart(
        lines,
        name="fig-task-loss",
        title="Validation loss per task",
        description=f"At the last validation: {ends}.",
        x_label="optimizer step",
        y_label="nats per answer token",
    )


def _task_losses(val: Sequence[ValMetrics]) -> list[Section]:
    """First, best and last validation loss of every task."""
    rows = []
    for name in sorted({name for line in val for name in line["tasks"]}):
        points = [(line["tasks"][name], line["step"]) for line in val if name in line["tasks"]]
        best, step = min(points)
        rows.append({"task": name, "first": points[0][0], "best": best, "step": step, "last": points[-1][0]})
    return rows
