"""The database' own arithmetic: runs of records that tables are written by."""

from itertools import pairwise
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline.build.work_folder import first_ord, part_number
from data_pipeline.database.row_database import RowDatabase


@settings(deadline=None)  # it opens a database
@given(
    parts=st.dictionaries(st.tuples(st.integers(0, 40), st.integers(0, 5)), st.integers(1, 30), min_size=1),
    size=st.integers(1, 60),
)
def test_runs_hold_every_record_once_in_order(
    tmp_path_factory, parts: dict[tuple[int, int], int], size: int
) -> None:
    ords = [
        first_ord(part_number(unit, part)) + row
        for (unit, part), count in sorted(parts.items())
        for row in range(count)
    ]
    database = RowDatabase(Path(tmp_path_factory.mktemp("database")))
    shuffled = pa.table({"ord": pa.array(ords[::-1], pa.int64())})
    database.con.register("incoming", shuffled)
    database.con.execute("CREATE TABLE rows AS SELECT * FROM incoming")
    runs = [
        database.arrays(f"SELECT ord FROM rows WHERE {run} ORDER BY ord")["ord"].tolist()
        for run in database.ranges(size=size)
    ]
    database.close()
    assert [ord_ for run in runs for ord_ in run] == ords
    assert all(len(run) <= max(size, *parts.values()) for run in runs)
    assert all(len(one) + len(next_) > size for one, next_ in pairwise(runs)), "full"
