from data_pipeline.config import DataConfig
from data_pipeline.ledger import mark_duplicates, mark_heldout_families, mark_unrendered, placements, plan
from data_pipeline.packing.shards import SHARD_PACKS
from data_pipeline.stats import summarize

CONFIG = DataConfig.model_validate(
    {"sources": [{"name": "s", "format": "alpaca", "path": "x"}], "seq_len": 32}
)


def origin(number: int, **changes) -> dict:
    row = {
        "row_id": f"s:f:{number}.0",
        "source": "s",
        "file": "f",
        "record": number,
        "sub_record": 0,
        "family_id": str(number),
        "task": "t",
        "language": "ko",
        "split": "train",
        "text_key": str(number),
        "short_answer": "긍정" if number % 3 else "부정",
        "transforms": ["nfc"],
        "reason": None,
        "detail": None,
    }
    return row | changes


def render(number: int, **changes) -> dict:
    row = {
        "row_id": f"s:f:{number}.0",
        "split": "train",
        "epoch": 0,
        "task": "t",
        "wording_id": None,
        "transforms": [],
        "num_tokens": 16,
        "num_trained_tokens": 4,
        "num_chars": 32,
        "reason": None,
        "detail": None,
    }
    return row | changes


def test_duplicates_name_the_first_and_keep_it() -> None:
    rows = [origin(0), origin(1, text_key="0"), origin(2, text_key="0", reason="no_answer", detail="x")]
    mark_duplicates(rows)
    assert [row["reason"] for row in rows] == [None, "duplicate", "no_answer"]
    assert rows[1]["detail"] == "of s:f:0.0"


def test_a_row_is_refused_only_if_no_epoch_rendered_it() -> None:
    rows = [origin(0), origin(1)]
    refused = {"reason": "too_long", "detail": "first epoch"}
    renders = [render(0, **refused), render(0, epoch=1), render(1, **refused), render(1, epoch=1, reason="x")]
    mark_unrendered(rows, renders)
    assert [row["reason"] for row in rows] == [None, "too_long"]
    assert rows[1]["detail"] == "first epoch"


def test_a_row_that_shares_a_held_out_tasks_family_is_refused() -> None:
    rows = [origin(0, task="qa", split="heldout"), origin(1, family_id="0"), origin(2)]
    mark_heldout_families(rows, ("qa",))
    assert [row["reason"] for row in rows] == [None, "heldout_family", None]


def test_a_plan_over_more_packs_than_a_shard_holds() -> None:
    count = 2 * SHARD_PACKS + 10  # two rows of half a pack each: SHARD_PACKS + 5 packs
    rows = [origin(i) for i in range(count)]
    ledger, shards = plan(rows, [render(i) for i in range(count)], seq_len=32)
    assert [(s.path, s.first_pack, s.num_packs) for s in shards] == [
        ("train/shard-00000.arrow", 0, SHARD_PACKS),
        ("train/shard-00001.arrow", SHARD_PACKS, 5),
    ]
    places = placements(ledger, shards)
    assert len({(p.shard, p.pack, p.slot) for p in places.values()}) == count
    assert sorted(p.row for p in places.values()) == list(range(count))
    assert max(p.pack for p in places.values() if p.shard.endswith("1.arrow")) == 4


def test_counts_worked_by_hand() -> None:
    rows = [origin(0), origin(1), origin(2), origin(3, split="heldout"), origin(4, reason="no_answer")]
    late = render(0, epoch=1, num_tokens=None, num_trained_tokens=None, reason="too_long", detail="x")
    renders = [render(0), late, render(1, num_tokens=15), render(2, num_tokens=8), render(3, split="heldout")]
    ledger, _ = plan(rows, renders, seq_len=32)
    stats = summarize(
        CONFIG, origins=rows, renders=renders, rows=ledger, dialects={"s": ["utf-8"]}, vocab_size=9
    )
    assert stats["sources"]["s"]["records"] == 5
    assert stats["sources"]["s"]["rejected"] == {"no_answer": 1}
    assert stats["splits"]["train"] == {
        "rows": 3,
        "families": 3,
        "packs": 2,
        "tokens": 39,
        "trained_tokens": 12,
        "fill": round(39 / 64, 6),
    }
    assert stats["unrendered"] == {"too_long": 1}
    assert stats["splits"]["heldout"]["tokens"] == 16
    assert stats["tasks"]["t"]["rows"] == {"train": 3, "heldout": 1}
    assert stats["tasks"]["t"]["majority_answer"] == "긍정"  # rows 1 and 2 of the train split
    assert stats["row_tokens"] == {"edges": [0, 16, 32], "counts": [2, 1]}
    assert stats["chars_per_token"] == {"ko": round(128 / 55, 4)}
