"""`hunmin init FILE…`: a config from the user's own files, which `hunmin run` runs as it is."""

import re
import shlex
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from data_pipeline.build.inputs import check_sources
from data_pipeline.reasons import ROLE_ORDER
from data_pipeline.tasks.tasks import Task, load_tasks
from hunmin.errors import EnvironmentFailure, InputError
from launcher.config import load
from launcher.init.config_text import render_config, too_long
from launcher.init.detect import detect
from launcher.init.detected import Detected, Hints
from launcher.init.label_tasks import MAX_NAMED, spelled, with_labels
from launcher.init.trial_read import Counts, harm_notes, read_all, summary_lines


@dataclass(frozen=True)
class Written:
    """What was written, and what there is to say."""

    files: list[Path]
    seen: list[str]
    decide: list[str]


def init(paths: Sequence[Path], *, out: Path, hints: Hints, ask: str | None) -> Written:
    """Write a config for the files, and a task file where the shipped tasks have none that fits.

    Raises:
        InputError: the files cannot be understood, or `out` exists.
    """
    if out.exists():
        raise InputError(f"{out} exists already; name another with --out, or delete it first")
    if not out.resolve().parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.resolve().parent}")
    tasks = load_tasks(None)
    sources, own_tasks = [], {}
    for one in detect(paths, hints):
        one = with_labels(one, tasks)
        task = _task_file(one, tasks, ask)
        if task is not None:
            own_tasks[task["name"]] = task
        sources.append(one)
    base = out.resolve().parent
    tasks |= {name: Task.model_validate(value) for name, value in own_tasks.items()}
    counts = read_all([one.source for one in sources], tasks, base=Path.cwd())
    long = too_long(counts)
    config = render_config(out, sources, counts, own_tasks=bool(own_tasks), base=base)
    task_files = {base / "tasks" / f"{name}.yaml": value for name, value in own_tasks.items()}
    return _write(out, config, task_files, sources, counts, long)


def _task_file(one: Detected, tasks: dict[str, Task], ask: str | None) -> dict[str, Any] | None:
    """A task of the user's own as a task file holds it; None where the rows need none.

    Raises:
        InputError: rows would have nothing that asks.
    """
    source = one.source
    if source.format != "table" or "instruction" in source.columns:
        return None
    if source.task in tasks:
        return None
    if source.task is None:
        raise InputError(
            f"{source.path}: rows have a text and an answer, and nothing says what is asked; pass --task "
            f"({', '.join(sorted(tasks))}), or a name of your own with --ask 'the instruction'"
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", source.task):
        raise InputError(f"--task {source.task!r}: a task's name has letters, digits, - and _")
    ask = ask or one.ask
    labels = sorted({spelled(answer) for answer in source.labels.values() or one.values} - {""})
    labels = labels if "label" in source.columns else []
    if not ask and not labels:
        raise InputError(
            f"{source.path}: {source.task} is none of the shipped tasks ({', '.join(sorted(tasks))}); "
            "pass the instruction for its rows as well, as in --ask '다음 글을 쉽게 고쳐 쓰세요.'"
        )
    korean = one.language == "ko"
    named = 0 < len(labels) <= MAX_NAMED
    if korean:
        wording = "다음 글을 " + (f"{', '.join(labels)} 가운데 하나로 " if named else "") + "분류해 주세요."
    else:
        wording = "Classify the following text" + (f" as one of: {', '.join(labels)}." if named else ".")
    text = ask or wording
    language = "ko" if korean else "en"
    return {
        "name": source.task,
        "languages": [language],
        "labels": labels,
        "metrics": ["accuracy", "macro_f1"] if labels else ["rougeL", "chrf"],
        "wordings": [{"id": f"{language}-01", "language": language, "axis": "expression", "text": text}],
    }


def _write(
    out: Path,
    config: str,
    task_files: dict[Path, dict[str, Any]],
    sources: Sequence[Detected],
    counts: Counts,
    long: Sequence[str],
) -> Written:
    """Write, and read back what was written as `hunmin data` would; whatever fails, nothing stays.

    Raises:
        InputError: a task file stands in the way, or the config is refused.
        EnvironmentFailure: a file cannot be written.
    """
    taken = [path for path in task_files if path.exists()]
    if taken:
        raise InputError(f"{taken[0]} exists already; delete it, or name the task otherwise with --task")
    texts = {
        path: yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=100)
        for path, value in task_files.items()
    } | {out: config}
    made = [out, *task_files]
    with ExitStack() as undo:
        for path, text in texts.items():
            _write_new(path, text, undo)
        loaded, base = load(out, [])
        with redirect_stdout(StringIO()):
            check_sources(loaded.data, base=base)
        undo.pop_all()
    seen = [line for one in sources for line in (f"{one.source.name}: {one.seen[0]}", *one.seen[1:])]
    seen += summary_lines(counts)
    decide = [f"{one.source.name}: {line}" for one in sources for line in one.decide]
    decide += harm_notes(counts)
    decide += long
    if counts.rejected[ROLE_ORDER]:
        decide.append(
            f"{counts.rejected[ROLE_ORDER]} rows have turns out of order ({ROLE_ORDER}); join_turns: true in "
            "their source joins turns of one speaker and drops a greeting"
        )
    for path in task_files:
        decide.append(f"{path.relative_to(base)}: the wording that asks; add more, the model hears them all")
    decide.append("licence: unknown; write the corpus' own")
    return Written(made, seen, decide)


def _write_new(path: Path, text: str, undo: ExitStack) -> None:
    """Write a file that is not there, and its folder; `undo` takes both away again."""
    try:
        if not path.parent.exists():
            path.parent.mkdir()
            undo.callback(path.parent.rmdir)
        with path.open("x", encoding="utf-8") as file:
            undo.callback(path.unlink, missing_ok=True)
            file.write(text)
    except OSError as error:
        raise EnvironmentFailure(
            f"{path}: cannot be written ({error.strerror}); name another place with --out"
        ) from error


def as_text(written: Written) -> str:
    """What was written and is to be decided, and what to type next."""
    out = shlex.quote(str(written.files[0]))
    lines = [f"{path} written" for path in written.files]
    lines += ["", "detected", *(f"  {line}" for line in written.seen)]
    lines += ["", "to decide (in the config)", *(f"  {line}" for line in written.decide)]
    lines += ["", "next", f"  hunmin run {out} train.num_steps=20 --run runs/try   a first try in minutes"]
    lines += [f"  hunmin run {out}"]
    return "\n".join(lines)
