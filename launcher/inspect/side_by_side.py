"""Several finished runs side by side: what was set, what was counted, what was scored."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hunmin import artifact
from hunmin.errors import InputError
from launcher.commands.run_folder import find_run, stage_command
from launcher.config import differences, load

if TYPE_CHECKING:
    from eval.compare import RunsBeside

READ = {"data": ("heldout.parquet",), "eval": ("samples.parquet", "scores.json")}  # beside the manifests
STAGES = ("data", "train", "eval")
COUNTS = {
    "train rows": ("data", "splits", "train", "rows"),
    "train packs": ("data", "splits", "train", "packs"),
    "trained tokens": ("data", "splits", "train", "trained_tokens"),
    "held-out rows": ("data", "splits", "heldout", "rows"),
    "steps": ("train", "steps"),
    "trained parameters": ("train", "num_trained_parameters"),
    "exported step": ("train", "export_step"),
    "best validation loss": ("train", "best_val_loss"),
}


def side_by_side(runs: Sequence[Path]) -> "RunsBeside":
    """Settings that differ, stages, counts, and the scores of all tasks, of finished runs.

    Raises:
        InputError: no such run, or one that has no scores yet.
        ArtifactError: a file that is read or told of is missing or differs from its manifest.
    """
    from eval.compare import RunsBeside, compare

    folders = [find_run(run).resolve() for run in runs]
    for folder in folders:
        if not (folder / "eval" / artifact.MANIFEST).exists():
            raise InputError(f"{folder}: not evaluated yet; run: hunmin run {folder / 'config.yaml'}")
        for stage, files in READ.items():
            artifact.verify(folder / stage, cure=stage_command(folder, stage), only=files)
    configs = [load(folder / "config.yaml", [])[0] for folder in folders]
    manifests = [{name: _manifest(folder / name) for name in STAGES} for folder in folders]
    return RunsBeside(
        folders=folders,
        names=[config.name for config in configs],
        settings=differences(configs),
        content={name: [one[name].get("content") for one in manifests] for name in STAGES},
        counts={name: [_at(one, path) for one in manifests] for name, path in COUNTS.items()},
        scores=compare(folders),
    )


def _manifest(stage_dir: Path) -> dict[str, Any]:
    found = artifact.load_manifest(stage_dir)
    return {} if found is None else {"content": found.content_sha256, **found.counts}


def _at(manifests: Any, path: tuple[str, ...]) -> Any:
    """The value at a path; None where an older run has none."""
    for key in path:
        manifests = manifests.get(key, {}) if isinstance(manifests, dict) else {}
    return None if manifests == {} else manifests
