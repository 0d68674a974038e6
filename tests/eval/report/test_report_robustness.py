"""Robustness on the page: the numbers of the probe, and the questions that break the model, quoted."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from probe_material import INFOS, answers_of, material, right, sentiment

from eval.probes.robustness import PROBE
from eval.report.html_page import render_page
from eval.report.optional.robustness import SECTION
from eval.samples.answers_table import samples_table
from eval.samples.samples import Sample
from eval.samples.variants import axis_of
from hunmin.artifact import commit, write_json
from hunmin.errors import ArtifactError
from hunmin.schema import PROBES

HOSTILE = "<b>모름</b> 010-1234-5678"


def write_eval(run_dir: Path) -> None:
    """An eval folder whose tuned model fails where there is a slip of the hand, 12 rows in all."""
    given = material(sentiment(12), robustness=12)
    asked = PROBE.ask(given)

    def tuned(sample: Sample) -> str:
        return HOSTILE if axis_of(sample) == "typing" else right(sample)

    answers = answers_of(given, asked, tuned)
    tables = {}
    for name, samples in (("samples", given.samples), ("probes", asked)):
        tables[name] = samples_table(
            samples,
            answers={system: [of[one.sample_id] for one in samples] for system, of in answers.items()},
            prompts={one.sample_id: [1] for one in samples},
            tasks=INFOS,
            values={system: [{} for _ in samples] for system in answers},
        )
    probe = pa.array(["robustness"] * len(tables["probes"]))
    tables["probes"] = tables["probes"].add_column(0, PROBES.field("probe"), probe)
    folder = run_dir / "eval"
    folder.mkdir()
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    findings = PROBE.judge(given, asked, answers)
    write_json(folder / "scores.json", {"probes": {"robustness": findings.scores}})
    commit(
        folder,
        stage="eval",
        stage_version=1,
        parents={},
        config_sha256="0" * 64,
        content_sha256="0" * 64,
        counts={},
        files=sorted(folder.iterdir()),
        seconds=0.0,
    )


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_eval(folder)
    return folder


@pytest.fixture(scope="module")
def section(run_dir: Path) -> dict[str, Any]:
    found = SECTION.content(run_dir)
    assert found is not None
    return found


def test_each_task_has_its_axes_in_percent_and_a_figure(section: dict[str, Any]) -> None:
    (task,) = section["tasks"]
    axes = {axis["name"]: axis for axis in task["axes"]}
    assert next(iter(axes)) == "all together"
    assert axes["slips of the hand"]["tuned"]["reliable"]["value"] == 0
    assert axes["slips of the hand"]["verdict"] == "worse"
    assert axes["spacing"]["tuned"]["mean"]["value"] == 100
    assert axes["spacing"]["verdict"] == "unclear"
    assert task["figure"].name == "fig-robustness-01"
    assert "slips of the hand, 12 rows: base 58.3, tuned 0.0" in task["figure"].description


def test_what_breaks_the_model_is_quoted_masked_and_escaped(section: dict[str, Any]) -> None:
    (task,) = section["tasks"]
    assert [pair["axis"] for pair in task["breaks"]] == ["slips of the hand"] * 3
    assert all(pair["lost"] for pair in task["breaks"])
    page = render_page("optional/robustness.html.j2", section=section)
    assert "&lt;b&gt;모름&lt;/b&gt;" in page
    assert "1234" not in page
    for pair in task["breaks"]:
        assert pair["own"]["question"] != pair["other"]["question"]
        assert pair["own"]["answer"] == pair["wanted"]


def test_the_first_screen_says_how_many_are_right_however_asked(section: dict[str, Any]) -> None:
    (fact,) = SECTION.facts(section)
    assert (fact.name, fact.value) == ("Right however asked", "0 % of rows")
    assert "12 rows" in fact.note


def test_a_run_without_it_has_no_section(tmp_path: Path) -> None:
    (tmp_path / "eval").mkdir()
    write_json(tmp_path / "eval" / "scores.json", {"tasks": {}})
    assert SECTION.content(tmp_path) is None


def test_changed_answers_are_refused(tmp_path: Path) -> None:
    write_eval(tmp_path)
    (tmp_path / "eval" / "probes.parquet").write_bytes(b"")
    with pytest.raises(ArtifactError):
        SECTION.content(tmp_path)
