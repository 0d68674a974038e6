"""Seams: a folder whose modules are its members, each found under its file's name.

Listing reads file names only, so that a config can name the members without loading what they stand on.
A name with a leading underscore is no member.
"""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any


def members(folder: Path, *, first: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of a seam's members, those of `first` before the others, which are sorted."""
    found = {path.stem for path in folder.glob("[a-z]*.py")}
    return (*(name for name in first if name in found), *sorted(found - set(first)))


@cache
def member(package: str, name: str, attribute: str) -> Any:
    """What a member holds under its seam's attribute: FORMAT, ENGINE, OBJECTIVE, BACKEND."""
    return getattr(import_module(f"{package}.{name}"), attribute)
