"""The model card that carries the scores: golden, beside the page, and the export's own words around them."""

from pathlib import Path

import pytest
from golden_files import check_golden
from report_run import CARD, RunSpec, small_run, write_run
from test_report_build import inputs_of

from eval.report import report
from eval.report.model_card import with_scores
from eval.report.sections.facts import Fact
from hunmin.errors import ArtifactError

GOLDEN = Path(__file__).parent / "golden" / "model_card.md"


def card_of(run_dir: Path, spec: RunSpec) -> str:
    parents = write_run(run_dir, spec)
    manifest = report.run(run_dir=run_dir, name="run", inputs=inputs_of(parents))
    assert "model_card.md" in {entry.path for entry in manifest.files}
    return (run_dir / "report" / "model_card.md").read_text(encoding="utf-8")


def test_the_card_equals_golden(tmp_path: Path) -> None:
    check_golden(GOLDEN, card_of(tmp_path / "run", small_run()))


def test_the_export_s_own_words_stay(tmp_path: Path) -> None:
    card = card_of(tmp_path / "run", small_run())
    introduction, _, sections = CARD.partition("\n## ")
    assert card.startswith(introduction + "\n## Scores\n\n")
    assert card.endswith("\n\n## " + sections)


def test_nothing_scored_is_said(tmp_path: Path) -> None:
    spec = small_run()
    spec.scores["tasks"], spec.samples[:], spec.scores["goals"] = {}, [], []
    assert "No held-out sample was asked, so nothing was scored." in card_of(tmp_path / "run", spec)


def test_a_name_does_not_break_the_table() -> None:
    scores: dict = small_run().scores
    scores["tasks"] = {"a|b\nc": scores["tasks"]["감성"]}
    card = with_scores(CARD, scores, [Fact("Safe?", "yes")])  # type: ignore[arg-type]
    assert r"| a\|b c | accuracy (%) | 20 | 10.0 [0.0 to 25.0] | 85.0 [70.0 to 100.0] |" in card
    assert "- Safe? **yes**\n" in card


def test_a_changed_card_of_the_export_is_not_believed(tmp_path: Path) -> None:
    parents = write_run(tmp_path, small_run())
    (tmp_path / "train" / "export" / "README.md").write_text("# 다른 것\n")
    with pytest.raises(ArtifactError, match=r"README\.md"):
        report.run(run_dir=tmp_path, name="run", inputs=inputs_of(parents))
