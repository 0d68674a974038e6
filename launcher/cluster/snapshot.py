"""The code that a job runs: a copy beside its run, so that later edits change nothing."""

import shutil
from pathlib import Path

from hunmin.artifact import whole_folder

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("hunmin", "data_pipeline", "trainer", "eval", "launcher", "slurm", "configs/tasks")


def write_snapshot(folder: Path) -> int:
    """Copy hunmin's code, wherever it is installed, to `folder`, whole or not at all. Returns its bytes."""
    with whole_folder(folder) as partial:
        for part in PARTS:
            shutil.copytree(ROOT / part, partial / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
