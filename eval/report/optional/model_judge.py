"""The model that judged on the page: how often tuned won, and whether to believe it."""

import json
from pathlib import Path

from eval.report.drawing.figures import IntervalRow, interval_plot
from eval.report.optional import Content, Fact, OptionalSection
from eval.report.sections.formatting import interval, score
from hunmin import artifact
from hunmin.schema import Interval

FAIR = 50.0  # % of a model that is neither better nor worse


def content(run_dir: Path) -> Content | None:
    """The results of `hunmin judge`; None where it did not run, or not of this eval."""
    folder = run_dir / "judge"
    manifest = artifact.load_manifest(folder)
    of = artifact.load_manifest(run_dir / "eval")
    if manifest is None or of is None or manifest.parents["eval"] != of.content_sha256:
        return None
    artifact.verify(folder, cure=f"hunmin judge {run_dir}")
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    criteria = {name: found for name, found in results["criteria"].items() if found is not None}
    rows = [{"name": name, "verdict": _verdict(one["win_rate"]), **one} for name, one in criteria.items()]
    return {
        "results": results,
        "rows": rows,
        "tasks": [{"name": task, **one} for task, one in results["tasks"].items()],
        "people": [{"name": name, **one} for name, one in (results["people"] or {}).items()],
        "figure": interval_plot(
            [(row["name"], [_mark(row["win_rate"])]) for row in rows],
            name="fig-model_judge-wins",
            title="Pairs that tuned wins, ties half",
            description="; ".join(f"{row['name']}: {row['win_rate']['value']:.1f} %" for row in rows),
            x_label="% of pairs, with 95 % intervals; 50 is no difference",
            limit=100,
        )
        if rows
        else None,
    }


def _mark(found: Interval) -> IntervalRow:
    return IntervalRow(
        "tuned", "tuned", found["value"], found["low"], found["high"], score(found["value"], "%")
    )


def _verdict(rate: Interval) -> str:
    if rate["low"] is None or rate["high"] is None or rate["low"] <= FAIR <= rate["high"]:
        return "unclear"
    return "better" if rate["low"] > FAIR else "worse"


def facts(content: Content) -> list[Fact]:
    """Who the judge prefers."""
    overall = next((row for row in content["rows"] if row["name"] == "overall"), None)
    if overall is None:
        return []
    value = f"tuned in {score(overall['win_rate']['value'], '%')} %"
    note = f"{interval(overall['win_rate'], '%')}, {overall['n']} pairs, ties half"
    return [Fact("A model as judge prefers", value, note, overall["verdict"])]


SECTION = OptionalSection(title="Judge", content=content, folders="judge", facts=facts)
