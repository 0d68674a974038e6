"""The answers section: which samples the page shows, and what each system said to them.

A page must stay a page: of each task so many samples are shown as `share` allows, and texts are cut to
MAX_CHARS; the page says so. eval/samples.parquet has all of them whole.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.report.sections import formatting
from hunmin.hashing import sha256_bytes
from hunmin.schema import MetricScores, Scores

MODELS = ("base", "tuned")
MAX_PER_TASK = 200
MAX_SAMPLES = 1_200  # on the page
MAX_TEXT_BYTES = 1_500_000  # of all texts on the page; more makes it slow to open and to search
MAX_CHARS = 2_000  # of one text
OUTCOME_COLUMNS = ["sample_id", "task", "system", "label", "extracted", "scores"]
TEXT_COLUMNS = ["sample_id", "system", "prompt", "references", "answer"]

Section = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What is known of a sample without its texts."""

    sample_id: str
    task: str
    right: bool | None  # tuned's answer; None: nothing says what is right
    gain: float | None  # how much better tuned is than base by `metric`; below 0: worse
    metric: str = ""  # the first of the task's metrics that scores both answers
    delta: float | None = None  # tuned minus base by it, in its unit

    @property
    def change(self) -> str:
        """What tuning did: `better`, `worse`, `same`, or nothing where no score tells."""
        if self.gain is None:
            return ""
        return "same" if self.gain == 0 else "better" if self.gain > 0 else "worse"


@dataclass(frozen=True)
class Choice:
    """The samples of the page, in its order."""

    reasons: dict[str, str]  # id -> why it was chosen: `drawn`, `filled`, `gain` or `loss`
    outcomes: dict[str, Outcome]
    per_task: int
    totals: dict[str, int]  # task -> samples there are


def outcomes(rows: Iterable[Section], results: Scores) -> list[Outcome]:
    """One outcome a sample, of rows with OUTCOME_COLUMNS; other systems than MODELS are passed over."""
    found: dict[str, dict[str, Section]] = {}
    for row in rows:
        if row["system"] in MODELS:
            found.setdefault(row["sample_id"], {})[row["system"]] = row
    return [_outcome(sample_id, found[sample_id], results) for sample_id in sorted(found)]


def _outcome(sample_id: str, by_system: Mapping[str, Section], results: Scores) -> Outcome:
    task = next(iter(by_system.values()))["task"]
    metrics = results["tasks"][task]["metrics"] if task in results["tasks"] else {}
    tuned = by_system.get("tuned")
    right = _right(tuned, metrics) if tuned else None
    if len(by_system) < len(MODELS):
        return Outcome(sample_id, task, right, None)
    base, tuned = (dict(by_system[name]["scores"] or []) for name in MODELS)
    shared = [name for name in metrics if name in base and name in tuned]
    if not shared:
        return Outcome(sample_id, task, right, None)
    sign = 1 if metrics[shared[0]]["higher_is_better"] else -1
    delta = tuned[shared[0]] - base[shared[0]]
    return Outcome(sample_id, task, right, sign * delta, shared[0], delta)


def _right(row: Section, metrics: Mapping[str, MetricScores]) -> bool | None:
    if row["label"] is not None:
        return row["extracted"] == row["label"]
    exact = dict(row["scores"] or []).get("exact_match")
    if exact is None or "exact_match" not in metrics:
        return None
    return exact >= (100.0 if metrics["exact_match"]["unit"] == "%" else 1.0)


def choose_samples(found: Sequence[Outcome], text_bytes: Mapping[str, int]) -> Choice:
    """The samples that the page shows, as many of each task as it has room for."""
    by_task: dict[str, list[Outcome]] = {}
    for outcome in sorted(found, key=lambda one: (sha256_bytes(one.sample_id.encode()), one.sample_id)):
        by_task.setdefault(outcome.task, []).append(outcome)
    per_task = min(MAX_PER_TASK, max(MAX_SAMPLES // max(len(by_task), 1), 1))
    while True:
        reasons: dict[str, str] = {}
        for task in sorted(by_task):
            reasons |= share(by_task[task], per_task)
        if per_task == 1 or sum(text_bytes[sample_id] for sample_id in reasons) <= MAX_TEXT_BYTES:
            break
        per_task = max(per_task * 3 // 4, 1)
    totals = {task: len(members) for task, members in sorted(by_task.items())}
    return Choice(reasons, {one.sample_id: one for one in found}, per_task, totals)


def share(members: Sequence[Outcome], limit: int) -> dict[str, str]:
    """At most `limit` samples of a task, and why each: half drawn, a quarter each largest gains and losses.

    Drawn are the first ones, whatever their scores: a fair picture of the task. The extremes come from the
    rest, and where it has too few of them, its first others fill the places.

    Args:
        members: by the hash of their ids; equal gains keep this order.
        limit: at least 1.
    """
    if len(members) <= limit:
        return dict.fromkeys((one.sample_id for one in members), "drawn")
    num_drawn = limit - 2 * num_extremes(limit)
    drawn, rest = members[:num_drawn], members[num_drawn:]
    ranked = sorted((one for one in rest if one.gain), key=lambda one: -abs(one.gain or 0.0))
    gains = [one.sample_id for one in ranked if one.change == "better"][: num_extremes(limit)]
    losses = [one.sample_id for one in ranked if one.change == "worse"][: num_extremes(limit)]
    extremes = dict.fromkeys(gains, "gain") | dict.fromkeys(losses, "loss")
    others = [one.sample_id for one in rest if one.sample_id not in extremes]
    filled = others[: limit - num_drawn - len(extremes)]
    return (
        dict.fromkeys((one.sample_id for one in drawn), "drawn") | dict.fromkeys(filled, "filled") | extremes
    )


def num_extremes(limit: int) -> int:
    """Of `limit` samples of a task, how many places the largest gains have, and as many the losses."""
    return limit // 4


def text_bytes(rows: Iterable[Section]) -> dict[str, int]:
    """Sample -> bytes of what the page would show of it; the rows have TEXT_COLUMNS."""
    sizes: dict[str, int] = {}
    for row in rows:
        if row["system"] not in MODELS:
            continue
        if row["sample_id"] not in sizes:
            sizes[row["sample_id"]] = sum(map(_size, [row["prompt"], *(row["references"] or [])]))
        sizes[row["sample_id"]] += _size(row["answer"])
    return sizes


def _size(value: str | None) -> int:
    return len((value or "")[:MAX_CHARS].encode())


def section(
    rows: Iterable[Section],
    choice: Choice,
    results: Scores,
    *,
    skipped: Mapping[str, int],
    max_asked: int | None,
) -> Section:
    """The chosen samples by task, question above and the systems' answers side by side.

    Args:
        skipped: how many held-out samples could not be asked, by reason.
        max_asked: how many samples of a task were asked at most; None: as many as there are.
    """
    by_id: dict[str, dict[str, Section]] = {}
    for row in rows:
        by_id.setdefault(row["sample_id"], {})[row["system"]] = row
    groups: dict[str, list[Section]] = {}
    for sample_id, reason in choice.reasons.items():
        outcome = choice.outcomes[sample_id]
        groups.setdefault(outcome.task, []).append(_sample(outcome, reason, by_id[sample_id], results))
    return {
        "per_task": choice.per_task,
        "num_extremes": num_extremes(choice.per_task),
        "skipped": dict(sorted(skipped.items())),
        "max_asked": max_asked,
        "max_chars": MAX_CHARS,
        "num_shown": len(choice.reasons),
        "num_samples": sum(choice.totals.values()),
        "judged": any(one.right is not None for one in choice.outcomes.values()),
        "compared_by": sorted({one.metric for one in choice.outcomes.values() if one.metric}),
        "groups": [
            {"task": task, "total": choice.totals[task], "samples": members}
            for task, members in groups.items()
        ],
    }


def _sample(outcome: Outcome, reason: str, by_system: Mapping[str, Section], results: Scores) -> Section:
    some = next(iter(by_system.values()))
    metrics = results["tasks"][outcome.task]["metrics"] if outcome.task in results["tasks"] else {}
    units = {name: metric["unit"] for name, metric in metrics.items()}
    return {
        "id": outcome.sample_id,
        "anchor": "sample-" + sha256_bytes(outcome.sample_id.encode())[:12],
        "right": outcome.right,
        "change": outcome.change,
        "changed_by": _changed_by(outcome, units),
        "reason": reason,
        "turn": some["turn"],
        "prompt": some["prompt"],
        "references": some["references"] or [],
        "label": some["label"],
        "answers": [_answer(name, by_system[name], units) for name in MODELS if name in by_system],
    }


def _changed_by(outcome: Outcome, units: Mapping[str, str]) -> str:
    """The metric that tells better from worse and tuned minus base by it: "bleu +9.4"."""
    if not outcome.delta:
        return ""
    amount = formatting.score(outcome.delta, units[outcome.metric], signed=True)
    if not amount.startswith(("+", formatting.MINUS)):  # too small for the digits of a score
        amount = f"{outcome.delta:+.1g}".replace("-", formatting.MINUS)
    return f"{outcome.metric} {amount}"


def _answer(system: str, row: Section, units: Mapping[str, str]) -> Section:
    found = dict(row["scores"] or [])
    return {
        "system": system,
        "text": row["answer"],
        "label": row["extracted"],
        "right": row["label"] is not None and row["extracted"] == row["label"],
        "stopped": row["stopped"],
        "num_tokens": row["num_answer_tokens"],
        "scores": [(name, formatting.score(found[name], units.get(name, "ratio"))) for name in sorted(found)],
    }
