"""What docs/tasks.md says of task files is so."""

import re
from pathlib import Path
from typing import get_args

import yaml

from data_pipeline.config import SourceConfig
from data_pipeline.tasks.tasks import (
    ATTESTED_KINDS,
    AnswerWriter,
    Axis,
    Task,
    When,
    check_attested,
    load_tasks,
)
from hunmin.language.answers.constraints import CHECKS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "tasks.md").read_text(encoding="utf-8")
EXAMPLES = [yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S)]


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_column(text: str) -> list[str]:
    return re.findall(r"^\| `(\w+)[^`]*` \|", text, re.M)


def test_the_examples_are_a_task_and_a_source() -> None:
    task, source = EXAMPLES
    assert [wording.kind for wording in Task.model_validate(task).wordings] == [
        *("neutral", "checked", "attested", "attested", "neutral")
    ]
    for text in SourceConfig.model_validate(source).attests:
        assert check_attested(text) == text


def test_every_field_is_in_its_table() -> None:
    assert set(first_column(section("A task file"))) == Task.model_fields.keys()
    assert set(first_column(section("When a wording is true"))) == When.model_fields.keys()
    assert set(first_column(section("Renderers"))) == AnswerWriter.model_fields.keys()


def test_every_check_is_in_the_table() -> None:
    wanted = [
        f"| `{name}` | {'yes ' if check.argument else ''}| {check.says} |" for name, check in CHECKS.items()
    ]
    found = [line for line in section("Checks").splitlines() if line.startswith("| `")]
    assert found == wanted, "docs/tasks.md, Checks: replace the table's lines by\n" + "\n".join(wanted)


def test_axes_kinds_and_shipped_tasks_are_named() -> None:
    assert all(f"`{axis}`" in PAGE for axis in get_args(Axis))
    assert all(f"`{kind}`" in PAGE for kind in ATTESTED_KINDS)
    assert all(name in PAGE for name in load_tasks(None))
