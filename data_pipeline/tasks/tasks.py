"""Task files: what a task is called, how it is scored, and its bank of wordings."""

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from data_pipeline.config import DataConfig, SourceConfig
from hunmin.errors import ConfigError, EnvironmentFailure, did_you_mean
from hunmin.language.answers.constraints import check_of, scale_of
from hunmin.language.answers.label_answers import slot_problem
from hunmin.language.codes import Language
from hunmin.progress import say
from hunmin.schema import TaskInfo
from hunmin.section import Section, model_problems, resolve_path, yaml_problem
from hunmin.yaml_text import read_yaml, typed

DEFAULT_TASK = "instruction"  # of rows whose source names none
DEFAULT_CHAT_TASK = "conversation"
SHIPPED = Path(__file__).resolve().parents[2] / "configs" / "tasks"
Axis = Literal["expression", "tone", "complexity", "language", "domain", "format"]


# What `attested` and a source's `attests` may speak of: kind:word, as in domain:news.
ATTESTED_KINDS = (
    *("domain", "tone", "style", "audience", "viewpoint", "purpose", "length", "form"),
    *("quality", "performance", "context", "scale", "labels"),
)


def check_attested(text: str) -> str:
    """What a source attests, as it is.

    Raises:
        ValueError: it is not kind:word, or of no known kind.
    """
    kind = text.partition(":")[0]
    if not re.fullmatch(r"[^\s:]+:[^\s:]+", text):
        raise ValueError(f"{text!r} is written kind:word, as in domain:news")
    if kind not in ATTESTED_KINDS:
        hint = did_you_mean(kind, ATTESTED_KINDS, f"known are {', '.join(ATTESTED_KINDS)}")
        raise ValueError(f"{text!r}: nothing is attested of kind {kind!r}; {hint}")
    return text


class When(Section):
    """What must be so of a row before a wording is tried on it; nothing given, nothing asked."""

    language: Language | None = Field(None, description="of the answer that is trained: ko, en")
    input_language: Language | None = Field(None, description="of the input")
    input: bool | None = Field(None, description="the row has an input, or has none")
    labels: tuple[str, ...] = Field((), description="the source's set of labels is this one")
    scale: str | None = Field(None, description="the source's ratings are on this scale, as 1-10")

    @field_validator("scale")
    @classmethod
    def _readable(cls, scale: str | None) -> str | None:
        return scale if scale is None or scale_of(scale) else None


class Wording(Section):
    """An instruction, and what must hold before it is paired with an answer.

    Without `requires`, `attested` and `answer` it is true of any answer of its task that `when` lets through.
    """

    id: str
    language: Language = Field(description="of the wording itself")
    axis: Axis
    text: str = Field(min_length=1)
    heldout: bool = Field(False, description="never trained on; eval asks in it")
    when: When = When.model_validate({})
    requires: tuple[str, ...] = Field((), description="checks that the answer passes (text.constraints)")
    attested: tuple[str, ...] = Field((), description="what the row's source must say of its answers")
    answer: str | None = Field(None, description="the renderer that writes the answer; absent: as it is")

    @field_validator("requires")
    @classmethod
    def _known_checks(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            check_of(name)
        return names

    @field_validator("attested")
    @classmethod
    def _known_kinds(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_attested(text) for text in texts)

    @property
    def kind(self) -> Literal["neutral", "checked", "attested"]:
        """Why it is true of an answer: of any, by a check, or because source or renderer make it so."""
        if self.attested or self.answer or self.when.labels or self.when.scale:
            return "attested"
        return "checked" if self.requires else "neutral"


class AnswerWriter(Section):
    """How another answer is written from a row's label or rating.

    `answers` holds a whole text for each label; `text` is one with slots, {label} or {value}, a particle
    pair behind a colon where one follows: {label:이라고/라고}. Where it cannot write, its wordings are left.
    """

    language: Language = Field(description="of the answers it writes")
    answers: dict[str, str] = Field(default_factory=dict)
    text: str | None = None
    scales: dict[str, int] = Field(
        default_factory=dict, description="scale of the file: what divides a rating"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.answers) == bool(self.text):
            raise ValueError("give exactly one of: answers (a text for each label), text (with slots)")
        problem = slot_problem(self.text) if self.text else None
        if problem:
            raise ValueError(problem)
        for scale, divide in self.scales.items():
            if divide < 1 or not scale_of(scale):
                raise ValueError(f"scales {scale}: {divide} divides no rating")
        return self


class Task(Section):
    """A task file."""

    name: str
    prefix: str | None = None
    domain: str = "general"
    languages: tuple[Language, ...] = ()
    labels: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ("rougeL", "chrf")
    wordings: tuple[Wording, ...] = ()
    renderers: dict[str, AnswerWriter] = Field(default_factory=dict)
    bounds: dict[Literal["instruction", "input", "answer"], tuple[int, int]] = Field(
        default_factory=dict, description="characters, from and to; data.bounds wins over them"
    )

    @model_validator(mode="after")
    def _bank_holds_together(self) -> Self:
        for what in ("id", "text"):
            seen = Counter(getattr(wording, what) for wording in self.wordings)
            double = next((value for value, count in seen.items() if count > 1), None)
            if double is not None:
                raise ValueError(f"two wordings have the same {what} {double!r}; each is unique in a task")
        for wording in self.wordings:
            if wording.answer is not None and wording.answer not in self.renderers:
                hint = did_you_mean(wording.answer, self.renderers, f"there are {sorted(self.renderers)}")
                raise ValueError(f"wording {wording.id}: no renderer is named {wording.answer!r}; {hint}")
        return self

    def info(self) -> TaskInfo:
        """What eval must know."""
        language = self.languages[0] if len(self.languages) == 1 else "und"
        info = TaskInfo(metrics=list(self.metrics), labels=list(self.labels), language=language)
        axes = {f"{self.name}/{one.id}": one.axis for one in self.wordings if one.heldout}
        return {**info, "heldout_wordings": axes} if axes else info


def load_tasks(folder: Path | None) -> dict[str, Task]:
    """The shipped tasks and those of `folder`, which win where names are equal.

    Raises:
        ConfigError: a file is not a task.
        EnvironmentFailure: the shipped tasks are not where this installation should have them.
    """
    tasks: dict[str, Task] = {}
    shipped = sorted(SHIPPED.glob("*.yaml"))
    if not shipped:
        raise EnvironmentFailure(
            f"{SHIPPED}: the shipped task files are not there, and without them rows get no wordings; "
            "install hunmin anew from its checkout: make setup"
        )
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"data.tasks {folder}: no such folder; it should hold one YAML file a task")
    for path in [*shipped, *(sorted(folder.glob("*.yaml")) if folder else [])]:
        try:
            task = Task.model_validate(typed(read_yaml(path.read_text(encoding="utf-8")), Task))
        except ValidationError as error:
            raise ConfigError(f"{path}: not a task file: {model_problems(error)}") from error
        except yaml.YAMLError as error:
            raise ConfigError(f"{path}{yaml_problem(error)}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: not text in utf-8; a task file is YAML in utf-8") from error
        tasks[task.name] = task
    return tasks


def task_of(tasks: dict[str, Task], name: str) -> Task:
    """The task of that name; one without a file has no bank and is scored by ROUGE-L and chrF."""
    return tasks.get(name) or _without_file(name)


@cache
def _without_file(name: str) -> Task:
    return Task(name=name)


def check_task_names(config: DataConfig, tasks: dict[str, Task]) -> None:
    """Refuse a held-out task that no source can have; tell of tasks without a file.

    Raises:
        ConfigError: names the task and what it may have been meant to be.
    """
    used = _used(config)
    for name in config.split.heldout_tasks:
        if name not in used:
            hint = did_you_mean(name, used, f"they have {', '.join(sorted(used))}")
            raise ConfigError(f"data.split.heldout_tasks: no source has the task {name!r}; {hint}")
    for name in sorted(used - tasks.keys() - {DEFAULT_TASK}):
        hint = did_you_mean(name, tasks)
        told = f"data: task {name} has no task file: no wordings, scored by ROUGE-L and chrF"
        say(f"{told}; {hint}" if hint else told)


def attests_of(source: SourceConfig) -> list[str]:
    """What a source attests, in words or by its settings: its domain, and the labels it maps to."""
    told = list(source.attests)
    if source.domain and re.fullmatch(r"[^\s:]+", source.domain):
        told.append(f"domain:{source.domain}")
    if source.labels:
        told.append(f"labels:{'/'.join(sorted(set(source.labels.values())))}")
    return list(dict.fromkeys(told))


def check_attests(config: DataConfig) -> None:
    """Refuse what a source attests in words that no wording could ask for.

    Raises:
        ConfigError: names the source and what was probably meant.
    """
    for source in config.sources:
        for text in source.attests:
            try:
                check_attested(text)
            except ValueError as error:
                raise ConfigError(f"data.sources {source.name}: attests {error}") from error


def task_infos(config: DataConfig, *, base: Path) -> dict[str, TaskInfo]:
    """What eval must know of each task that the sources can have.

    Raises:
        ConfigError: a task file is wrong.
    """
    tasks = load_tasks(resolve_path(config.tasks, base) if config.tasks else None)
    return {name: task_of(tasks, name).info() for name in _used(config)}


def _used(config: DataConfig) -> set[str]:
    """The tasks that rows can have; a source without one gives the default ones."""
    named = {source.task for source in config.sources if source.task}
    return (
        named if all(source.task for source in config.sources) else named | {DEFAULT_TASK, DEFAULT_CHAT_TASK}
    )


def require_bank(tasks: dict[str, Task], name: str, *, source: str) -> None:
    """Raise where rows without an instruction of their own would get none.

    Raises:
        ConfigError: the task has no wordings.
    """
    if task_of(tasks, name).wordings:
        return
    known = f"Known tasks: {', '.join(sorted(tasks))}"
    lacking = f"data.sources {source}: rows have no instruction of their own, and "
    if not name:
        raise ConfigError(
            f"{lacking}the source names no task whose wordings they could get. {known}. "
            "Add task: NAME to the source, or map columns.instruction"
        )
    hint = did_you_mean(name, tasks)
    raise ConfigError(
        f"{lacking}task {name!r} has no wordings{f'; {hint}' if hint else '.'} {known}. "
        "Add a task file (data.tasks), or map columns.instruction"
    )
