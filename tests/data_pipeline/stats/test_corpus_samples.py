"""data/corpus.json: few of everything, drawn by the seed, masked; labels and languages counted."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from database_rows import origin
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.build.context import BuildContext
from data_pipeline.build.schemas import PREPARED
from data_pipeline.build.work_folder import WorkFolder, first_ord
from data_pipeline.config import DataConfig
from data_pipeline.database.row_database import RowDatabase
from data_pipeline.stats import corpus_samples as looked

NUM = 40
CONFIG = DataConfig.model_validate({"sources": [{"name": "s", "format": "alpaca", "path": "x"}]})


def row(number: int, **changes: Any) -> dict:
    label = ("긍정", "부정")[number % 4 == 0]
    fields = {"instruction": f"{number}번은?", "answer": f"{label} 010-1234-56{number:02d}", "label": label}
    return origin(
        number + (first_ord(1) if number >= NUM // 2 else 0),
        row_id=f"s:f:{number}.0",
        fields=fields,
        asked_language="ko",
        said_language=("ko", "en")[number == 3],
        **changes,
    )


@pytest.fixture
def built(tmp_path: Path) -> tuple[RowDatabase, BuildContext, WorkFolder]:
    """Two parts of kept rows, of which every fourth is near to the row before it."""
    work = WorkFolder.open(tmp_path)
    rows = [row(number) for number in range(NUM)]
    for part, own in enumerate((rows[: NUM // 2], rows[NUM // 2 :])):
        pq.write_table(pa.Table.from_pylist(own, schema=PREPARED), work.path("read", part))
    database = RowDatabase(work.folder)
    database.load_rows([work.path("read", part) for part in work.parts("read")])
    lost = [(rows[i]["ord"], rows[i - 1]["ord"], 0.9 - i / 1000) for i in range(4, NUM, 4)]
    table = pa.table(
        dict(zip(("ord", "winner_ord", "similarity"), map(list, zip(*lost, strict=True)), strict=True))
    )
    database.con.execute("CREATE TEMP TABLE near_losers (ord BIGINT, winner_ord BIGINT, similarity FLOAT)")
    database.insert("near_losers", table)
    database.refuse("SELECT ord, 'near_duplicate', 'of x' FROM near_losers")
    return database, BuildContext(CONFIG, {}, 3, tmp_path, tmp_path), work


@pytest.fixture
def samples(built: tuple[RowDatabase, BuildContext, WorkFolder], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(looked, "_kept", lambda *_: {})  # needs a tokenizer; test_inspect_corpus looks at it
    return looked.corpus_samples(*built)


def test_few_of_each_reason_are_drawn_from_all(samples: Any) -> None:
    drawn = samples["rejected"]["near_duplicate"]
    assert len(drawn) == 9
    assert samples["num_near_pairs"] == 9
    assert {one["detail"] for one in drawn} == {"of x"}
    assert "1234" not in str(samples)
    assert drawn[0]["text"] == "user: 4번은?\nanswer: 부정 [전화번호]"


def test_near_pairs_name_both_rows_and_the_least_alike_come_first(samples: Any) -> None:
    pairs = samples["near_pairs"]
    assert [pair["similarity"] for pair in pairs] == sorted(pair["similarity"] for pair in pairs)
    assert [(pair["dropped"]["row_id"], pair["kept"]["row_id"]) for pair in pairs][:2] == [
        ("s:f:36.0", "s:f:35.0"),
        ("s:f:32.0", "s:f:31.0"),
    ]
    assert pairs[0]["kept"]["text"].startswith("user: 35번은?")


def test_labels_and_languages_are_of_kept_rows(samples: Any) -> None:
    assert samples["labels"] == {"t": {"긍정": 30, "부정": 1}}
    assert samples["languages"] == {
        "s": [{"request": "ko", "answer": "ko", "rows": 30}, {"request": "ko", "answer": "en", "rows": 1}]
    }


@given(count=st.integers(0, 60), few=st.integers(1, 20), seed=st.integers(0, 3))
def test_a_draw_is_in_order_without_repeats_and_the_same_again(count: int, few: int, seed: int) -> None:
    ords = np.arange(count, dtype=np.int64) * 7
    drawn = looked.draw(ords, few, seed, "s")
    assert drawn == looked.draw(ords, few, seed, "s")
    assert drawn == sorted(set(drawn))
    assert len(drawn) == min(few, count)
    assert set(drawn) <= set(ords.tolist())
