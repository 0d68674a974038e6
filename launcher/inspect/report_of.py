"""`hunmin report`: of a config, of a run folder, or of several runs side by side."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hunmin.artifact import write_atomic
from hunmin.errors import InputError
from hunmin.hashing import sha256_json
from launcher.commands.run_folder import find_run, named
from launcher.inspect.side_by_side import side_by_side

MAX_NAME = 60  # characters of a page's file name: with a hash at most 255 bytes, in any script


@dataclass(frozen=True)
class Asked:
    """What the arguments of the command mean: a config to bring to its report, or runs side by side."""

    config: Path
    overrides: list[str]
    run_dir: Path | None
    runs: list[Path]  # two or more; or none


def what_is_asked(
    first: Path, others: Sequence[str], *, run_dir: Path | None, force: bool, out: Path | None
) -> Asked:
    """A first argument that is a folder, or no file and followed by another without "=", is a run; else it is
    a config.

    Raises:
        InputError: no such run, or an option or argument that would do nothing.
    """
    more = [Path(other) for other in others if "=" not in other]
    overrides = [other for other in others if "=" in other]
    if first.is_file() or (not more and not named(first).is_dir()):
        _refuse(
            out is not None, "--out", "several runs side by side", "a run's own page is RUN/report/index.html"
        )
        return Asked(first, list(others), run_dir, [])
    runs = [find_run(run) for run in (first, *more)]
    _refuse(bool(overrides), ", ".join(overrides), "a config file", f"this is the run {runs[0]}")
    _refuse(run_dir is not None, "--run", "a config file", f"this is the run {runs[0]}")
    if more:
        _refuse(force, "--force", "one run", f"these are {len(runs)}")
        return Asked(first, [], None, runs)
    _refuse(out is not None, "--out", "several runs side by side", f"this is the run {runs[0]} alone")
    return Asked(runs[0] / "config.yaml", [], runs[0], [])


def _refuse(given: bool, what: str, of: str, this: str) -> None:
    if given:
        raise InputError(f"{what}: only with {of}, and {this}; leave out")


def write_beside(runs: Sequence[Path], *, out: Path | None) -> dict[str, Any]:
    """Write the page of several runs; where it lies, and what it says, as JSON values.

    Args:
        out: the file; None: beside the first run, named after all of them.

    Raises:
        InputError: the file cannot be written there; and what `side_by_side` raises.
    """
    from eval.report.compared import compared_page

    path = out or runs[0].resolve().parent / page_name([run.resolve().name for run in runs])
    if path.is_dir() or not path.parent.is_dir():
        fault = "it is a folder" if path.is_dir() else f"{path.parent} is no folder"
        raise InputError(f"{path}: cannot be written ({fault}); name a file with --out")
    found = side_by_side(runs)
    write_atomic(path, compared_page.render(found).encode())
    return {
        "report": str(path),
        "runs": dict(zip(found.letters, map(str, found.folders), strict=True)),
        "standings": compared_page.standings(found),
        "partial": {
            one.task: {"shared": one.n, "asked": one.asked} for one in found.scores if one.is_partial
        },
        "scores": [asdict(one) for one in found.scores],
    }


def page_name(names: Sequence[str]) -> str:
    """The file of a page of runs with these names; of very long or many ones, the beginning and a hash."""
    whole = "-beside-".join(names)
    if len(whole) > MAX_NAME:
        whole = f"{whole[:MAX_NAME]}-{sha256_json(list(names))[:8]}"
    return f"{whole}.html"


def as_text(page: dict[str, Any]) -> str:
    """The same for a reader."""
    reference = next(iter(page["runs"]))

    def asked_by(counts: list[int]) -> str:
        return ", ".join(f"{count} in {letter}" for letter, count in zip(page["runs"], counts, strict=True))

    lines = [f"{letter}  {folder}" for letter, folder in page["runs"].items()]
    for one in page["standings"]:
        if one["num_tasks"]:
            said = (
                f"better than {reference} on {one['better']}, worse on {one['worse']}, unclear on "
                f"{one['unclear']} of {one['num_tasks']} tasks, by the first metric of each"
            )
        else:
            said = f"not comparable: no held-out sample is shared with {reference}"
        lines.append(f"{one['letter']}: {said}")
    lines += [
        f"{task}: {_shared(one['shared'])}, of {asked_by(one['asked'])}"
        for task, one in page["partial"].items()
    ]
    return "\n".join([*lines, f"report:  {page['report']}"])


def _shared(count: int) -> str:
    return f"compared on the {count} samples that all were asked" if count else "no sample was asked of all"
