"""From the name of a run to its folder, and the command that would make what it lacks."""

import shlex
from pathlib import Path

from hunmin.errors import InputError, did_you_mean
from launcher.failures import runs_folder


def named(run: Path) -> Path:
    """Where the folder of a run of that name lies, or would."""
    return run if run.exists() or run.is_absolute() else runs_folder() / run


def find_run(run: Path) -> Path:
    """The folder of a run, given that or its name below the folder of runs.

    Raises:
        InputError: says what is there instead.
    """
    runs, folder = runs_folder(), named(run)
    if not folder.is_dir():
        names = [path.name for path in runs.iterdir() if path.is_dir()] if runs.is_dir() else []
        there = f"{runs} holds {', '.join(sorted(names)[:6])}" if names else f"{runs} holds no run"
        hint = did_you_mean(run.name, names, there, show=runs.joinpath)
        raise InputError(f"{run}: no such run folder; {hint}")
    if not (folder / "config.yaml").exists():
        what = "a model folder, not a run" if (folder / "config.json").exists() else "not a run folder"
        raise InputError(f"{folder}: {what} (no config.yaml in it); name the folder that hunmin run made")
    return folder


def stage_command(folder: Path, stage: str) -> str:
    """What makes a stage of this run."""
    return shlex.join(["hunmin", stage, str(folder / "config.yaml"), "--run", str(folder)])
