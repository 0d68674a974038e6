"""The code that a job runs: a copy beside its run, so that later edits change nothing."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("hunmin", "data_pipeline", "trainer", "eval", "launcher", "slurm", "configs/tasks")


def write_snapshot(folder: Path) -> int:
    """Copy hunmin's code, wherever it is installed, to `folder`, whole or not at all. Returns its bytes."""
    partial = folder.with_name(f".{folder.name}.partial")
    for stale in (partial, folder):
        if stale.exists():
            shutil.rmtree(stale)
    for part in PARTS:
        shutil.copytree(ROOT / part, partial / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    partial.rename(folder)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
