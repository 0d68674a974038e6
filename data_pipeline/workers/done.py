"""Notes of work that is done: each vouches by a hash for the files that the work left."""

from pathlib import Path
from typing import Any, NamedTuple

from hunmin.notes import read_note, write_note
from hunmin.progress import say


class Done(NamedTuple):
    """What a piece of work leaves: the files it made, and what it says of them, as values for JSON."""

    files: list[Path]
    said: dict[str, Any]


def note_done(path: Path, done: Done) -> None:
    """Note a piece of work that is done."""
    write_note(path, done.files, done.said)


def noted(path: Path) -> dict[str, Any] | None:
    """What was said of a piece of work that is done; None where it is to be done, which is said if it was."""
    if not path.exists():
        return None
    said, faults = read_note(path)
    for fault in faults:
        say(f"data: {fault}; made again")
    return None if faults else said
