"""Rows find their packs and shards: what `rows.parquet` says and what the shards hold."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from database_rows import accounts_of, origin, render

from data_pipeline.build.schemas import IDS
from data_pipeline.build.work_folder import WorkFolder
from data_pipeline.database import tables
from data_pipeline.database.places import place_rows
from data_pipeline.packing.gather import BATCH_ROWS, gather_packs, pack_table
from data_pipeline.workers.each_item import ALONE, Workers
from hunmin.shards import SHARD_TOKENS, shard_packs


def test_a_plan_over_more_packs_than_a_shard_holds(tmp_path: Path) -> None:
    seq_len = SHARD_TOKENS // 8  # eight packs fill a shard
    count = 2 * 8 + 10  # two rows of half a pack each: 13 packs
    rows = [origin(i) for i in range(count)]
    renders = [render(i, num_tokens=seq_len // 2) for i in range(count)]
    shards = place_rows(
        database := accounts_of(tmp_path, rows, renders), seq_len=seq_len, work=WorkFolder(tmp_path)
    )
    assert [(s.path, s.first_pack, s.num_packs) for s in shards] == [
        ("train/shard-00000.arrow", 0, 8),
        ("train/shard-00001.arrow", 8, 5),
    ]
    assert database.number("SELECT count(DISTINCT (pack, slot)) FROM placed") == count
    assert database.number("SELECT max(pack) FROM placed") == 12


def test_a_shard_stays_around_its_size_whatever_seq_len_is() -> None:
    assert [shard_packs(n) * n for n in (1024, 4096, 1 << 23)] == [SHARD_TOKENS, SHARD_TOKENS, 1 << 23]


def test_partitions_depend_on_the_rows_and_keep_every_row(tmp_path: Path) -> None:
    rows = [origin(i) for i in range(40)]
    database = accounts_of(tmp_path, rows, [render(i) for i in range(40)])
    place_rows(database, seq_len=64, work=WorkFolder(tmp_path), partition_rows=10)
    placed = database.rows("SELECT ord, pack FROM placed")
    assert sorted(line["ord"] for line in placed) == list(range(40))
    partition_of: dict[int, set[int]] = {}
    for line in placed:
        partition_of.setdefault(line["pack"], set()).add(line["ord"] % 4)
    assert all(len(found) == 1 for found in partition_of.values())


def test_partitions_packed_apart_by_processes_are_packed_alike(tmp_path: Path) -> None:
    count, rng = 3_000, np.random.default_rng(1)
    rows, lengths = [origin(i) for i in range(count)], rng.integers(1, 64, count)
    renders = [render(i, num_tokens=int(lengths[i])) for i in range(count)]
    placed = []
    for name, workers in (("alone", ALONE), ("two", Workers(num_processes=2))):
        (folder := tmp_path / name).mkdir()
        database = accounts_of(folder, rows, renders)
        how = {"work": WorkFolder(folder), "workers": workers, "partition_rows": 500}
        shards = place_rows(database, seq_len=64, **how)
        placed.append((shards, database.rows("SELECT * FROM placed ORDER BY ALL")))
    assert placed[0] == placed[1]
    packs: dict[int, list[int]] = {}
    for line in placed[0][1]:
        packs.setdefault(line["pack"], []).append(int(lengths[line["ord"]]))
    assert sorted(packs) == list(range(placed[0][0][-1].num_packs))
    assert max(map(sum, packs.values())) <= 64


def test_segments_come_back_from_their_parts(tmp_path: Path) -> None:
    """Rows of two parts, several batches each, gathered into packs by what the ledger noted."""
    work = WorkFolder(tmp_path)
    per_part, rng = BATCH_ROWS + 300, np.random.default_rng(0)
    lengths = rng.integers(1, 9, 2 * per_part)
    ids = [[number * 10 + t for t in range(length)] for number, length in enumerate(lengths)]
    for part in (0, 1):
        own = ids[part * per_part : (part + 1) * per_part]
        with pa.OSFile(str(work.path("ids", part, "arrow")), "wb") as sink, pa.ipc.new_file(sink, IDS) as out:
            for start in range(0, per_part, BATCH_ROWS):
                batch = [{"input_ids": one, "labels": one} for one in own[start : start + BATCH_ROWS]]
                out.write_batch(pa.RecordBatch.from_pylist(batch, schema=IDS))
    rows = [origin(i) for i in range(2 * per_part)]
    renders = [
        render(i, num_tokens=int(lengths[i]), part=i // per_part, idx=i % per_part)
        for i in range(2 * per_part)
    ]
    database = accounts_of(tmp_path, rows, renders)
    shards = place_rows(database, seq_len=16, work=work, partition_rows=500)
    tables.write_ledger(database, tmp_path / "rows.parquet", work=work)
    ledger = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    assert [line["row"] for line in ledger] == list(range(2 * per_part))
    found = pa.concat_tables([gather_packs(work, shard, tasks=["t"]) for shard in shards]).to_pylist()
    seen = 0
    for number, pack in enumerate(found):
        at = 0
        for row, length in zip(pack["rows"], pack["seq_lengths"], strict=True):
            assert pack["input_ids"][at : at + length] == ids[ledger[row]["record"]]
            assert ledger[row]["pack"] == number
            at += length
            seen += 1
    assert seen == 2 * per_part


def test_weights_stand_beside_the_rows_they_are_of() -> None:
    lists = [[1, 2], [3, 4, 5], [6, 7, 8]]
    ids = pa.table({"input_ids": lists, "labels": lists}, schema=IDS)
    weights = np.array([1, 0.5, 2], np.float32)
    found = pack_table(ids, pack=np.array([0, 0, 1]), rows=np.arange(3), tasks=np.zeros(3), weights=weights)
    assert found.column("weights").to_pylist() == [[1, 0.5], [2]]


def test_rows_laid_into_packs_by_hand() -> None:
    lists = [[1, 2], [3, 4, 5], [6, 7, 8]]
    ids = pa.table({"input_ids": lists, "labels": lists}, schema=IDS)
    found = pack_table(
        ids,
        pack=np.array([0, 0, 1]),
        rows=np.array([10, 11, 12]),
        tasks=np.array([0, 1, 1]),
        weights=np.ones(3),
    )
    assert found.to_pydict() == {
        "input_ids": [[1, 2, 3, 4, 5], [6, 7, 8]],
        "labels": [[1, 2, 3, 4, 5], [6, 7, 8]],
        "seq_lengths": [[2, 3], [3]],
        "rows": [[10, 11], [12]],
        "tasks": [[0, 1], [1]],
    }
