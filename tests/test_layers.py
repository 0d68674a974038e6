"""Guards over the whole tree: import layers, shipped configs, what the README promises."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.config import load

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("data_pipeline", "trainer", "eval", "launcher")
FORBIDDEN = {
    "data_pipeline": {"trainer", "eval", "launcher"},
    "trainer": {"eval", "launcher"},
    "eval": {"trainer", "launcher"},
    "launcher": set(),
}
ONE_FILE = {
    ("data_pipeline", "ray"): {"pipeline.py"},
    ("trainer", "ray"): {"workers.py"},
    ("trainer", "deepspeed"): {"zero3.py"},
    ("eval", "ray"): {"pool.py"},
    ("launcher", "ray"): {"cluster.py", "ray_job.py"},
}


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        assert not imports(path) & FORBIDDEN[package], path


@pytest.mark.parametrize(("package", "library"), sorted(ONE_FILE))
def test_heavy_libraries_stand_behind_one_file(package: str, library: str) -> None:
    users = {path.name for path in (ROOT / package).rglob("*.py") if library in imports(path)}
    assert users <= ONE_FILE[package, library]


def test_the_launcher_starts_without_the_heavy_libraries() -> None:
    heavy = ("torch", "ray", "deepspeed", "transformers")
    modules = [
        "cli",
        "stages",
        "config",
        "summary",
        "cluster",
        "submit",
        "slurm",
        "ray_job",
        "allocation",
        "snapshot",
    ]
    code = f"import sys, {', '.join(f'launcher.{name}' for name in modules)}; "
    code += f"print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_packages_resolve_beside_the_launcher() -> None:
    for package in PACKAGES:
        module = __import__(package)
        assert Path(str(module.__file__)).parent == ROOT / package


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.name)
def test_every_shipped_config_loads(path: Path) -> None:
    config, base = load(path, [])
    assert base == path.parent
    assert config.data.sources
