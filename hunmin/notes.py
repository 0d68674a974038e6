"""Notes that vouch for files of half a stage, which no manifest lists yet: their sizes and sha256, sealed."""

import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hunmin.artifact import FileEntry, fault_of, file_entry, files_below, read_sealed, write_sealed
from hunmin.errors import one_line
from hunmin.progress import say


def write_note(path: Path, files: Iterable[Path], said: dict[str, Any] | None = None) -> None:
    """Note files that are whole, and values for JSON that belong to them."""
    entries = [asdict(file_entry(file, below=path.parent)) for file in files]
    write_sealed(path, {"files": entries, "said": said})


def read_note(path: Path) -> tuple[Any, list[str]]:
    """What `write_note` was given to say; and in words which files, or the note, are not as they were."""
    try:
        note, _ = read_sealed(path)
    except (OSError, ValueError) as error:
        return None, [f"{path}: damaged ({one_line(error)})"]
    entries = (FileEntry(**entry) for entry in note["files"])
    faults = (fault_of(entry, below=path.parent, told_by=path.name) for entry in entries)
    return note["said"], [fault for fault in faults if fault]


def vouch_for(folder: Path) -> None:
    """Note the files of a folder beside it, if that is not done yet."""
    if not _beside(folder).exists():
        write_note(_beside(folder), files_below(folder))


def remove_if_damaged(folder: Path, *, stage: str) -> None:
    """Remove a folder that is not as `vouch_for` noted it, and say so; one without a note is believed."""
    note = _beside(folder)
    if not note.exists():
        return
    _, faults = read_note(note)
    if faults:
        say(f"{stage}: {faults[0]}; made again")
        shutil.rmtree(folder, ignore_errors=True)
        note.unlink()


def _beside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.json")
