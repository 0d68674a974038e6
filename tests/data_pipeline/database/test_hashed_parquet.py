from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_pipeline.database import hashed_parquet
from data_pipeline.database.hashed_parquet import table_writer

SCHEMA = pa.schema([("a", pa.int64()), ("b", pa.string())])
TABLE = pa.table({"a": range(25), "b": [str(i) for i in range(25)]}, schema=SCHEMA)


@pytest.mark.parametrize("size", [1, 7, 10, 25])
def test_the_hash_does_not_depend_on_how_rows_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(hashed_parquet, "GROUP_ROWS", 10)
    found = []
    for step in (size, 25):
        with table_writer(tmp_path / "t.parquet", SCHEMA) as writer:
            for start in range(0, 25, step):
                writer.write(TABLE.slice(start, step).select(["b", "a"]))
        assert pq.read_table(tmp_path / "t.parquet").equals(TABLE)
        found.append((writer.sha256, writer.num_rows))
    assert found[0] == found[1]
    assert [group.num_rows for group in pq.ParquetFile(tmp_path / "t.parquet").iter_batches(10)] == [
        10,
        10,
        5,
    ]


def test_another_order_is_another_hash_and_no_row_is_a_file_too(tmp_path: Path) -> None:
    digests = set()
    for table in (TABLE, TABLE.take(list(range(24, -1, -1))), SCHEMA.empty_table()):
        with table_writer(tmp_path / "t.parquet", SCHEMA) as writer:
            writer.write(table)
        digests.add(writer.sha256)
        assert pq.read_table(tmp_path / "t.parquet").num_rows == table.num_rows
    assert len(digests) == 3


def test_what_fails_leaves_no_file(tmp_path: Path) -> None:
    def fail() -> None:
        with table_writer(tmp_path / "t.parquet", SCHEMA) as writer:
            writer.write(TABLE)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []
