"""A folder of wheels from which the trainer runs on a machine that reaches no package index.

    python -m tools.build_wheels FOLDER [--python 3.12] [--platform PLATFORM] [--found PACKAGE]

That machine brings Python, torch and numpy; all else that the trainer and its figures need (docs/gpu.md) is
in the folder, in the versions of requirements.lock, and neither Ray nor what Ray needs.

Exit codes: 0 built; 3 larger than the limit; 4 pip could not.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT_BYTES = 64 * 2**20
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
NEEDED = (
    "accelerate",
    "annotated-doc",
    "annotated-types",
    "anyio",
    "certifi",
    "click",
    "einops",
    "filelock",
    "fsspec",
    "h11",
    "hjson",
    "httpcore2",
    "httpx2",
    "huggingface_hub",
    "idna",
    "Jinja2",
    "markdown-it-py",
    "MarkupSafe",
    "mdurl",
    "msgpack",
    "ninja",
    "packaging",
    "peft",
    "psutil",
    "py-cpuinfo",
    "pyarrow",
    "pydantic",
    "pydantic_core",
    "Pygments",
    "PyYAML",
    "regex",
    "rich",
    "safetensors",
    "shellingham",
    "tokenizers",
    "tqdm",
    "transformers",
    "truststore",
    "typer",
    "typing-inspection",
    "typing_extensions",
)
# Published as source only; its kernels are compiled where they are used, or not at all.
BUILT = ("deepspeed",)
# Of pyarrow, what no file on a disk needs, and second copies of a library: 21 of its 53 MB.
TRIMMED = re.compile(
    r"pyarrow/((tests|include|src)/|(lib|_)(arrow_)?(flight|s3|s3fs|gcsfs|azurefs|hdfs|orc)\.|"
    r"libarrow_python\.so(\.\d+\.\d+\.\d+)?$)"
)


class PipFailed(Exception):
    """pip ended badly; it has said why."""


def main(argv: Sequence[str]) -> int:
    """Build the folder, print its size, and return the exit code."""
    asked = _arguments(argv)
    asked.folder.mkdir(parents=True, exist_ok=True)
    for old in asked.folder.glob("*.whl"):
        old.unlink()
    try:
        download(asked.folder, asked.found, python=asked.python, platforms=asked.platform or PLATFORMS)
    except PipFailed as error:
        print(f"wheels: {error}", file=sys.stderr)
        return 4
    for wheel in asked.folder.glob("pyarrow-*.whl"):
        trim(wheel, TRIMMED)
    wheels = sorted(asked.folder.glob("*.whl"))
    num_bytes = sum(wheel.stat().st_size for wheel in wheels)
    print(f"wheels: {len(wheels)} in {asked.folder}, {num_bytes / 2**20:.1f} MiB")
    if num_bytes > LIMIT_BYTES:
        print(f"wheels: more than {LIMIT_BYTES / 2**20:.0f} MiB; leave a package out", file=sys.stderr)
        return 3
    return 0


def download(folder: Path, found: Sequence[str], *, python: str, platforms: Sequence[str]) -> None:
    """The wheels of NEEDED but for those `found`, and those that are made of source: deepspeed and hunmin.

    Raises:
        PipFailed: a package has no wheel for it, or the index cannot be reached.
    """
    pins = pinned((ROOT / "requirements.lock").read_text())
    there = [f"--platform={platform}" for platform in (*platforms, "any")]
    _pip(
        "download",
        "--only-binary=:all:",
        f"--python-version={python}",
        *there,
        f"--dest={folder}",
        *(pins[_normal(name)] for name in NEEDED if name not in found),
    )
    _pip("wheel", f"--wheel-dir={folder}", *(pins[name] for name in BUILT))
    with tempfile.TemporaryDirectory() as copy:  # setuptools leaves a build folder where it builds
        shutil.copytree(ROOT, Path(copy) / "hunmin", ignore=_only_packages, dirs_exist_ok=True)
        _pip("wheel", f"--wheel-dir={folder}", str(Path(copy) / "hunmin"))


def pinned(lock: str) -> dict[str, str]:
    """The requirements of a lock file, by normalized name."""
    lines = [line.split("#")[0].strip() for line in lock.splitlines()]
    return {_normal(line.split("==")[0]): line for line in lines if line}


def trim(wheel: Path, unwanted: re.Pattern[str]) -> None:
    """Write a wheel anew without the files whose path matches, in its list of files too."""
    smaller = wheel.with_suffix(".partial")
    with (
        zipfile.ZipFile(wheel) as old,
        zipfile.ZipFile(smaller, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new,
    ):
        for info in old.infolist():
            if unwanted.match(info.filename):
                continue
            content = old.read(info)
            if info.filename.endswith(".dist-info/RECORD"):
                lines = content.decode().splitlines(keepends=True)
                content = "".join(line for line in lines if not unwanted.match(line.split(",")[0])).encode()
            new.writestr(info, content, zipfile.ZIP_DEFLATED, 9)
    smaller.replace(wheel)


def _only_packages(folder: str, names: list[str]) -> set[str]:
    """Of the checkout, what a wheel is not made of."""
    unwanted = {"runs", "tests", "benchmarks", "docs", "__pycache__", "build"}
    return {name for name in names if name in unwanted or name.startswith(".") or name.endswith(".egg-info")}


def _pip(action: str, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", action, "--no-deps", "--quiet", *arguments]
    done = subprocess.run(command, env=os.environ | {"DS_BUILD_OPS": "0"}, check=False)
    if done.returncode:
        raise PipFailed(f"pip {action} ended with {done.returncode}")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.build_wheels",
        description="A folder of wheels for a machine without a package index.",
    )
    parser.add_argument("folder", type=Path, help="where the wheels go; wheels that are there are replaced")
    parser.add_argument("--python", default="3.12", help="the machine's version of Python")
    parser.add_argument("--platform", action="append", help="its wheels' platform; default: Linux on x86-64")
    parser.add_argument(
        "--found",
        action="append",
        default=[],
        choices=NEEDED,
        metavar="PACKAGE",
        help="left out, as the machine has it; may be repeated",
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
