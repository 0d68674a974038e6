"""Parts of the work in progress: the same whoever makes them, whole or absent, kept for the same inputs."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from data_pipeline import part_worker, sources
from data_pipeline.build.context import BuildContext
from data_pipeline.build.prepared_rows import rows_at
from data_pipeline.build.work_folder import WorkFolder, first_ord, part_number, part_of
from data_pipeline.config import DataConfig
from data_pipeline.part_worker import Stride, read_stride
from data_pipeline.sources import rows
from hunmin.artifact import written_whole
from hunmin.errors import InputError


def build_of(folder: Path, num_rows: int, part_rows: int) -> tuple[BuildContext, WorkFolder, sources.Unit]:
    lines = [
        {"instruction": f"{i}에 1을 더하면?", "input": "", "output": f"{i + 1}입니다."}
        for i in range(num_rows)
    ]
    text = "\n".join([*(json.dumps(line, ensure_ascii=False) for line in lines), "{broken"])
    (folder / "a.jsonl").write_text(text, encoding="utf-8")
    source = {"name": "a", "format": "alpaca", "path": "a.jsonl"}
    config = DataConfig.model_validate({"sources": [source], "part_rows": part_rows})
    out = folder / "data"
    out.mkdir(exist_ok=True)
    work = WorkFolder.open(out)
    (unit,) = sources.expand(config.sources[0], index=0, base=folder)
    return BuildContext(config, {}, 0, folder, out), work, unit


@pytest.mark.parametrize("part_rows", [1, 4, 10, 100])
def test_parts_are_the_same_for_any_number_of_tasks(tmp_path: Path, part_rows: int) -> None:
    found = []
    for step in (1, 3):
        folder = tmp_path / str(step)
        folder.mkdir()
        build, work, unit = build_of(folder, 10, part_rows)
        judged = [
            read_stride(Stride(0, unit, first, step), build=build, work=work).said["judged"]
            for first in range(step)
        ]
        assert sum(judged) == 11
        parts = {part: pq.read_table(work.path("read", part)).to_pylist() for part in work.parts("read")}
        assert [len(rows) for rows in parts.values()] == [part_rows] * (11 // part_rows) + (
            [11 % part_rows] if 11 % part_rows else []
        )
        rows = [row for part in parts.values() for row in part]
        assert [row["record"] for row in rows] == list(range(11))
        assert [part_of(row["ord"]) for row in rows] == [p for p, members in parts.items() for _ in members]
        assert rows[-1]["reason"] == "broken_json"
        found.append(parts)
    assert found[0] == found[1]


def test_each_task_makes_rows_of_its_own_parts_records_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To draft a row takes several times as long as to read its record: no task does another's."""
    build, work, unit = build_of(tmp_path, 10, 4)
    made: list[int] = []

    def counted(record: sources.Record, number: int, *of: Any) -> Any:
        made.append(number)
        return rows(record, number, *of)

    monkeypatch.setattr(sources, "rows", counted)
    read_stride(Stride(0, unit, 1, 2), build=build, work=work)
    assert made == [4, 5, 6, 7]


def test_a_part_ends_after_so_many_characters_of_its_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, work, unit = build_of(tmp_path, 10, 100)
    monkeypatch.setattr(part_worker, "PART_CHARS", 3 * len("0에 1을 더하면?1입니다."))
    read_stride(Stride(0, unit, 0, 1), build=build, work=work)
    assert [pq.read_metadata(work.path("read", part)).num_rows for part in work.parts("read")] == [3, 3, 3, 2]


def test_records_that_give_more_rows_than_a_part_can_number_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, work, unit = build_of(tmp_path, 10, 4)
    monkeypatch.setattr(part_worker, "MAX_PART_ROWS", 7)
    monkeypatch.setattr(sources, "rows", lambda *of: [*rows(*of), *rows(*of)])
    with pytest.raises(InputError, match=r"source a: a.jsonl .*part_rows = 4 .* over 7 rows; set .* lower"):
        read_stride(Stride(0, unit, 0, 1), build=build, work=work)


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    build, work, unit = build_of(tmp_path, 10, 4)
    stride = Stride(0, unit, 0, 1)
    read_stride(stride, build=build, work=work)
    work.path("read", part_number(0, 1)).unlink()
    assert read_stride(stride, build=build, work=work).said == {"judged": 4}


def test_rows_are_found_by_their_place_in_order(tmp_path: Path) -> None:
    build, work, unit = build_of(tmp_path, 10, 4)
    read_stride(Stride(0, unit, 0, 1), build=build, work=work)
    places = [first_ord(part_number(0, 2)) + 1, first_ord(part_number(0, 0)) + 3]
    assert [row["fields"]["instruction"] for row in rows_at(work, places)] == [
        "3에 1을 더하면?",
        "9에 1을 더하면?",
    ]


def test_places_ascend_with_unit_part_and_row() -> None:
    places = [
        first_ord(part_number(unit, part)) + row for unit in (0, 1, 7) for part in (0, 5) for row in (0, 9)
    ]
    assert places == sorted(set(places))


def test_work_goes_on_without_what_a_killed_writer_left(tmp_path: Path) -> None:
    WorkFolder.open(tmp_path).path("read", 3).write_text("whole")
    leftover = tmp_path / ".rows.parquet.77.partial"
    leftover.write_text("half")
    assert WorkFolder.open(tmp_path).parts("read") == [3]
    assert not leftover.exists()


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    def fail() -> None:
        with written_whole(tmp_path / "x") as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []
    with written_whole(tmp_path / "x") as partial:
        partial.write_text("all")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
