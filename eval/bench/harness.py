"""lm-evaluation-harness behind one file: what a suite's tasks are, and a process that answers some of them.

As a program (`python -m eval.bench.harness JOB.json`) it loads one model, asks it task after task, and writes
one sealed file a task. It needs no network and is never given one.
"""

import json
import logging
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from eval.bench.bench_job import BenchTask, Job, as_job
from eval.bench.question_tables import Table
from eval.bench.suites import Suite, TaskEntry
from hunmin.artifact import write_sealed
from hunmin.errors import EnvironmentFailure, HunminError, InputError, did_you_mean

PACKAGE = "lm_eval"
DEFAULT_FILTER = "none"
SHOT_SEED = (
    1234  # of the draw of worked examples: the harness' own, so that runs and others' numbers share them
)
_NO_ANSWER = "Label index was not in within range of available choices"
AGREE = 1e-9  # between the harness' number and the mean of its samples' values


def harness_version() -> str:
    """The installed version.

    Raises:
        EnvironmentFailure: it is not installed.
    """
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        raise EnvironmentFailure(
            "lm-evaluation-harness is not installed; in the checkout: .venv/bin/pip install --no-deps -r "
            "requirements-bench.lock (make bench does it)"
        ) from None


def tasks_of(suite: Suite, *, shots: int | None = None) -> list[BenchTask]:
    """Every task of the suite, its groups taken apart; `shots` wins over all that the files say.

    Raises:
        InputError: a task is not known, or the suite asks for what it does not have.
        EnvironmentFailure: the harness is not installed.
    """
    harness_version()
    logging.getLogger(PACKAGE).setLevel(logging.ERROR)
    index = _index() if any(entry.define is None for entry in suite.tasks) else {}
    found = [
        _task(name, path, config, entry=entry, suite=suite, shots=shots)
        for entry in suite.tasks
        for name, path, config in _leaves(entry, index)
    ]
    names = [task.name for task in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"suite {suite.name}: {min(twice)} is asked twice; leave one out")
    return found


def _index() -> dict[str, Any]:
    from lm_eval.tasks import TaskManager

    return TaskManager().task_index


def _leaves(entry: TaskEntry, index: dict[str, Any]) -> Iterator[tuple[str, str | None, dict[str, Any]]]:
    """(name, file, settings) of each task that a name stands for: groups and tags hold others."""
    if entry.define is not None:
        yield entry.task, None, entry.define
        return
    if entry.task not in index:
        hint = did_you_mean(entry.task, index, "lm-eval ls tasks lists them")
        raise InputError(f"lm-evaluation-harness {harness_version()} has no task {entry.task!r}; {hint}")
    open_names = [entry.task]
    while open_names:
        name = open_names.pop(0)
        known = index[name]
        if known.kind.name == "TAG":
            open_names = [*sorted(known.tags), *open_names]
        elif known.kind.name == "GROUP":
            open_names = [*_members(name, known.cfg["task"]), *open_names]
        elif known.kind.name == "TASK":
            yield name, str(known.yaml_path), known.cfg
        else:
            raise InputError(f"{name}: a task that is a program, and no definition; name another")


def _members(group: str, members: str | Sequence[Any]) -> list[str]:
    names = [members] if isinstance(members, str) else list(members)
    if other := [name for name in names if not isinstance(name, str)]:
        raise InputError(f"{group}: a group that changes its tasks ({other[0]!s:.60}); name them one by one")
    return names


def _task(
    name: str,
    definition: str | None,
    config: dict[str, Any],
    *,
    entry: TaskEntry,
    suite: Suite,
    shots: int | None,
) -> BenchTask:
    metrics = {str(one["metric"]): one for one in config.get("metric_list") or []}
    filters = [one["name"] for one in config.get("filter_list") or []] or [DEFAULT_FILTER]
    asked_shots = (shots, entry.shots, suite.shots, config.get("num_fewshot"), 0)
    own_split = config.get("test_split") or config.get("validation_split")
    split = suite.split or own_split
    if split is None or not metrics or not config.get("dataset_path"):
        raise InputError(f"task {name}: it names no test split, metric or data; a suite may define it anew")
    few = config.get("fewshot_config") or {}
    shot_split = few.get("split") or config.get("fewshot_split") or config.get("training_split")
    metric = _one_of("metric", entry.metric or suite.metric, list(metrics), name)
    return BenchTask(
        name=name,
        definition=definition,
        define=entry.define or {},
        version=str((config.get("metadata") or {}).get("version", "unknown")),
        metric=metric,
        filter=_one_of("filter", entry.filter or suite.filter, filters, name),
        higher_is_better=bool(metrics[metric].get("higher_is_better", True)),
        shots=next(one for one in asked_shots if one is not None),
        dataset=config["dataset_path"],
        subset=config.get("dataset_name"),
        split=split,
        shot_split=shot_split or config.get("validation_split") or split,
    )


def _one_of(what: str, asked: str | None, known: list[str], task: str) -> str:
    if asked is not None and asked not in known:
        raise InputError(f"task {task} has no {what} {asked!r}; it has {', '.join(known)}")
    return asked or known[0]


def answer(job: Job) -> None:
    """Load the model and answer the job's tasks; each is committed when it is done.

    Raises:
        InputError: a table cannot be read, or a metric is not a mean over samples.
    """
    import torch

    torch.set_num_threads(job.num_threads)
    model = _load(job)
    for task in job.tasks:
        write_sealed(Path(job.parts[task.name]), _answers(task, job, model))


def _load(job: Job) -> Any:
    from lm_eval.models import huggingface

    from hunmin.models.tokenizer import load_tokenizer

    load: Any = huggingface.HFLM  # its signature is hidden by a decorator
    return load(
        pretrained=job.model,
        tokenizer=load_tokenizer(Path(job.tokenizer)),
        device=job.device,
        parallelize=job.divided,
        dtype=job.dtype,
        batch_size=job.batch_size,
        add_bos_token=False,  # the template writes all of them, as in training
        trust_remote_code=False,
    )


def _answers(task: BenchTask, job: Job, model: Any) -> dict[str, Any]:
    # Not its simple_evaluate, which asks pip and git about this machine for every task.
    from lm_eval.evaluator import evaluate
    from lm_eval.tasks import TaskManager

    _seed_as_the_harness()
    folder = None if task.definition is None else str(Path(task.definition).parent)
    manager = TaskManager(include_path=folder, include_defaults=False)
    with _every_question_has_its_answer(task):
        loaded: Any = manager.load([_harness_task(task, job.tables[task.name], job.stop, manager)])
        loaded["tasks"][task.name].set_fewshot_seed(seed=SHOT_SEED)
        found: Any = evaluate(
            lm=model,
            task_dict={"tasks": loaded["tasks"]},
            apply_chat_template=True,
            fewshot_as_multiturn=True,
            limit=job.limit,
            bootstrap_iters=0,
            log_samples=True,
        )
    samples = [one for one in found["samples"][task.name] if one["filter"] == task.filter]
    samples.sort(key=lambda one: one["doc_id"])
    rows = [_row(one, task) for one in samples]
    told = float(found["results"][task.name][f"{task.metric},{task.filter}"])
    mean = sum(row["value_sum"] for row in rows) / sum(row["value_count"] for row in rows)
    if abs(told - mean) > AGREE:
        raise InputError(
            f"task {task.name}: {task.metric} is {told:g}, and the mean of its samples is {mean:g}; only "
            "means over samples have paired intervals here: name another metric in the suite"
        )
    return {"task": task.name, "samples": rows, "harness_value": told, "num_cut": _num_cut(samples, model)}


def _seed_as_the_harness() -> None:
    """Some tasks shuffle choices by the global generators."""
    import numpy as np
    import torch

    random.seed(0)
    np.random.seed(SHOT_SEED)
    torch.manual_seed(SHOT_SEED)


@contextmanager
def _every_question_has_its_answer(task: BenchTask) -> Iterator[None]:
    """The harness counts a question without its right answer as wrong, and only logs it.

    Raises:
        InputError: there are such questions.
    """
    logger = logging.getLogger(f"{PACKAGE}.api.task")
    seen: list[str] = []

    def note(record: logging.LogRecord) -> bool:
        seen.extend([record.getMessage()] if record.getMessage().startswith(_NO_ANSWER) else [])
        return True

    level = logger.level
    logger.setLevel(logging.WARNING)
    logger.addFilter(note)
    try:
        yield
    finally:
        logger.removeFilter(note)
        logger.setLevel(level)
    if seen:
        first = " ".join(seen[0].removeprefix(_NO_ANSWER).split())
        raise InputError(
            f"task {task.name}: of {len(seen)} question(s) the right answer is none of the choices, first "
            f"{first:.120}; the table does not hold what the task reads"
        )


def _harness_task(task: BenchTask, tables: dict[str, Table], stop: list[str], manager: Any) -> dict[str, Any]:
    """The task in the harness' words, its data from our tables."""
    settings: dict[str, Any] = {
        "task": task.name,
        "test_split": task.split,
        "num_fewshot": task.shots,
        "fewshot_split": task.shot_split if task.shots else task.split,
        "dataset_kwargs": None,
        "custom_dataset": lambda **_: _datasets(tables),
    }
    if task.definition is None:
        merged = {**task.define, **settings}
        return merged | _generation(task.define, stop)
    settings |= _generation(manager.task_index[task.name].cfg or {}, stop)
    # A group of one is how the harness takes a task of its own with other settings.
    return {"group": f"{task.name} as asked", "task": [settings]}


def _generation(config: dict[str, Any], stop: list[str]) -> dict[str, Any]:
    """Where answers are written, they also end where the template ends one."""
    if config.get("output_type") != "generate_until":
        return {}
    own = dict(config.get("generation_kwargs") or {})
    until = own.get("until") or []
    until = [until] if isinstance(until, str) else list(until)
    return {"generation_kwargs": own | {"until": [*until, *(text for text in stop if text not in until)]}}


def _datasets(tables: dict[str, Table]) -> dict[str, Any]:
    from datasets import Dataset

    return {split: Dataset.from_list(table.rows()) for split, table in tables.items()}


def _row(sample: dict[str, Any], task: BenchTask) -> dict[str, Any]:
    """What is kept of a sample. A value may be a list, as of the instructions in one prompt."""
    value = sample[task.metric]
    values = list(value) if isinstance(value, list) else [value]
    if not all(isinstance(one, bool | int | float) or hasattr(one, "item") for one in values):
        raise InputError(
            f"task {task.name}: {task.metric} is no number of a sample ({value!r:.40}); name another metric"
        )
    request = sample["arguments"]
    return {
        "doc_id": int(sample["doc_id"]),
        "doc_sha256": sample["doc_hash"],
        "prompt_sha256": sample["prompt_hash"],
        "prompt": request[0][0],
        "target": str(sample["target"]),
        "answer": _answer(sample),
        "value_sum": float(sum(map(float, values))),
        "value_count": len(values),
    }


def _answer(sample: dict[str, Any]) -> str:
    """What the model wrote, or the choice that it gave the highest likelihood."""
    given = sample["filtered_resps"]
    if len(sample["arguments"]) == 1 and isinstance(given[0], str):
        return given[0]
    if all(isinstance(one, list | tuple) and len(one) == 2 for one in given):
        best = max(range(len(given)), key=lambda index: given[index][0])
        return sample["arguments"][best][1].strip()
    return str(given[0])


def _num_cut(samples: Sequence[dict[str, Any]], model: Any) -> int:
    """Samples whose prompt the harness cut on the left, as it was longer than the model's context."""

    def is_cut(context: str, rest: Any) -> bool:
        if isinstance(rest, str):
            return len(model.tok_encode(context)) + len(model.tok_encode(rest)) > model.max_length + 1
        new = rest.get("max_gen_toks", model.max_gen_toks)
        return len(model.tok_encode(context)) > model.max_length - new

    return sum(any(is_cut(*request[:2]) for request in one["arguments"]) for one in samples)


if __name__ == "__main__":
    try:
        answer(as_job(json.loads(Path(sys.argv[1]).read_text())))
    except HunminError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
