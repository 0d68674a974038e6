import json
from pathlib import Path

import pyarrow as pa
import pytest

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


def test_a_manifest_of_another_schema_is_refused(tmp_path: Path) -> None:
    finish(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    with pytest.raises(ArtifactError, match="schema_version 99"):
        artifact.load_manifest(tmp_path)
