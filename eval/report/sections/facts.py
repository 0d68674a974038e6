"""The first lines of the page: better or worse, by how much, on what, can it be trusted, is it safe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from eval.report.sections import formatting
from eval.report.sections.results import MIN_SAMPLES, verdict_of
from hunmin.schema import Interval, Scores, Stats


@dataclass(frozen=True)
class Fact:
    """A line of the first screen: a name, a value, and in small print what stands behind it."""

    name: str
    value: str
    note: str = ""
    verdict: Literal["better", "worse", "unclear", ""] = ""  # good news, bad news; the word's colour


Section = Mapping[str, Any]
# Where nothing measured whether answers are safe: silence would read as a yes.
SAFETY_UNKNOWN = ("answers", Fact("Are its answers safe?", "not measured", verdict="unclear"))


def first_facts(headlines: Sequence[Section], results: Scores, stats: Stats) -> list[tuple[str, Fact]]:
    """What the scores say of the questions that a reader has first, each with the section behind it.

    Args:
        headlines: `results.headlines`: every task by its first metric, the largest gain first.
    """
    if not headlines:
        return [("scores", Fact("Better than its base?", "not known", "no held-out sample was asked"))]
    facts = [
        _against_base(headlines),
        _above_baselines([row for row in headlines if row["above"] is not None]),
        _how_sure(headlines, results, stats),
        _in_unseen_wordings(headlines, results),
    ]
    return [("scores", fact) for fact in facts if fact is not None]


def _against_base(headlines: Sequence[Section]) -> Fact:
    verdicts = [row["verdict"] for row in headlines]
    better, worse = verdicts.count("better"), verdicts.count("worse")
    found = [f"{word} on {count}" for word, count in (("better", better), ("worse", worse)) if count]
    # The largest gain and the largest loss, those that are no chance.
    ends = {row["task"]: row for row in (headlines[0], headlines[-1]) if row["verdict"] != "unclear"}
    return Fact(
        "Better than its base?",
        f"{' and '.join(found) or 'no clear difference on any'} of {_tasks(len(headlines))}",
        "; ".join(f"{task} {_signed(row['delta'], row)} {row['metric']}" for task, row in ends.items()),
        "" if better and worse else "worse" if worse else "better" if better else "unclear",
    )


def _above_baselines(judged: Sequence[Section]) -> Fact | None:
    above = sum(row["above"] for row in judged)
    if not judged:
        return None
    return Fact(
        "Better than no model?",
        f"on {above} of {_tasks(len(judged))}",
        "above every trivial baseline",
        "better" if above == len(judged) else "worse" if not above else "",
    )


def _how_sure(headlines: Sequence[Section], results: Scores, stats: Stats) -> Fact:
    """How many answers there were, and what speaks against the scores."""
    leaks = sum(stats["contamination"]["leaks"].values())
    few = sum(row["n"] < MIN_SAMPLES for row in headlines)
    against = [f"{formatting.integer(leaks)} of the held-out rows were trained on"] if leaks else []
    against += [f"{_tasks(few)} with fewer than {MIN_SAMPLES}, too few to tell"] if few else []
    num_answers = sum(task["n"] for task in results["tasks"].values())
    return Fact(
        "Can that be trusted?",
        f"{formatting.integer(num_answers)} held-out answer{'s' if num_answers != 1 else ''}",
        "; ".join(against) or "no row that was asked was found in the train split",
        "worse" if leaks else "",
    )


def _in_unseen_wordings(headlines: Sequence[Section], results: Scores) -> Fact | None:
    """The task that loses most of its first metric in wordings that nothing was trained in."""
    found = []
    for row in headlines:
        unseen = results["tasks"][row["task"]].get("unseen_wordings")
        if unseen and row["metric"] in unseen["metrics"]:
            delta = unseen["metrics"][row["metric"]]["delta"]
            found.append((delta["value"] * (1 if row["unit"] == "%" else 100), row, delta, unseen["n"]))
    if not found:
        return None
    _, row, delta, n = min(found, key=lambda one: one[0])
    verdict = verdict_of(delta, n)
    return Fact(
        "In wordings it never saw?",
        f"{_signed(delta, row)} {row['metric']} on {row['task']}",
        "the most that a task changes for the worse" if len(found) > 1 else f"{n} answers in both wordings",
        "worse" if verdict == "worse" else "",
    )


def _signed(delta: Interval, row: Section) -> str:
    return formatting.score(delta["value"], row["unit"], signed=True)


def _tasks(count: int) -> str:
    return f"{count} task{'s' if count != 1 else ''}"
