"""`hunmin diff`: what differs between two runs, from their configs to their scores."""

from pathlib import Path
from typing import Any

from hunmin import artifact
from hunmin.errors import InputError
from launcher.commands.run_folder import find_run, stage_command
from launcher.commands.summary import aligned, signed
from launcher.config import difference, load

READ = {"data": ("heldout.parquet",), "eval": ("samples.parquet", "scores.json")}  # beside the manifests
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


def diff(first: Path, second: Path) -> dict[str, Any]:
    """Settings, stages, counts and scores that differ; scores of all tasks.

    Raises:
        InputError: no such run, or one that has no scores yet.
        ArtifactError: a file that is read or told of is missing or differs from its manifest.
    """
    from eval.compare import compare

    folders = [find_run(run).resolve() for run in (first, second)]
    for folder in folders:
        if not (folder / "eval" / artifact.MANIFEST).exists():
            raise InputError(f"{folder}: not evaluated yet; run: hunmin run {folder / 'config.yaml'}")
        for stage, files in READ.items():
            artifact.verify(folder / stage, cure=stage_command(folder, stage), only=files)
    configs = [load(folder / "config.yaml", [])[0] for folder in folders]
    manifests = [{name: _manifest(folder / name) for name in ("data", "train", "eval")} for folder in folders]
    return {
        "runs": [str(folder) for folder in folders],
        "config": difference(*configs),
        "stages": {
            name: "same" if one.get("content") == manifests[1][name].get("content") else "differs"
            for name, one in manifests[0].items()
        },
        "counts": {name: [_at(side, path) for side in manifests] for name, path in COUNTS.items()},
        "scores": compare(*folders),
    }


def as_text(found: dict[str, Any]) -> str:
    """The same for a reader; A is the first run, B the second."""
    a, b = found["runs"]
    stages = ", ".join(f"{name} {word}" for name, word in found["stages"].items())
    lines = [f"A  {a}", f"B  {b}", "", "config, A -> B:"]
    lines += [f"  {line}" for line in found["config"]] or ["  the same, but for how the work is done"]
    lines += ["", f"content: {stages}", ""]
    counts = [["", "A", "B"], *([key, *map(_short, pair)] for key, pair in found["counts"].items())]
    lines += [*aligned(counts, left=(0,)), ""]
    head = ["task", "metric", "n", "A", "B", "B - A [95 %]"]
    body = [
        [
            row["task"],
            row["metric"] + (" %" if row["unit"] == "%" else ""),
            str(row["n"]),
            *("-" if row[side] is None else f"{row[side]['value']:.2f}" for side in ("first", "second")),
            signed(row["delta"]),
        ]
        for row in found["scores"]
    ]
    lines += aligned([head, *body], left=(0, 1)) if body else ["no scores: no task was asked in either run"]
    partly = {
        row["task"]: (row["n"], row["only_first"], row["only_second"])
        for row in found["scores"]
        if row["only_first"] or row["only_second"]
    }
    lines += [
        f"{task}: compared on the {n} rows that both were asked; {only_a} in A alone, {only_b} in B alone"
        for task, (n, only_a, only_b) in partly.items()
    ]
    return "\n".join(lines)


def _manifest(stage_dir: Path) -> dict[str, Any]:
    found = artifact.load_manifest(stage_dir)
    return {} if found is None else {"content": found.content_sha256, **found.counts}


def _at(manifests: Any, path: tuple[str, ...]) -> Any:
    """The value at a path; None where an older run has none."""
    for key in path:
        manifests = manifests.get(key, {}) if isinstance(manifests, dict) else {}
    return None if manifests == {} else manifests


def _short(value: Any) -> str:
    return "-" if value is None else f"{value:.4f}" if isinstance(value, float) else f"{value:,}"
