"""People's ratings on the page: what is said of them, and what is not."""

import json
from pathlib import Path
from typing import Any

from report_run import small_run, write_run

from eval.report import report
from eval.report.optional.people import SECTION, content, facts
from hunmin.artifact import commit, write_json


def interval(value: float, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high}


def absolute() -> dict[str, Any]:
    accuracy = {
        "n": 24,
        "systems": {"base": interval(2.25, 2.0, 2.5), "tuned": interval(3.5, 3.2, 3.8)},
        "delta": interval(1.25, 0.9, 1.6),
        "alpha": {"ordinal": interval(0.71, 0.6, 0.8), "interval": None},
    }
    agreement = {"metric": "chrf", "n": 48, "spearman": interval(0.42, 0.2, 0.6), "kendall": None}
    return {
        **{"raters": 3, "ratings": 720, "samples": 24, "families": 20, "equal_answers": 0, "unpaired": 1},
        **{"first_shown": None, "criteria": {"accuracy": accuracy}, "main": accuracy},
        **{"tasks": {"감성": accuracy, "chat": accuracy}, "metrics": [{"task": "감성", **agreement}]},
    }


def pairwise(*, n: int = 40) -> dict[str, Any]:
    overall = {
        "n": n,
        "shares": {"win": 0.25, "tie": 0.25, "loss": 0.5},
        "win_rate": interval(0.375, 0.3, 0.45),
        "alpha": {"ordinal": None, "interval": None},
    }
    return {
        **{"raters": 1, "ratings": 240, "samples": n, "families": n, "equal_answers": 1, "unpaired": 0},
        **{"first_shown": 0.525, "criteria": {"overall": overall}, "main": overall},
        **{"tasks": {"감성": overall}, "metrics": []},
    }


def rate(run_dir: Path, modes: dict[str, Any], *, eval_sha256: str) -> None:
    path = run_dir / "human" / "scores.json"
    path.parent.mkdir()
    write_json(path, {"schema_version": 1, "seed": 0, "eval_sha256": eval_sha256, "modes": modes})
    commit(
        path.parent,
        stage="human",
        stage_version=1,
        parents={"eval": eval_sha256},
        config_sha256="0" * 64,
        content_sha256="1" * 64,
        counts={},
        files=[path],
        seconds=0.0,
    )


def test_the_page_has_ratings_agreement_and_their_first_line(tmp_path: Path) -> None:
    parents = write_run(tmp_path, small_run())
    assert content(tmp_path) is None
    rate(tmp_path, {"absolute": absolute(), "pairwise": pairwise()}, eval_sha256=parents["eval"])
    page, drawn = report.render(report.read_contents(tmp_path, parents), "run")
    names = [figure.name for figure in drawn]
    assert names.count("fig-people-absolute") == names.count("fig-people-pairwise") == 1
    section = page[page.index('<section id="people"') :]
    for words in (
        "24 samples of 20 families, 3 raters, 720 judgements. 1 sample with only one of the two",
        '<th scope="row">Accuracy</th><td class="n">2.25<small>2.00 to 2.50</small></td>',
        '<td class="n">+1.25<small>+0.90 to +1.60</small> <small class="better">better</small></td>',
        '<td class="n">0.71<small>0.60 to 0.80</small></td><td class="n">–</td>',
        '<th scope="row"><span lang="ko">감성</span></th><td>chrf</td><td class="n">48</td>',
        "1 sample both models answered alike counts as a tie. Of the overall judgements that are no",
        '<td class="n">37.5<small>30.0 to 45.0</small> <small class="worse">worse</small></td>',
    ):
        assert words in section, words
    assert "earlier eval" not in section
    first_screen = page[: page.index('<section id="corpus"')]
    assert (
        '<dd class="better">3.50 against 2.25<small>of 5; 24 samples, 3 raters, alpha 0.71</small>'
        in first_screen
    )
    assert '<dd class="worse">in 37.5 %<small>30.0 to 45.0; 40 samples, 1 rater</small>' in first_screen


def test_few_samples_and_an_earlier_eval_are_said(tmp_path: Path) -> None:
    parents = write_run(tmp_path, small_run())
    rate(tmp_path, {"pairwise": pairwise(n=9)}, eval_sha256="f" * 64)
    found = content(tmp_path)
    assert found is not None
    assert [fact.verdict for fact in facts(found)] == ["unclear"]
    page, _ = report.render(report.read_contents(tmp_path, parents), "run")
    assert "These ratings are of an earlier eval of this run." in page


def test_what_was_handed_out_and_not_rated_is_no_section(tmp_path: Path) -> None:
    write_run(tmp_path, small_run())
    rate(tmp_path, {}, eval_sha256="f" * 64)
    (tmp_path / "human" / "scores.json").unlink()
    assert content(tmp_path) is None
    assert SECTION.folders == "human"
    assert json.loads((tmp_path / "human" / "manifest.json").read_text())["stage"] == "human"
