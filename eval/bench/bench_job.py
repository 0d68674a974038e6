"""What a process of the harness is asked to do: tasks as a suite asks them, and their way through JSON."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval.bench.question_tables import Table, Wanted


@dataclass(frozen=True)
class BenchTask:
    """A task of the harness, as the suite asks it."""

    name: str
    definition: str | None  # the harness' own file; None where the suite defines the task
    define: dict[str, Any]
    version: str  # of the definition, as it says itself
    metric: str
    filter: str
    higher_is_better: bool
    shots: int
    dataset: str
    subset: str | None
    split: str  # that is asked
    shot_split: str  # that worked examples come from

    @property
    def wanted(self) -> list[Wanted]:
        """The tables that it reads."""
        splits = [self.split]
        if self.shots and self.shot_split != self.split:
            splits.append(self.shot_split)
        return [Wanted(self.dataset, self.subset, split) for split in splits]

    def protocol(self) -> dict[str, Any]:
        """What its answers depend on besides model and data: no path."""
        told = asdict(self)
        return {**told, "definition": self.definition and Path(self.definition).name}


@dataclass(frozen=True)
class Job:
    """What one process does: a model, and the tasks that it answers, each with its tables and its part."""

    model: str
    tokenizer: str
    tasks: list[BenchTask]
    tables: dict[str, dict[str, Table]]  # by task and split
    parts: dict[str, str]  # by task, where the answers go
    stop: list[str]  # texts that end an answer, besides those of the task
    batch_size: int
    device: str
    divided: bool  # over all GPUs that the process sees
    dtype: str
    num_threads: int
    limit: int | None


def as_job(told: dict[str, Any]) -> Job:
    """A job from its JSON."""
    tables = {
        task: {split: Table(**table) for split, table in by_split.items()}
        for task, by_split in told["tables"].items()
    }
    return Job(**{**told, "tasks": [BenchTask(**task) for task in told["tasks"]], "tables": tables})
