"""Which runs a model comes from: written into its export, read by the run that goes on from it."""

import json
from pathlib import Path
from typing import TypedDict

from hunmin.artifact import load_manifest
from hunmin.errors import InputError
from hunmin.models.folder import LINEAGE, local_model


class Ancestor(TypedDict):
    """A run that a model went through. No path of a machine is in it."""

    run: str  # its name
    train_content_sha256: str  # of the weights it exported
    data_content_sha256: str | None
    base: str  # what it began with: a hub id, a run, a folder's own name; "from scratch"
    base_sha256: str | None  # of its configuration and weights, or hub id and commit
    steps: int
    export_step: int


class LineageFile(TypedDict):
    """hunmin.json of an export."""

    schema_version: int
    run: Ancestor
    ancestors: list[Ancestor]  # nearest first


SCHEMA_VERSION = 1
FROM_SCRATCH = "from scratch"


def ancestors_of(model_path: str | None) -> list[Ancestor]:
    """The runs behind `model.path`, nearest first; none for a model that no run made.

    From the export's own file; from the run's manifest for an export that was made before there was one.

    Raises:
        InputError: the file cannot be read.
    """
    folder = None if model_path is None else local_model(model_path, Path.cwd())
    if folder is None:
        return []
    path = folder / LINEAGE
    if not path.exists():
        return _of_manifest(folder)
    try:
        found: LineageFile = json.loads(path.read_text(encoding="utf-8"))
        return [Ancestor(**one) for one in (found["run"], *found["ancestors"])]  # type: ignore[misc]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: no lineage can be read from it ({type(error).__name__}: {error}); "
            "take the export anew from its run, or delete the file to go on without lineage"
        ) from error


def _of_manifest(folder: Path) -> list[Ancestor]:
    manifest = load_manifest(folder.parent) if folder.name == "export" else None
    if manifest is None or manifest.stage != "train":
        return []
    base = str(manifest.extra.get("base", ""))
    return [
        Ancestor(
            run=folder.parent.parent.name,
            train_content_sha256=manifest.content_sha256,
            data_content_sha256=manifest.parents.get("data"),
            base=FROM_SCRATCH if base == "base" else Path(base).name if Path(base).is_absolute() else base,
            base_sha256=manifest.parents.get("model"),
            steps=manifest.counts["steps"],
            export_step=manifest.counts["export_step"],
        )
    ]


def base_name(model_path: str | None, ancestors: list[Ancestor]) -> str:
    """What a model begins with, in words that mean the same on every machine."""
    if model_path is None:
        return FROM_SCRATCH
    if ancestors:
        return ancestors[0]["run"]
    folder = local_model(model_path, Path.cwd())
    return model_path if folder is None else folder.name
