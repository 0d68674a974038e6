"""rejected.parquet: every record that is not kept, with what it says, whoever refused it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from database_rows import origin

from data_pipeline.build.schemas import PREPARED
from data_pipeline.build.work_folder import WorkFolder, first_ord
from data_pipeline.database import tables
from data_pipeline.database.row_database import RowDatabase

PHONE = "010-1234-5678"


def fields(answer: str) -> dict:
    return {"instruction": "전화번호가 뭐야?", "answer": answer}


def test_rows_refused_by_readers_and_by_rules_have_their_texts(tmp_path: Path) -> None:
    work = WorkFolder.open(tmp_path)
    rows = [
        origin(0, reason="broken_json", detail="line 1", text="{broken"),
        origin(1, fields=fields(f"{PHONE}입니다."), flags=["kept"]),
        origin(first_ord(1), fields=fields("몰라요."), messages=None),
        origin(
            first_ord(1) + 1,
            messages=[{"role": "user", "content": "안녕"}, {"role": "assistant", "content": "네"}],
        ),
    ]
    for part, own in enumerate((rows[:2], rows[2:])):
        pq.write_table(pa.Table.from_pylist(own, schema=PREPARED), work.path("read", part))
    database = RowDatabase(work.folder)
    database.load_rows([work.path("read", part) for part in work.parts("read")])
    database.refuse("SELECT ord, 'duplicate', 'of s:f:9.0' FROM alive WHERE ord <> ?", [first_ord(1)])

    written = tables.write_rejected(database, tmp_path / "rejected.parquet", work=work)

    assert written.num_rows == 3
    found = {line["ord"]: line for line in rows}
    lines = pq.read_table(tmp_path / "rejected.parquet").to_pylist()
    assert [(line["row_id"], line["reason"], line["text"]) for line in lines] == [
        (found[0]["row_id"], "broken_json", "{broken"),
        (found[1]["row_id"], "duplicate", "user: 전화번호가 뭐야?\nanswer: [전화번호]입니다."),
        (found[first_ord(1) + 1]["row_id"], "duplicate", "user: 안녕\nanswer: 네"),
    ]
