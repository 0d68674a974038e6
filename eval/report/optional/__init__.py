"""The seam of sections that not every run has: people's ratings, benchmarks, safety, robustness.

A module here holds a `SECTION`; `NAME.html.j2` beside it is its template, written with the report's own
macros. The page of a run that has nothing of it does not mention it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hunmin.artifact import load_manifest
from hunmin.registry import member, members

FOLDER = Path(__file__).parent
ORDER = ("robustness", "generalization", "safety", "people", "benchmarks")  # on the page; others after them

Content = dict[str, Any]


@dataclass(frozen=True)
class Fact:
    """A line of the first screen: a name, a value, and in small print what stands behind it."""

    name: str
    value: str
    note: str = ""
    verdict: Literal["better", "worse", "unclear", ""] = ""  # good news, bad news; the word's colour


@dataclass(frozen=True)
class OptionalSection:
    """A section that a page may have. What it shows is a function of the files it reads."""

    title: str  # of the section, and in the page's navigation
    # Run folder -> what the template reads as `section`, with figures anywhere in it; None: this run has
    # nothing of it. It verifies what it reads against the manifest (artifact.verify).
    content: Callable[[Path], Content | None]
    # Folders of the run besides its stages that it reads, each with a manifest, as a pattern: "human",
    # "bench/*". The report is made again when they change. None: it reads stages only.
    folders: str | None = None
    facts: Callable[[Content], list[Fact]] = lambda content: []  # on the first screen


def optional_sections() -> Iterator[tuple[str, OptionalSection]]:
    """Names and sections, in the order of the page."""
    for name in members(FOLDER, first=ORDER):
        yield name, member(__name__, name, "SECTION")


def parents_of(run_dir: Path) -> dict[str, str]:
    """The content of what these sections read besides the stages, by its place in the run folder."""
    patterns = {section.folders for _, section in optional_sections() if section.folders is not None}
    folders = sorted(folder for pattern in patterns for folder in run_dir.glob(pattern))
    found = {folder.relative_to(run_dir).as_posix(): load_manifest(folder) for folder in folders}
    return {name: manifest.content_sha256 for name, manifest in found.items() if manifest is not None}


def contents_of(run_dir: Path) -> list[dict[str, Any]]:
    """What the page shows of the sections that the run has: name, title, content, facts."""
    found = ((name, section, section.content(run_dir)) for name, section in optional_sections())
    return [
        {"name": name, "title": section.title, "content": content, "facts": section.facts(content)}
        for name, section, content in found
        if content is not None
    ]
