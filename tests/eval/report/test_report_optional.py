"""Sections that not every run has: shown where there is something, and the report made again for it."""

from pathlib import Path
from typing import Any

import jinja2
import pytest
from report_run import small_run, write_run

from eval.config import report_inputs
from eval.report import html_page, optional, report
from eval.report.drawing import figures
from eval.report.optional import Fact, OptionalSection
from hunmin.artifact import commit, write_json

TEMPLATE = """{% from "macros.html.j2" import drawn %}
<p>{{ section.said }}</p>
{{ drawn(section.figure) }}
"""


def content(run_dir: Path) -> dict[str, Any] | None:
    path = run_dir / "people" / "ratings.json"
    if not path.exists():
        return None
    bars = figures.histogram(
        [1, 2], [3], name="fig-ratings", title="평점", description="3", x_label="rating", y_label="rows"
    )
    return {"said": "<b>세 사람</b>", "figure": bars}


SECTION = OptionalSection(
    title="People",
    content=content,
    folders="people",
    facts=lambda content: [Fact("People prefer", "tuned", "3 raters", "better")],
)


def rate(run_dir: Path, *, content_sha256: str) -> None:
    (run_dir / "people").mkdir(exist_ok=True)
    path = run_dir / "people" / "ratings.json"
    write_json(path, {"tuned": 3})
    commit(
        run_dir / "people",
        stage="people",
        stage_version=1,
        parents={},
        config_sha256="0" * 64,
        content_sha256=content_sha256,
        counts={},
        files=[path],
        seconds=0.0,
    )


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run may have a section of this name."""
    environment = html_page._environment

    def with_template(folder: Path) -> jinja2.Environment:
        found = environment(folder)
        more = jinja2.DictLoader({"optional/ratings.html.j2": TEMPLATE})
        found.loader = jinja2.ChoiceLoader([more, *([found.loader] if found.loader else [])])
        return found

    monkeypatch.setattr(html_page, "_environment", with_template)
    monkeypatch.setattr(optional, "optional_sections", lambda: iter([("ratings", SECTION)]))


@pytest.mark.usefixtures("people")
def test_a_section_is_on_the_page_of_a_run_that_has_it(tmp_path: Path) -> None:
    parents = write_run(tmp_path, small_run())
    plain, _ = report.render(report.read_contents(tmp_path, parents), "run")
    assert "ratings" not in plain
    rate(tmp_path, content_sha256="1" * 64)
    page, drawn = report.render(report.read_contents(tmp_path, parents), "run")
    assert '<a href="#ratings">People</a>' in page
    assert '<section id="ratings"' in page
    assert "<p>&lt;b&gt;세 사람&lt;/b&gt;</p>" in page
    assert "fig-ratings" in [figure.name for figure in drawn]
    first_screen = page[: page.index('<section id="corpus"')]
    assert '<dd class="better">tuned<small>3 raters</small></dd>' in first_screen


@pytest.mark.usefixtures("people")
def test_the_report_depends_on_what_its_sections_read(tmp_path: Path) -> None:
    parents = write_run(tmp_path, small_run())

    def inputs() -> str:
        return str(report_inputs(name="run", seed=0, parents=parents | optional.parents_of(tmp_path)))

    without = inputs()
    assert optional.parents_of(tmp_path) == {}
    rate(tmp_path, content_sha256="1" * 64)
    assert optional.parents_of(tmp_path) == {"people": "1" * 64}
    once = inputs()
    rate(tmp_path, content_sha256="2" * 64)
    assert len({without, once, inputs()}) == 3


def test_every_section_has_its_template_and_its_place() -> None:
    for name, section in optional.optional_sections():
        assert (optional.FOLDER / f"{name}.html.j2").is_file()
        assert section.title
