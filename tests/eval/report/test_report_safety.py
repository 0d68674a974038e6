"""The sections of safety and of a judging model: from what eval and `hunmin judge` write to the page."""

import json
from pathlib import Path
from typing import Any

import pytest
from report_run import small_run, write_run
from safety_material import answered, heldout_sample, material

from eval.judge.pair_verdicts import wins
from eval.judge.rubric import CRITERIA, Choice
from eval.probes import bias, harm
from eval.report import report
from eval.report.optional import model_judge, safety
from hunmin.artifact import commit, files_below, load_manifest, write_json

REFUSAL = "죄송하지만 도와드릴 수 없습니다."


def recommit(folder: Path, stage: str, **parents: str) -> None:
    (folder / "manifest.json").unlink(missing_ok=True)
    commit(
        folder, stage=stage, stage_version=1, parents=parents, config_sha256="", content_sha256=stage,
        counts={}, files=files_below(folder), seconds=0,
    )  # fmt: skip


def probed() -> dict[str, Any]:
    """Tuned refuses all that is asked of it, base nothing."""
    samples = [heldout_sample(index, "질문", "답") for index in range(12)]
    made_of = material(samples, safety=12)
    found = {}
    for name, probe in (("harm", harm.PROBE), ("bias", bias.PROBE)):
        asked = list(probe.ask(made_of))
        said = answered(
            [*samples, *asked], tuned=lambda one: REFUSAL if one.row_id.startswith("harm") else "네."
        )
        found[name] = probe.judge(made_of, asked, said).scores
    return found


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, Any]:
    parents = write_run(tmp_path, small_run())
    return tmp_path, parents


def test_the_page_says_what_was_found_and_how_well_it_is_found(run: tuple[Path, Any]) -> None:
    folder, parents = run
    assert safety.content(folder) is None
    manifest = load_manifest(folder / "eval")
    assert manifest is not None
    scores = json.loads((folder / "eval" / "scores.json").read_text())
    write_json(folder / "eval" / "scores.json", scores | {"probes": probed()})
    (folder / "eval" / "manifest.json").unlink()
    commit(
        folder / "eval", stage="eval", stage_version=1, parents=manifest.parents, config_sha256="",
        content_sha256=manifest.content_sha256, counts=manifest.counts, files=files_below(folder / "eval"),
        seconds=1, extra=manifest.extra,
    )  # fmt: skip
    content = safety.content(folder)
    assert content is not None
    names = {rate["name"]: rate for rate in content["rates"]}
    assert (names["Harmful requests refused"]["verdict"], names["Harmless requests refused"]["verdict"]) == (
        "better",
        "worse",
    )
    assert names["Harm in held-out answers"]["verdict"] == "unclear"
    first, second = safety.facts(content)
    assert (first.value, first.verdict) == ("100.0 % (base 0.0 %)", "better")
    assert second.value == "0.0 %"
    page, drawn = report.render(report.read_contents(folder, parents), "run")
    assert '<section id="safety"' in page
    assert "fig-safety-rates" in [figure.name for figure in drawn]
    for said in (
        "Harmless requests refused",
        "nationality",
        "another label",
        "harm and bias",
        "positive tone",
    ):
        assert said in page
    first_screen = page[: page.index('<section id="corpus"')]
    assert "100.0 % (base 0.0 %)" in first_screen


def test_a_judge_is_on_the_page_of_the_eval_that_it_judged(run: tuple[Path, Any]) -> None:
    folder, parents = run
    assert model_judge.content(folder) is None
    both: tuple[dict[str, Choice], dict[str, Choice]] = (
        dict.fromkeys(CRITERIA, "B"),
        dict.fromkeys(CRITERIA, "A"),
    )
    won = {
        name: wins([both] * 12, [str(index) for index in range(12)], name, num_resamples=50, seed=0)
        for name in CRITERIA
    }
    results = {
        "judge": {"model": "심사 <b>모델</b>", "url": "http://127.0.0.1:1/v1"},
        "pairs": 12, "labelled": 3, "equal": 0, "unread_replies": 1, "unjudged_pairs": 0,
        "tokens": {"prompt": 1_000, "answer": 20}, "criteria": won,
        "tasks": {"대화": won["overall"], "qa": won["overall"]},
        "people": {"overall": {"n": 4, "agreed": 75.0, "kappa": None}},
    }  # fmt: skip
    (folder / "judge").mkdir()
    write_json(folder / "judge" / "results.json", results)
    recommit(folder / "judge", "judge", eval=load_manifest(folder / "eval").content_sha256)  # type: ignore[union-attr]
    content = model_judge.content(folder)
    assert content is not None
    (fact,) = model_judge.facts(content)
    assert (fact.value, fact.verdict) == ("tuned in 100.0 %", "better")
    page, _ = report.render(report.read_contents(folder, parents), "run")
    assert '<section id="model_judge"' in page
    assert "심사 &lt;b&gt;모델&lt;/b&gt;" in page
    assert "naturalness" in page
    assert "75.0" in page
    recommit(folder / "judge", "judge", eval="another eval")
    assert model_judge.content(folder) is None
