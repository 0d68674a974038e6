"""Guards over the whole tree: import layers down to the folders, shipped configs, one name for one thing."""

import ast
import subprocess
import sys
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from launcher.config import load

ROOT = Path(__file__).resolve().parent.parent
# Each package may import those before it, but for what stands behind it: stages meet in files.
PACKAGES = ("hunmin", "data_pipeline", "trainer", "eval", "launcher", "tools")
FORBIDDEN = {
    "hunmin": {"data_pipeline", "trainer", "eval", "launcher", "tools"},
    "data_pipeline": {"trainer", "eval", "launcher", "tools"},
    "trainer": {"data_pipeline", "eval", "launcher", "tools"},
    "eval": {"data_pipeline", "trainer", "launcher", "tools"},
    "launcher": {"tools"},
    "tools": set(),
}
# Where the heavy libraries stand: file -> what it may import.
BEHIND_ONE_FILE = {
    "ray": {
        "data_pipeline/workers/on_ray.py",
        "trainer/ray_workers.py",
        "eval/answering/pool.py",
        "launcher/cluster/ray_cluster.py",
        "launcher/backends/ray.py",
    },
    "deepspeed": {"trainer/engine/zero3.py"},
    "duckdb": {"data_pipeline/database/"},
}
HEAVY = ("torch", "ray", "deepspeed")
# One name may stand in several packages where it means the same there.
SHARED_NAMES = {
    *("__init__.py", "__main__.py", "config.py", "plan.py", "rewording.py", "tool_calls.py"),
    *("generalization.py", "robustness.py"),  # a probe, and its section of the page
}


def files_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Full names of what a file imports, wherever in it; `from a import b` gives a.b too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def room(module: str) -> str | None:
    """The folder that a module lies in; a file beside the folders is a room of its own."""
    path = ROOT.joinpath(*module.split("."))
    if path.with_suffix(".py").is_file():
        loose = len(path.relative_to(ROOT).parts) == 2
        return module if loose else ".".join(path.relative_to(ROOT).parent.parts)
    return None


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str) -> None:
    for path in files_of(package):
        assert not {name.split(".")[0] for name in imports(path)} & FORBIDDEN[package], path


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_of_a_package_do_not_use_each_other_in_a_circle(package: str) -> None:
    edges: dict[str, set[str]] = defaultdict(set)
    for path in files_of(package):
        own = room(".".join(path.relative_to(ROOT).with_suffix("").parts))
        assert own is not None
        used = {other for name in imports(path) if name.startswith(package) and (other := room(name))}
        edges[own] |= used - {own}
    try:
        list(TopologicalSorter(edges).static_order())
    except CycleError as error:
        circle = error.args[1]
        why = [
            f"{path.relative_to(ROOT)} imports {name}"
            for user, used in zip(circle[1:], circle[:-1], strict=True)
            for path in files_of(package)
            if room(".".join(path.relative_to(ROOT).with_suffix("").parts)) == user
            for name in imports(path)
            if room(name) == used
        ]
        pytest.fail(f"{' <- '.join(circle)}:\n" + "\n".join(why))


@pytest.mark.parametrize("library", sorted(BEHIND_ONE_FILE))
def test_heavy_libraries_stand_behind_one_file(library: str) -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES[:-1]
        for path in files_of(package)
        if library in {name.split(".")[0] for name in imports(path)}
    }
    assert all(user.startswith(tuple(BEHIND_ONE_FILE[library])) for user in users), users


def loaded_by(modules: list[str], heavy: tuple[str, ...]) -> list[str]:
    code = f"import sys, {', '.join(modules)}; print(*[name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.split()


def test_the_launcher_starts_without_the_heavy_libraries() -> None:
    loose = [f"launcher.{path.stem}" for path in (ROOT / "launcher").glob("[a-z]*.py")]
    rooms = [
        f"launcher.{room}.{path.stem}"
        for room in ("backends", "cluster")
        for path in (ROOT / "launcher" / room).glob("[a-z]*.py")
    ]
    assert loaded_by(loose + rooms, (*HEAVY, "transformers")) == []


def test_what_all_stages_stand_on_loads_no_heavy_library() -> None:
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files_of("hunmin")]
    assert loaded_by([name.removesuffix(".__init__") for name in modules], HEAVY) == []


def test_no_two_files_share_a_name_and_mean_different_things() -> None:
    by_name: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path in files_of(package):
            by_name[path.name].append(path.relative_to(ROOT).as_posix())
    assert {
        name: paths for name, paths in by_name.items() if len(paths) > 1 and name not in SHARED_NAMES
    } == {}


def test_packages_resolve_beside_the_launcher() -> None:
    for package in PACKAGES:
        module = __import__(package)
        assert Path(str(module.__file__)).parent == ROOT / package


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.name)
def test_every_shipped_config_loads(path: Path) -> None:
    config, base = load(path, [])
    assert base == path.parent
    assert config.data.sources
