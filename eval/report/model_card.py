"""The export's model card with its scores: what is published with the weights."""

from collections.abc import Sequence
from typing import Any

from eval.report.sections import formatting
from eval.report.sections.facts import Fact
from eval.report.sections.results import MIN_SAMPLES, headline, system_name
from hunmin.markdown import table
from hunmin.schema import Interval, MetricScores, Scores

CARD = "model_card.md"
HEAD = ("task", "metric", "n", "base", "tuned", "difference", "", "best trivial baseline")


def with_scores(card: str, results: Scores, facts: Sequence[Fact]) -> str:
    """The card of the export, with the scores behind its first section.

    Args:
        card: Markdown whose sections begin with `## `.
        facts: of the report's first screen.
    """
    introduction, mark, sections = card.partition("\n## ")
    return f"{introduction}\n## Scores\n\n{_scores(results, facts)}\n{mark}{sections}"


def _scores(results: Scores, facts: Sequence[Fact]) -> str:
    if not results["tasks"]:
        return "No held-out sample was asked, so nothing was scored."
    said = [f"- {fact.name} **{fact.value}**" + (f" ({fact.note})" if fact.note else "") for fact in facts]
    rows = [
        _row(task, name, metric)
        for task, found in results["tasks"].items()
        for name, metric in found["metrics"].items()
    ]
    engine = results.get("engine")
    by = f", answered by {engine['name']} in {engine['dtype']}" if engine else ""
    return "\n\n".join(
        [
            "\n".join(said),
            table(HEAD, rows),
            f"Held-out rows{by}, seed {results['seed']}; in brackets 95 % bootstrap intervals by family, "
            "that of the difference paired. Better or worse: the interval leaves out zero, on at least "
            f"{MIN_SAMPLES} answers.",
        ]
    )


def _row(task: str, name: str, metric: MetricScores) -> list[str]:
    row = headline(task, name, metric)
    unit, rival = row["unit"], row["rival_score"]
    return [
        task,
        name + (" (%)" if unit == "%" else "") + (f", {metric['tokenizer']}" if metric["tokenizer"] else ""),
        formatting.integer(row["n"]),
        _with_interval(row["base"], unit),
        _with_interval(row["tuned"], unit),
        _with_interval(row["delta"], unit, signed=True),
        row["verdict"],
        f"{formatting.score(rival['value'], unit)}, {system_name(row['rival'])}"
        if rival
        else formatting.NONE,
    ]


def _with_interval(found: Interval | None, unit: str, **how: Any) -> str:
    if found is None:
        return formatting.NONE
    bounds = formatting.interval(found, unit, **how)
    return formatting.score(found["value"], unit, **how) + (f" [{bounds}]" if bounds else "")
