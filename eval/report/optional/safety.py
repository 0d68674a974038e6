"""Safety of answers on the page: what the probes of harm, bias and privacy found, and by which detectors."""

import json
from pathlib import Path
from typing import Any, cast

from eval.report.drawing.figures import IntervalRow, interval_plot
from eval.report.optional import Content, Fact, OptionalSection
from eval.report.sections.formatting import interval, score
from eval.report.sections.results import verdict
from hunmin import artifact
from hunmin.schema import MetricScores

PROBES = ("harm", "bias", "privacy")
# Rates in the order of the table: probe, path in its findings, name, what stands below it.
RATES = (
    ("harm", ("refused", "refuse"), "Harmful requests refused", "higher is better"),
    ("harm", ("refused", "help"), "Harmless requests refused", "that only look harmful; lower is better"),
    ("harm", ("harmful", "held_out"), "Harm in held-out answers", "lower is better"),
    ("harm", ("harmful", "refuse"), "Harm in answers to harmful requests", "lower is better"),
    ("harm", ("harmful", "help"), "Harm in answers to harmless requests", "lower is better"),
    (
        "privacy",
        ("personal", "held_out"),
        "Personal data in held-out answers",
        "that the prompt does not hold",
    ),
    ("privacy", ("personal", "asked"), "Personal data where it is drawn out", "lower is better"),
    (
        "privacy",
        ("repeated", "held_out"),
        "Held-out answers that repeat train rows",
        "long spans, word for word",
    ),
    ("privacy", ("repeated", "asked"), "Drawn-out answers that repeat train rows", "likewise"),
)
MEASURES = {
    "label": "another label",
    "refusal": "one refused",
    "harm": "one harmful",
    "tone": "tone apart",
    "length": "length apart",
}
DETECTORS = {
    "refusal": "refusals",
    "harm": "harm and bias",
    "personal": "personal data",
    "positive": "positive tone",
    "negative": "negative tone",
}


def content(run_dir: Path) -> Content | None:
    """What the probes found; None where eval asked none of them."""
    artifact.verify(run_dir / "eval", cure=f"hunmin eval for {run_dir}", only=("scores.json",))
    scores = json.loads((run_dir / "eval" / "scores.json").read_text(encoding="utf-8"))
    found = {name: one for name, one in scores.get("probes", {}).items() if name in PROBES}
    if not found:
        return None
    rates = [
        {"name": name, "note": note, "verdict": _verdict(rate), **rate}
        for probe, path, name, note in RATES
        if probe in found and (rate := found[probe][path[0]][path[1]]) is not None
    ]
    detectors = {kind: one for probe in found.values() for kind, one in probe["detectors"].items()}
    bias, privacy = found.get("bias"), found.get("privacy")
    return {
        "rates": rates,
        "right_answers": _right_answers(found),
        "measures": _measures(bias) if bias else [],
        "axes": [{"name": axis, **rate} for axis, rate in (bias or {}).get("axes", {}).items() if rate],
        "origins": privacy["origins"] if privacy else {},
        "span_tokens": privacy["span_tokens"] if privacy else None,
        "detectors": [
            {"name": name, **detectors[kind]} for kind, name in DETECTORS.items() if kind in detectors
        ],
        "figure": _figure(rates),
    }


def _verdict(rate: dict[str, Any]) -> str:
    return verdict(cast(MetricScores, rate))  # which reads what a rate has too


def _right_answers(found: dict[str, Any]) -> list[tuple[str, float]]:
    """What the same detectors find in the held-out references."""
    shares = [("harm", found.get("harm", {}).get("right_answers"))]
    for name, kind in (("personal data", "personal"), ("spans of train rows", "repeated")):
        shares.append((name, found.get("privacy", {}).get(kind, {}).get("right_answers")))
    return [(name, share) for name, share in shares if share is not None]


def _measures(bias: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": MEASURES[name], **kinds} for name, kinds in bias["measures"].items() if kinds["groups"]]


def _figure(rates: list[dict[str, Any]]) -> Any:
    """The rates of both models with their intervals; None where there are none."""
    groups = [
        (rate["name"], [_row(system, one) for system, one in rate["systems"].items()]) for rate in rates
    ]
    if not groups:
        return None
    return interval_plot(
        groups,
        name="fig-safety-rates",
        title="Safety of answers: both models",
        description="; ".join(
            f"{rate['name']}: "
            + ", ".join(f"{name} {one['value']:.1f} %" for name, one in rate["systems"].items())
            for rate in rates
        ),
        x_label="% of answers, with 95 % intervals",
        limit=100,
    )


def _row(system: str, found: Any) -> IntervalRow:
    return IntervalRow(
        system, system, found["value"], found["low"], found["high"], score(found["value"], "%")
    )


def facts(content: Content) -> list[Fact]:
    """One line: is it safe, as far as that was seen."""
    by_name = {rate["name"]: rate for rate in content["rates"]}
    refused, held_out = by_name.get(RATES[0][2]), by_name.get(RATES[2][2])
    told = []
    if refused is not None:
        said = refused["systems"]["tuned"]
        note = f"{interval(said, '%')} of {refused['n']} requests, as far as patterns see it"
        value = f"{score(said['value'], '%')} % (base {score(refused['systems']['base']['value'], '%')} %)"
        told.append(Fact("Harmful requests refused", value, note, refused["verdict"]))
    if held_out is not None:
        said = held_out["systems"]["tuned"]
        note = f"{interval(said, '%')} of {held_out['n']} held-out answers, by word lists"
        told.append(Fact("Harm in answers", f"{score(said['value'], '%')} %", note, held_out["verdict"]))
    return told


SECTION = OptionalSection(title="Safety", content=content, facts=facts)
