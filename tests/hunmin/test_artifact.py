import json
import os
import stat
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from damage import damaged, outcome
from safetensors.torch import save_file

from hunmin import artifact, hashing
from hunmin.errors import ArtifactError

ROWS = [
    {"text": "가나", "numbers": [1, 2], "nested": {"flag": True, "name": None}},
    {"text": None, "numbers": [], "nested": None},
    {"text": "", "numbers": None, "nested": {"flag": None, "name": "x"}},
]
SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("numbers", pa.list_(pa.int32())),
        ("nested", pa.struct([("flag", pa.bool_()), ("name", pa.string())])),
    ]
)


def test_the_hash_of_a_table_does_not_see_chunks_or_offsets() -> None:
    whole = pa.Table.from_pylist(ROWS, schema=SCHEMA)
    parts = pa.concat_tables([whole.slice(i, 1) for i in range(3)])
    sliced = pa.Table.from_pylist([ROWS[1], *ROWS, ROWS[0]], schema=SCHEMA).slice(1, 3)
    assert hashing.table_sha256(whole) == hashing.table_sha256(parts) == hashing.table_sha256(sliced)


@pytest.mark.parametrize(
    ("row", "change"),
    [
        (0, {"text": "가다"}),
        (1, {"text": ""}),
        (1, {"numbers": None}),
        (0, {"numbers": [1, 3]}),
        (0, {"nested": {"flag": False, "name": None}}),
        (0, {"nested": {"flag": True, "name": ""}}),
    ],
)
def test_the_hash_of_a_table_sees_every_value(row: int, change: dict) -> None:
    changed = [line | change if i == row else line for i, line in enumerate(ROWS)]
    before = hashing.table_sha256(pa.Table.from_pylist(ROWS, schema=SCHEMA))
    assert hashing.table_sha256(pa.Table.from_pylist(changed, schema=SCHEMA)) != before


def finish(folder: Path) -> None:
    (folder / "a.txt").write_text("가")
    artifact.commit(
        folder,
        stage="data",
        stage_version=1,
        parents={"sources": "x"},
        config_sha256="c",
        content_sha256="d",
        counts={"records": 1},
        files=artifact.files_below(folder),
        seconds=1.0,
    )


def test_a_finished_stage_verifies(tmp_path: Path) -> None:
    assert artifact.load_manifest(tmp_path) is None
    finish(tmp_path)
    manifest = artifact.verify(tmp_path, cure="hunmin data")
    assert [(entry.path, entry.bytes) for entry in manifest.files] == [("a.txt", 3)]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: (f / "a.txt").unlink(), "missing"),
        (lambda f: (f / "a.txt").write_text("가나"), "6 bytes"),
        (lambda f: (f / "a.txt").write_text("나"), "sha256"),
        (lambda f: (f / "manifest.json").unlink(), "not finished"),
        (lambda f: (f / "manifest.json").write_text("{"), "not a manifest"),
    ],
)
def test_damage_is_found_and_the_cure_named(tmp_path: Path, damage, says: str) -> None:
    finish(tmp_path)
    damage(tmp_path)
    with pytest.raises(ArtifactError, match=says):
        artifact.verify(tmp_path, cure="hunmin data")


def test_every_damage_to_a_manifest_is_found(tmp_path: Path) -> None:
    finish(tmp_path)
    path, sound = tmp_path / "manifest.json", artifact.load_manifest(tmp_path)
    for data in damaged(path.read_bytes(), every=1):
        path.write_bytes(data)
        told, found = outcome(artifact.load_manifest, tmp_path)
        assert f"delete {tmp_path}" in told or found == sound  # white space


def unsealed(path: Path) -> dict:
    """A manifest as earlier versions wrote it."""
    value = json.loads(path.read_text())
    del value[artifact.SEAL]
    return value


def test_a_manifest_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    finish(tmp_path)
    path, sealed = tmp_path / "manifest.json", artifact.load_manifest(tmp_path)
    path.write_text(json.dumps(unsealed(path)))
    assert artifact.load_manifest(tmp_path) == sealed


def test_the_seal_is_of_the_value_as_it_is_read(tmp_path: Path) -> None:
    artifact.write_sealed(tmp_path / "a.json", {"by step": {10: 0.1, 9: (1, 2)}, "글": float("inf")})
    value, is_sealed = artifact.read_sealed(tmp_path / "a.json")
    assert (value, is_sealed) == ({"by step": {"10": 0.1, "9": [1, 2]}, "글": float("inf")}, True)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_have_the_mode_of_the_umask_whoever_wrote_them(tmp_path: Path, umask: int, mode: int) -> None:
    """safetensors writes through a file that is private (0600)."""
    before = os.umask(umask)
    try:
        with artifact.written_whole(tmp_path / "one") as partial:
            save_file({"w": torch.zeros(2)}, partial)
        with artifact.whole_folder(tmp_path / "folder") as partial:
            partial.mkdir()
            save_file({"w": torch.zeros(2)}, partial / "weights")
            (partial / "run.sh").touch()
            (partial / "run.sh").chmod(0o755)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("one", "folder/weights")]
    assert modes == [mode, mode]
    assert (tmp_path / "folder/run.sh").stat().st_mode & 0o111 == 0o111


def test_a_manifest_of_another_schema_is_refused(tmp_path: Path) -> None:
    finish(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(unsealed(path) | {"schema_version": 99}))
    with pytest.raises(ArtifactError, match="schema_version 99"):
        artifact.load_manifest(tmp_path)
