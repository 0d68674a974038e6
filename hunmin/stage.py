"""A stage's folder from its beginning to its manifest: what it is made from, what is continued, how it ends.

Beside the folder RUN/NAME lies RUN/.stages/NAME.json, which says what its content is made from before there
is a manifest to say it. So half a stage is continued by whoever starts it again with equal inputs, and what
was made from others is never mixed with it.
"""

import shutil
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hunmin import artifact
from hunmin.artifact import MANIFEST, Manifest
from hunmin.errors import ArtifactError
from hunmin.hashing import sha256_json
from hunmin.progress import say
from hunmin.section import content_of

WORK = ".work"  # in a stage's folder: its work in progress, gone when it is finished
UNFINISHED = "unfinished"  # in the place of the content of a parent that is not there yet
_OLD_NOTE = "identity.json"  # in train/ of runs that torchrun began with hunmin 0.1.0


@dataclass(frozen=True)
class Inputs:
    """What a stage's result depends on: from equal inputs comes equal content."""

    stage_version: int  # of the stage's meaning
    parents: dict[str, str]  # name -> content hash of what is read
    config_sha256: str  # of the content fields of the config's sections that count

    @classmethod
    def of(
        cls, stage_version: int, *, parents: dict[str, str], **sections: BaseModel | str | int
    ) -> "Inputs":
        """The inputs of a stage that reads these sections of the config."""
        content = {
            name: content_of(section) if isinstance(section, BaseModel) else section
            for name, section in sections.items()
        }
        return cls(stage_version, parents, sha256_json(content))

    def changed_from(self, manifest: Manifest) -> str | None:
        """In words, why what the manifest stands for is to be made anew; None where it is not."""
        others = [key for key, value in self.parents.items() if manifest.parents.get(key) != value]
        words = [
            "another config" if manifest.config_sha256 != self.config_sha256 else "",
            f"a newer stage version ({manifest.stage_version} -> {self.stage_version})"
            if manifest.stage_version != self.stage_version
            else "",
            f"other {' and '.join(others)}" if manifest.parents != self.parents else "",
        ]
        return ", ".join(word for word in words if word) or None


@dataclass(frozen=True)
class Stage:
    """A stage that is being made; `open_stage` gives one."""

    folder: Path
    inputs: Inputs
    opened: float = field(default_factory=time.monotonic)

    def commit(
        self,
        *,
        content_sha256: str,
        counts: dict[str, Any],
        files: Iterable[Path],
        rows: dict[str, int] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Manifest:
        """Write the manifest, last; after this the stage is finished. The arguments are artifact.commit's."""
        return artifact.commit(
            self.folder,
            stage=self.folder.name,
            **asdict(self.inputs),
            content_sha256=content_sha256,
            counts=counts,
            files=files,
            rows=rows,
            seconds=time.monotonic() - self.opened,
            extra=extra,
        )


def find_finished(folder: Path, inputs: Inputs) -> Manifest | None:
    """The manifest of a stage that was made from these inputs; says so where others made it.

    Raises:
        ArtifactError: a file of the stage is missing, or not as the manifest says.
    """
    manifest = artifact.load_manifest(folder)
    if manifest is None:
        return None
    if why := inputs.changed_from(manifest):
        say(f"{folder.name}: runs again, because of {why}")
        return None
    shutil.rmtree(folder / WORK, ignore_errors=True)  # killed after its manifest was written
    return artifact.verify(folder, cure=f"hunmin {folder.name} … after deleting {folder}")


def open_stage(folder: Path, inputs: Inputs, *, half: dict[str, Any] | None = None) -> Stage:
    """Begin a stage, or go on with half of it. What other inputs made is moved to RUN/old/, never mixed in.

    The folder RUN/NAME exists afterwards, and holds no manifest. `half` is what half the stage depends on,
    where that is more or less than `inputs`. Such halves are cheap: one that does not fit, or that nothing
    sound tells of, is thrown away.

    Raises:
        ArtifactError: what says of what a half that is not cheap is made cannot be read.
    """
    wanted = asdict(inputs) | ({} if half is None else {"half": sha256_json(half)})
    if folder.exists() and any(folder.iterdir()):
        found = _made_from(folder, is_cheap=half is not None)
        if half is not None and not (folder / MANIFEST).exists():
            if found is None or found.get("half") != wanted["half"]:
                artifact.clear(folder)
        elif found is None or any(found.get(key) != value for key, value in asdict(inputs).items()):
            _put_aside(folder)
        elif half is not None:
            artifact.clear(folder)  # it was finished
    note = note_of(folder)
    note.parent.mkdir(parents=True, exist_ok=True)
    artifact.write_sealed(note, wanted)  # before the folder: one without a note is nobody's, and is refused
    folder.mkdir(exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    return Stage(folder, inputs)


def note_of(folder: Path) -> Path:
    """Where it is noted what a stage's folder is made from."""
    return folder.parent / ".stages" / f"{folder.name}.json"


def made_by_a_stage(folder: Path) -> bool:
    """Whether a stage made the folder: others are never emptied."""
    return any(path.exists() for path in (note_of(folder), folder / MANIFEST, folder / _OLD_NOTE))


def _made_from(folder: Path, *, is_cheap: bool) -> dict[str, Any] | None:
    """What a folder is made from; None where nothing tells, or a cheap half's note is damaged.

    Raises:
        ArtifactError: the note is damaged, and what it tells of is not cheap.
    """
    if (manifest := artifact.load_manifest(folder)) is not None:
        return asdict(Inputs(manifest.stage_version, manifest.parents, manifest.config_sha256))
    notes = [path for path in (note_of(folder), folder / _OLD_NOTE) if path.exists()]
    if not notes:
        return None
    try:
        found, _ = artifact.read_sealed(notes[0])
    except (OSError, ValueError) as error:
        if is_cheap:
            say(f"{folder.name}: {notes[0]} is damaged ({error}); what was made so far is made again")
            return None
        raise ArtifactError(
            f"{notes[0]}: damaged ({error}); it says what {folder} is made from, so that cannot be gone on "
            f"with: put the file back, or delete {folder} to make it again"
        ) from error
    return found if notes[0] == note_of(folder) else {**found, "config_sha256": found.get("config")}


def _put_aside(folder: Path) -> None:
    aside = folder.parent / "old" / f"{folder.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    aside.parent.mkdir(exist_ok=True)
    shutil.move(folder, aside)
    say(f"{folder.name}: what was made from other inputs is kept in {aside}")
