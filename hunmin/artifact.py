"""Stage folders that are either finished or not: manifest, atomic writes, verification.

`manifest.json` is written last, by rename; a folder without one is not finished. What a table of hashes
stands on is sealed: it carries its own. Nothing here knows what a stage does.
"""

import hashlib
import json
import os
import platform
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hunmin.errors import ArtifactError, one_line
from hunmin.hashing import sha256_file, sha256_json
from hunmin.schema import SCHEMA_VERSION

MANIFEST = "manifest.json"
SEAL = "sha256"  # key of a sealed JSON object


def fsync_path(path: Path) -> None:
    """Flush a file's or a folder's bytes to the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_atomic(path: Path, data: bytes) -> None:
    """Write the whole file or nothing: temporary name, fsync, rename, fsync of the folder."""
    with written_whole(path) as partial:
        partial.write_bytes(data)
    fsync_path(path.parent)


def write_json(path: Path, value: Any) -> None:
    """`write_atomic` of a readable JSON text."""
    write_atomic(path, (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode())


def write_sealed(path: Path, value: dict[str, Any]) -> None:
    """`write_json` of an object with the hash of what it says, under the key SEAL."""
    plain = json.loads(json.dumps(value))  # as it will be read: keys are texts, tuples are lists
    write_json(path, plain | {SEAL: sha256_json(plain)})


def read_sealed(path: Path) -> tuple[dict[str, Any], bool]:
    """What `write_sealed` wrote, and True; an object without a seal, of an earlier version, and False.

    Raises:
        ValueError: it is no JSON object, or says something else than was written.
        OSError: it cannot be read.
    """
    value = json.loads(path.read_bytes())
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    seal = value.pop(SEAL, None)
    if seal is not None and seal != sha256_json(value):
        raise ValueError(f"its content is not that of its {SEAL}")
    return value, seal is not None


def open_as_usual(path: Path) -> None:
    """Let read and write a file whom the umask lets: some libraries write through private ones (0600)."""
    lines = Path("/proc/self/status").read_text().splitlines()  # asking the umask itself would set it
    umask = next(int(line.split()[1], 8) for line in lines if line.startswith("Umask:"))
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode | 0o666 & ~umask != mode:
        path.chmod(mode | 0o666 & ~umask)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A name to write to; renamed to `path` when the block ends well."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        open_as_usual(partial)
        fsync_path(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A name for a folder to make; flushed, and put in the place of `path` when the block ends well."""
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield partial
        for file in files_below(partial):
            open_as_usual(file)
            fsync_path(file)
        shutil.rmtree(path, ignore_errors=True)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    fsync_path(path.parent)


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a parquet file whole or not at all."""
    with written_whole(path) as partial:
        pq.write_table(table, partial, compression="zstd")
    fsync_path(path.parent)


@dataclass(frozen=True)
class FileEntry:
    """A file of a stage; `path` relative to the stage folder, `rows` null where it has none."""

    path: str
    bytes: int
    rows: int | None
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a finished stage is, and what it was made from."""

    stage: str
    stage_version: int
    parents: dict[str, str]  # name -> content hash of what was read
    config_sha256: str  # of the content fields
    content_sha256: str  # logical content in canonical order; no bytes, time, host, path
    counts: dict[str, Any]
    files: list[FileEntry]
    code_sha256: str
    versions: dict[str, str]
    seconds: float
    schema_version: int = SCHEMA_VERSION
    extra: dict[str, Any] = field(default_factory=dict)


def file_entry(path: Path, *, below: Path, rows: int | None = None) -> FileEntry:
    """What is said of a file, by its path relative to a folder."""
    return FileEntry(os.path.relpath(path, below), path.stat().st_size, rows, sha256_file(path))


def fault_of(entry: FileEntry, *, below: Path, told_by: str) -> str | None:
    """What is wrong with a file that is told of so, in words; None where it is as `told_by` says."""
    path = Path(os.path.normpath(below / entry.path))
    if not path.exists():
        return f"{path}: missing, though {told_by} lists it"
    if (size := path.stat().st_size) != entry.bytes:
        return f"{path}: {size} bytes, {told_by} says {entry.bytes}"
    try:
        found = sha256_file(path)
    except OSError as error:
        return f"{path}: cannot be read ({one_line(error)})"
    if found != entry.sha256:
        return f"{path}: sha256 {found[:8]}… differs from {told_by} ({entry.sha256[:8]}…)"
    return None


def load_manifest(stage_dir: Path) -> Manifest | None:
    """The manifest of a finished stage; None where the stage is not finished.

    Raises:
        ArtifactError: the file is there and is not a manifest of this schema version.
    """
    path = stage_dir / MANIFEST
    if not path.exists():
        return None
    try:
        raw, _ = read_sealed(path)
        raw["files"] = [FileEntry(**entry) for entry in raw["files"]]
        manifest = Manifest(**raw)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ArtifactError(
            f"{path}: not a manifest ({error}); delete {stage_dir} to run the stage again"
        ) from error
    if manifest.schema_version != SCHEMA_VERSION:
        raise ArtifactError(
            f"{path}: schema_version {manifest.schema_version}, this hunmin reads {SCHEMA_VERSION}; "
            f"delete {stage_dir} to run the stage again"
        )
    return manifest


def commit(
    stage_dir: Path,
    *,
    stage: str,
    stage_version: int,
    parents: dict[str, str],
    config_sha256: str,
    content_sha256: str,
    counts: dict[str, Any],
    files: Iterable[Path],
    rows: dict[str, int] | None = None,
    seconds: float,
    extra: dict[str, Any] | None = None,
) -> Manifest:
    """Hash the files, flush them, and write the manifest last: after this the stage is finished.

    `files` lie in stage_dir; `rows` are of tables, by path relative to it. See Manifest for the rest.
    """
    entries = []
    for path in sorted(files):
        fsync_path(path)
        num_rows = (rows or {}).get(path.relative_to(stage_dir).as_posix())
        entries.append(file_entry(path, below=stage_dir, rows=num_rows))
    manifest = Manifest(
        stage=stage,
        stage_version=stage_version,
        parents=parents,
        config_sha256=config_sha256,
        content_sha256=content_sha256,
        counts=counts,
        files=entries,
        code_sha256=code_sha256(),
        versions=versions(),
        seconds=round(seconds, 3),
        extra=extra or {},
    )
    write_sealed(stage_dir / MANIFEST, asdict(manifest))
    return manifest


def verify(stage_dir: Path, *, cure: str, only: Collection[str] | None = None) -> Manifest:
    """The manifest, after every file was found with its size and sha256.

    `cure` is the command that rebuilds the stage, for the message; `only`: check the files whose paths begin
    so alone, for a reader that opens no others.

    Raises:
        ArtifactError: the stage is not finished, or a file is missing or differs.
    """
    manifest = load_manifest(stage_dir)
    if manifest is None:
        raise ArtifactError(f"{stage_dir}: no {MANIFEST}, the stage is not finished; run: {cure}")
    for entry in manifest.files:
        if only is not None and not entry.path.startswith(tuple(only)):
            continue
        if fault := fault_of(entry, below=stage_dir, told_by=MANIFEST):
            raise ArtifactError(f"{fault}; rebuild with: {cure}")
    return manifest


def files_below(folder: Path) -> list[Path]:
    """Every regular file below a folder, sorted, manifest and temporary files excluded."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST and not path.name.endswith(".partial")
    )


def clear(stage_dir: Path) -> None:
    """Make an empty stage folder: the manifest goes first, so no moment shows a finished half."""
    (stage_dir / MANIFEST).unlink(missing_ok=True)
    if stage_dir.exists():
        shutil.rmtree(stage_dir)
    stage_dir.mkdir(parents=True)


def code_sha256(*packages: str) -> str:
    """Hash of the packages' own sources and word lists, all of hunmin's where none is named.

    Of a finished stage it is recorded, never compared; half a stage is gone on with by the same code only.
    """
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for package in packages or ("hunmin", "data_pipeline", "trainer", "eval", "launcher"):
        sources = (path for path in (root / package).rglob("*") if path.suffix in (".py", ".txt"))
        for path in sorted(sources):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on."""
    names = ["torch", "deepspeed", "ray", "transformers", "tokenizers", "pyarrow", "numpy", "sentencepiece"]
    names += ["duckdb", "kiwipiepy", "kiwipiepy_model"]
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}
