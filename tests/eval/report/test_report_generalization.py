"""Generalization on the page."""

from pathlib import Path
from typing import Any

import pytest

from eval.report.html_page import render_page
from eval.report.optional.generalization import SECTION
from hunmin.artifact import commit, write_json


def between(value: float, half: float = 0.05) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def group(name: str, trained: int, tuned: float) -> dict[str, Any]:
    systems = {"base": between(0.2), "tuned": between(tuned)}
    return {"name": name, "trained": trained, "n": 40, "systems": systems, "gain": between(tuned - 0.2)}


FOUND: dict[str, Any] = {
    "kinds": {
        "domain": [
            {
                "task": "감성",
                "groups": [group("식당", 0, 0.5), group("<i>영화</i>", 900, 0.8)],
                "gap": {"seen": 40, "unseen": 40, "tuned": between(-0.3), "gain": between(-0.3, 0.4)},
            }
        ],
        "language": [{"task": "감성", "groups": [group("en", 3, 0.5), group("ko", 9, 0.5)], "gap": None}],
    },
    "wrappers": {
        "감성": {
            "role": {
                "rows": 40,
                "systems": {
                    system: {"plain": between(0.5), "wrapped": between(0.5), "change": between(0.0)}
                    for system in ("base", "tuned")
                },
            }
        }
    },
}


def section_of(run_dir: Path, found: dict[str, Any]) -> dict[str, Any] | None:
    folder = run_dir / "eval"
    folder.mkdir()
    write_json(folder / "scores.json", {"probes": {"generalization": found} if found else {}})
    commit(
        folder,
        stage="eval",
        stage_version=1,
        parents={},
        config_sha256="0" * 64,
        content_sha256="0" * 64,
        counts={},
        files=[folder / "scores.json"],
        seconds=0.0,
    )
    return SECTION.content(run_dir)


def test_gaps_and_wrappers_are_on_the_page(tmp_path: Path) -> None:
    section = section_of(tmp_path, FOUND)
    assert section is not None
    domain, language = section["kinds"]
    assert domain["gap"]["tuned"]["value"] == pytest.approx(-30)
    assert (domain["gap"]["verdict"], domain["gap"]["gain_verdict"]) == ("worse", "unclear")
    assert language["gap"] is None
    page = render_page("optional/generalization.html.j2", section=section)
    assert "never trained minus trained" in page
    assert "&lt;i&gt;영화&lt;/i&gt;" in page
    assert "a role as system message" in page
    (fact,) = SECTION.facts(section)
    assert (fact.value, fact.verdict) == ("−30.0 points", "worse")
    assert fact.note == "domains of 감성: 40 rows beside 40"


def test_a_run_with_nothing_to_say_has_no_section(tmp_path: Path) -> None:
    assert section_of(tmp_path, {}) is None
