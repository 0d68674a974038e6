"""A suite, one YAML file: which tasks of lm-evaluation-harness are asked, how, and from which data."""

from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import Field, StringConstraints, ValidationError, model_validator

from hunmin.errors import ConfigError, EnvironmentFailure, InputError, did_you_mean
from hunmin.section import FileName, Section, model_problems, yaml_problem
from hunmin.yaml_text import read_yaml, typed

SHIPPED = Path(__file__).resolve().parents[2] / "configs" / "suites"
MAX_SHOTS = 100

SuiteName = Annotated[FileName, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class TaskEntry(Section):
    """A task of the harness, a group of its tasks, or one that the suite defines itself."""

    task: str = Field(min_length=1, description="name in the harness: gsm8k, kobest, kmmlu; or a new one")
    metric: str | None = Field(default=None, description="the suite's where absent")
    filter: str | None = Field(default=None, description="which reading of an answer counts; the suite's")
    shots: int | None = Field(default=None, ge=0, le=MAX_SHOTS, description="worked examples; the suite's")
    define: dict[str, Any] | None = Field(
        default=None, description="a task of one's own, in the keys of the harness' task files"
    )

    @model_validator(mode="after")
    def _data_is_named(self) -> Self:
        if self.define is not None and not isinstance(self.define.get("dataset_path"), str):
            raise ValueError(f"task {self.task}: define needs dataset_path, the name of its data")
        return self


class LocalTable(Section):
    """A table as its publisher has it, and how it becomes what the task reads."""

    path: str = Field(min_length=1, description="below the data folder: BoolQ/dev.tsv")
    columns: dict[str, str] = Field(
        default_factory=dict, description="field of the task -> column here; absent: all, as they are named"
    )
    values: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="field of the task -> what stands here -> what it means"
    )


class Suite(Section):
    """Benchmarks that are run and reported together, and the protocol that they are asked by."""

    name: SuiteName = Field(description="as the file is named")
    title: str = Field(min_length=1, description="for the report")
    languages: tuple[str, ...] = Field(min_length=1, description="of the questions: ko, en")
    licence: str = Field(min_length=1, description="of the data")
    source: str = Field(min_length=1, description="who made it, and where it is published")
    tasks: tuple[TaskEntry, ...] = Field(min_length=1, description="what is asked")
    metric: str | None = Field(default=None, description="absent: the first of each task")
    filter: str | None = Field(default=None, description="absent: the first of each task")
    shots: int | None = Field(
        default=None, ge=0, le=MAX_SHOTS, description="worked examples before a question; absent: each task's"
    )
    split: str | None = Field(default=None, description="the split that is asked; absent: each task's")
    revisions: dict[str, str] = Field(
        default_factory=dict, description="dataset -> commit or branch that --fetch brings; absent: main"
    )
    files: dict[str, dict[str, LocalTable]] = Field(
        default_factory=dict, description="DATASET/SUBSET -> split -> the publisher's own table"
    )


def shipped_suites() -> list[str]:
    """The names of the suites that come with hunmin.

    Raises:
        EnvironmentFailure: this installation has none.
    """
    names = sorted(path.stem for path in SHIPPED.glob("*.yaml"))
    if not names:
        raise EnvironmentFailure(
            f"{SHIPPED}: the shipped suites are not there; install hunmin anew: make setup"
        )
    return names


def load_suite(name: str) -> Suite:
    """A shipped suite by its name, or any by the path of its file.

    Raises:
        InputError: there is no such suite.
        ConfigError: the file is not a suite.
    """
    is_path = name.endswith((".yaml", ".yml"))
    path = Path(name).expanduser() if is_path else SHIPPED / f"{name}.yaml"
    if not path.is_file():
        known = shipped_suites()
        hint = did_you_mean(name, known, f"there are {', '.join(known)}, and any file.yaml")
        raise InputError(f"--suite {name}: no such suite; {hint}")
    try:
        suite = Suite.model_validate(typed(read_yaml(path.read_text(encoding="utf-8")), Suite))
    except ValidationError as error:
        raise ConfigError(f"{path}: not a suite: {model_problems(error)}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}{yaml_problem(error)}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not text in utf-8; a suite is YAML in utf-8") from error
    if suite.name != path.stem:
        raise ConfigError(f"{path}: its name is {suite.name}; a suite is named as its file, {path.stem}")
    return suite
