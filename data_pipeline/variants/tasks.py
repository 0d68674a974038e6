"""Task files: what a task is called, how it is scored, and its bank of wordings."""

import difflib
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from data_pipeline.config import DataConfig, Section, resolve_path
from data_pipeline.errors import ConfigError
from data_pipeline.progress import say
from data_pipeline.rows.split import stable_hash
from data_pipeline.schema import TaskInfo

DEFAULT_TASK = "instruction"  # of rows whose source names none
DEFAULT_CHAT_TASK = "conversation"
SHIPPED = Path(__file__).resolve().parents[2] / "configs" / "tasks"
Axis = Literal["expression", "tone", "complexity", "language", "domain", "format"]


class Wording(Section):
    """An instruction that is true of any answer of its task (for answers in `when.language`, if given)."""

    id: str
    language: str
    axis: Axis
    text: str = Field(min_length=1)
    heldout: bool = False
    when: dict[Literal["language"], str] = Field(default_factory=dict)


class Task(Section):
    """A task file."""

    name: str
    prefix: str | None = None
    domain: str = "general"
    languages: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ("rougeL", "chrf")
    wordings: tuple[Wording, ...] = ()

    def info(self) -> TaskInfo:
        """What eval must know."""
        language = self.languages[0] if len(self.languages) == 1 else "und"
        return {"metrics": list(self.metrics), "labels": list(self.labels), "language": language}


def load_tasks(folder: Path | None) -> dict[str, Task]:
    """The shipped tasks and those of `folder`, which win where names are equal.

    Raises:
        ConfigError: a file is not a task.
    """
    tasks: dict[str, Task] = {}
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"data.tasks {folder}: no such folder; it should hold one YAML file a task")
    for path in [*sorted(SHIPPED.glob("*.yaml")), *(sorted(folder.glob("*.yaml")) if folder else [])]:
        try:
            task = Task.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise ConfigError(f"{path}: not a task file: {'; '.join(wrong)}") from error
        except yaml.YAMLError as error:
            raise ConfigError(f"{path}: not YAML: {error}") from error
        ids = [wording.id for wording in task.wordings]
        if len(ids) != len(set(ids)):
            raise ConfigError(f"{path}: two wordings have the same id; ids must be unique in a task")
        tasks[task.name] = task
    return tasks


def task_of(tasks: dict[str, Task], name: str) -> Task:
    """The task of that name; one without a file has no bank and is scored by ROUGE-L and chrF."""
    return tasks.get(name) or Task(name=name)


def check_task_names(config: DataConfig, tasks: dict[str, Task]) -> None:
    """Refuse a held-out task that no source can have; tell of tasks without a file.

    Raises:
        ConfigError: names the task and what it may have been meant to be.
    """
    used = _used(config)
    for name in config.split.heldout_tasks:
        if name not in used:
            close = difflib.get_close_matches(name, used, n=1)
            raise ConfigError(
                f"data.split.heldout_tasks: no source has the task {name!r}"
                + (f"; did you mean {close[0]}?" if close else f"; they have {', '.join(sorted(used))}")
            )
    for name in sorted(used - tasks.keys() - {DEFAULT_TASK}):
        close = difflib.get_close_matches(name, tasks, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        say(f"data: task {name} has no task file: no wordings, scored by ROUGE-L and chrF{hint}")


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
    close = difflib.get_close_matches(name, tasks, n=1)
    raise ConfigError(
        f"data.sources {source}: rows have no instruction of their own, and task {name!r} has no wordings"
        + (f"; did you mean {close[0]}?" if close else "; ")
        + f" Known tasks: {', '.join(sorted(tasks))}. "
        "Add a task file (data.tasks), or map columns.instruction"
    )


def choose_wording(task: Task, *, language: str, seed: int, row_id: str, epoch: int) -> Wording | None:
    """The wording of a row in an epoch: drawn evenly, by hash, among those true of it and not held out."""
    true = [
        wording
        for wording in task.wordings
        if not wording.heldout and wording.when.get("language", language) == language
    ]
    if not true:
        return None
    return true[stable_hash("wording", seed, row_id, epoch) % len(true)]


def to_messages(
    row: dict[str, Any], task: Task, *, seed: int, epoch: int, wordings: bool, prefix: bool
) -> tuple[list[dict[str, Any]], str | None]:
    """The chat of a row in an epoch, and the id of the wording it got (None: its own instruction).

    Args:
        row: a line of schema.ROW; `messages` is set for conversations only.
        task: the row's task.
        seed: of the run.
        epoch: wordings are drawn anew in each.
        wordings: false takes the same wording in every epoch.
        prefix: put the task's prefix before the instruction.
    """
    if row["messages"]:
        return row["messages"], None
    fields = row["fields"]
    instruction, wording_id = fields["instruction"], None
    if not instruction:
        wording = choose_wording(
            task,
            language=row["language"],
            seed=seed,
            row_id=row["row_id"],
            epoch=epoch if wordings else 0,
        )
        if wording is not None:
            instruction, wording_id = wording.text, f"{task.name}/{wording.id}"
    if prefix and task.prefix:
        instruction = f"{task.prefix} {instruction or ''}".rstrip()
    user = "\n\n".join(part for part in (instruction, fields["input"]) if part)
    return [
        {"role": "user", "content": user, "train": False},
        {"role": "assistant", "content": fields["answer"], "train": True},
    ], wording_id
