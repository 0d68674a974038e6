"""Generalization on the page: what was never trained beside what was, and what wrappers change."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval.report.optional import Content, OptionalSection
from eval.report.sections.facts import Fact
from eval.report.sections.formatting import in_percent, score
from eval.report.sections.results import verdict_of
from hunmin import artifact

KINDS = {"task": "Tasks", "domain": "Domains", "language": "Languages of the answer"}
WRAPPERS = {
    "few_shot": "two worked examples before it",
    "chain_of_thought": "steps asked for before the answer",
    "role": "a role as system message",
}


def content(run_dir: Path) -> Content | None:
    """The findings of eval's probe, in percent of each metric's best value."""
    folder = run_dir / "eval"
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    found = scores.get("probes", {}).get("generalization")
    if not found:
        return None
    cure = f"hunmin eval {run_dir / 'config.yaml'} --run {run_dir}"
    artifact.verify(folder, cure=cure, only=("scores.json",))
    kinds = found.get("kinds", {})
    return {
        "kinds": [_kind(kind, one) for kind in KINDS for one in kinds.get(kind, ())],
        "wrappers": [_wrappers(task, one) for task, one in sorted(found.get("wrappers", {}).items())],
    }


def _kind(kind: str, found: Mapping[str, Any]) -> dict[str, Any]:
    groups = [
        {
            "name": group["name"],
            "trained": group["trained"],
            "n": group["n"],
            "base": in_percent(group["systems"]["base"]),
            "tuned": in_percent(group["systems"]["tuned"]),
            "gain": in_percent(group["gain"]),
            "verdict": verdict_of(group["gain"], group["n"]),
        }
        for group in found["groups"]
    ]
    return {"kind": KINDS[kind], "task": found["task"], "groups": groups, "gap": _gap(found["gap"])}


def _gap(gap: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if gap is None:
        return None
    n = min(gap["seen"], gap["unseen"])
    return {
        "seen": gap["seen"],
        "unseen": gap["unseen"],
        "tuned": in_percent(gap["tuned"]),
        "gain": in_percent(gap["gain"]),
        "verdict": verdict_of(gap["tuned"], n),
        "gain_verdict": verdict_of(gap["gain"], n),
    }


def _wrappers(task: str, found: Mapping[str, Any]) -> dict[str, Any]:
    rows = [
        {
            "name": WRAPPERS.get(name, name),
            "rows": one["rows"],
            **{
                system: {side: in_percent(value) for side, value in sides.items()}
                for system, sides in one["systems"].items()
            },
            "verdict": verdict_of(one["systems"]["tuned"]["change"], one["rows"]),
        }
        for name, one in found.items()
    ]
    return {"task": task, "rows": rows}


def facts(section: Content) -> list[Fact]:
    """The gap of the first kind that has one: whole tasks before domains and languages."""
    for kind in section["kinds"]:
        if (gap := kind["gap"]) is not None:
            points = score(gap["tuned"]["value"], "%", signed=True)
            where = f" of {kind['task']}" if kind["task"] else ""
            note = f"{kind['kind'].lower()}{where}: {gap['unseen']} rows beside {gap['seen']}"
            return [Fact("Never trained, against trained", f"{points} points", note, gap["verdict"])]
    return []


SECTION = OptionalSection(title="Generalization", content=content, facts=facts)
