"""The training section: loss over steps, validation loss per task, what the steps cost."""

from collections.abc import Sequence
from statistics import mean, median
from typing import Any

from eval.report.drawing import figures
from eval.report.drawing.svg import NUM_STYLES, Figure, Point
from hunmin.schema import SampleMetrics, Stats, TrainMetrics, ValMetrics

MAX_POINTS = 400  # of a line: more are averaged, and the page says so
MAX_TASK_LINES = NUM_STYLES
MAX_ANSWERS = 6  # of a sample row: more are left out, evenly

Section = dict[str, Any]


def section(
    train: Sequence[TrainMetrics],
    val: Sequence[ValMetrics],
    samples: Sequence[SampleMetrics],
    stats: Stats,
    *,
    export_step: int,
) -> Section:
    """Loss, validation loss per task, what the steps cost, each task's share, answers on the way."""
    return {
        "loss_figure": _loss_figure(train, val, export_step),
        "task_figure": _task_loss_figure(val, stats),
        "averaged": _bucket(len(train)),
        "task_losses": _task_losses(val),
        "task_lines": MAX_TASK_LINES,
        "num_val": len(val),
        "facts": _training_facts(train) if train else None,
        "shares": _shares(train),
        "samples": _samples(samples),
    }


def _training_facts(train: Sequence[TrainMetrics]) -> Section:
    rates = [line["model_flops"] / line["step_s"] for line in train if "model_flops" in line]
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
        "skipped": sum(line.get("skipped", False) for line in train),
        "flops_per_s": median(rates) if rates else None,
        "mfu": median(found) if (found := [mfu for line in train if (mfu := line.get("mfu"))]) else None,
    }


def _shares(train: Sequence[TrainMetrics]) -> list[Section]:
    """Each task's share of the trained tokens and, as the mean over steps, of the gradient; its loss in the
    first and the last tenth of the steps.
    """
    lines = [line for line in train if "tasks" in line]  # those of an older version tell of none
    total = sum(line["num_valid_tokens"] for line in lines)
    tenth = max(1, len(lines) // 10)
    rows = []
    for name in sorted({name for line in lines for name in line["tasks"]}):
        gradient = [line["tasks"][name]["gradient_share"] if name in line["tasks"] else 0.0 for line in lines]
        tokens = sum(line["tasks"][name]["num_valid_tokens"] for line in lines if name in line["tasks"])
        rows.append(
            {
                "task": name,
                "token_share": tokens / max(1, total),
                "gradient_share": mean([share for share in gradient if share is not None] or [0.0]),
                "first": _loss_of(lines[:tenth], name),
                "last": _loss_of(lines[-tenth:], name),
            }
        )
    return rows


def _loss_of(lines: Sequence[TrainMetrics], task: str) -> float | None:
    """Nats per trained token of the task over some steps."""
    found = [line["tasks"][task] for line in lines if task in line["tasks"]]
    tokens = sum(share["num_valid_tokens"] for share in found)
    return sum(share["loss"] * share["num_valid_tokens"] for share in found) / tokens if tokens else None


def _samples(samples: Sequence[SampleMetrics]) -> list[Section]:
    """Each row that was asked, with its answers by step."""
    rows: dict[str, Section] = {}
    for line in samples:
        for sample in line["samples"]:
            about = {key: sample[key] for key in ("task", "prompt", "reference")}
            row = rows.setdefault(sample["prompt"], {**about, "answers": []})
            row["answers"].append({"step": line["step"], "answer": sample["answer"]})
    for row in rows.values():
        row["answers"] = _thinned(row["answers"])
    return list(rows.values())


def _thinned(answers: list[Section]) -> list[Section]:
    """At most MAX_ANSWERS, the first and the last among them."""
    if len(answers) <= MAX_ANSWERS:
        return answers
    places = [round(i * (len(answers) - 1) / (MAX_ANSWERS - 1)) for i in range(MAX_ANSWERS)]
    return [answers[place] for place in places]


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
