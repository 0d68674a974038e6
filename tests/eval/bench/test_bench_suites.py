"""Suites: the shipped ones load, and what is wrong with one is said on a line."""

import re
from pathlib import Path

import pytest
from suite_files import quiz

from eval.bench.harness import tasks_of
from eval.bench.suites import load_suite, shipped_suites
from hunmin.errors import ConfigError, InputError

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", shipped_suites())
def test_every_shipped_suite_loads_and_is_on_the_page(name: str) -> None:
    suite = load_suite(name)
    assert suite.name == name
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    rows = re.findall(rf"^\| `{name}` \| .* \| (run|not run) ", page, re.MULTILINE)
    assert len(rows) == 1, "docs/benchmarks.md: a row a suite, which says whether it was run"


def test_a_suite_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(InputError, match="--suite kobset: no such suite; did you mean kobest"):
        load_suite("kobset")
    with pytest.raises(InputError, match=r"--suite mine\.yaml: no such suite; there are click, "):
        load_suite("mine.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "name: other\ntitle: T\nlanguages: [ko]\nlicence: L\nsource: S\ntasks: [{task: a}]",
            "named as its file",
        ),
        ("name: own\ntitel: T", "titel"),
        ("name: own\ntitle: [", "not YAML"),
        (
            "name: own\ntitle: T\nlanguages: [ko]\nlicence: L\nsource: S\ntasks: [{task: a, define: {}}]",
            "define needs dataset_path",
        ),
        ("name: ../own\ntitle: T\nlanguages: [ko]\nlicence: L\nsource: S\ntasks: [{task: a}]", "name: "),
    ],
)
def test_a_wrong_suite_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(str(path))) as caught:
        load_suite(str(path))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_suite_may_define_a_task() -> None:
    (entry,) = quiz().tasks
    assert entry.define is not None
    assert entry.define["metric_list"][0]["metric"] == "acc"


def test_the_suite_of_the_page_loads(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```yaml my_quiz\.yaml\n((?:.*\n)*?)```$", page, re.MULTILINE)
    (tmp_path / "my_quiz.yaml").write_text(text, encoding="utf-8")
    (task,) = tasks_of(load_suite(str(tmp_path / "my_quiz.yaml")))
    assert [one.place.as_posix() for one in task.wanted] == ["us--quiz/default/test"]
