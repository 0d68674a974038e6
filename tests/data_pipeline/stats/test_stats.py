import json
from pathlib import Path

import numpy as np
import pytest
from database_rows import accounts_of, origin, render

from data_pipeline.augment.mix import SourcePlan, draw_copies, plan_mix
from data_pipeline.build.work_folder import WorkFolder
from data_pipeline.config import DataConfig
from data_pipeline.database.places import place_rows
from data_pipeline.stats.part_counts import PartCounts
from data_pipeline.stats.stats import Decided, summarize
from data_pipeline.tasks.tasks import Task
from hunmin.schema import Stats

CONFIG = DataConfig.model_validate(
    {"sources": [{"name": "s", "format": "alpaca", "path": "x"}], "seq_len": 32}
)
TASK = Task.model_validate(
    {
        "name": "t",
        "wordings": [
            {"id": "ask", "language": "ko", "axis": "expression", "text": "무엇입니까?"},
            {"id": "formal", "language": "ko", "axis": "tone", "text": "답하십시오."},
            {"id": "later", "language": "ko", "axis": "tone", "text": "답해 줘.", "heldout": True},
        ],
    }
)


def stats_of(
    folder: Path,
    rows: list[dict],
    renders: list[dict],
    *,
    config: DataConfig = CONFIG,
    leaks: dict[str, int] | None = None,
    mix: dict[str, SourcePlan] | None = None,
) -> Stats:
    """Rows and renderings, packed and counted."""
    database = accounts_of(folder, rows, renders)
    place_rows(database, seq_len=config.seq_len, work=WorkFolder(folder))
    decided = Decided(same_prompt={"prompts": 1, "rows": 2}, leaks=leaks or {}, mix=mix or {})
    dialects = {source.name: ["utf-8"] for source in config.sources}
    found = summarize(
        database, config, decided, dialects=dialects, vocab_size=9, tasks={"t": TASK}, tally=PartCounts()
    )
    assert json.loads(json.dumps(found)) == found
    return found


def test_counts_worked_by_hand(tmp_path: Path) -> None:
    dropped = origin(4, reason="no_answer", detail="x")
    rows = [origin(0), origin(1), origin(2), origin(3, split="heldout"), dropped]
    late = render(0, epoch=1, num_tokens=None, num_trained_tokens=None, reason="too_long", detail="x")
    renders = [
        render(0),
        late,
        render(1, num_tokens=15),
        render(2, num_tokens=8),
        render(3, split="heldout", idx=None),
    ]
    stats = stats_of(tmp_path, rows, renders)
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
    assert stats["same_prompt"] == {"prompts": 1, "rows": 2, "rule": "keep_all"}


def test_wordings_pair_in_train_only_and_those_that_never_did_are_named(tmp_path: Path) -> None:
    rows = [origin(0), origin(1), origin(2, split="val")]
    renders = [
        render(0, wording_id="t/ask"),
        render(0, epoch=1, wording_id="t/ask"),
        render(1, wording_id="t/formal", reason="too_long", num_tokens=None, num_trained_tokens=None),
        render(2, split="val", wording_id="t/formal"),
    ]
    wordings = stats_of(tmp_path, rows, renders)["wordings"]
    assert wordings == {
        "pairs": {"t/ask": 2},
        "axes": {"expression": 2, "tone": 0},
        "never_paired": ["t/formal"],  # not t/later, which is held out
    }


def test_wordings_of_tasks_that_are_not_there_are_not_missed(tmp_path: Path) -> None:
    stats = stats_of(tmp_path, [origin(0, task="u")], [render(0, task="u")])
    assert stats["wordings"] == {"pairs": {}, "axes": {}, "never_paired": []}


def test_variants_of_a_source_as_shares_of_its_train_rows(tmp_path: Path) -> None:
    wrapper = "role:own_1+few_shot:2+chain_of_thought+task_prefix"
    rows = [origin(number) for number in range(4)]
    renders = [
        render(0, wording_id="t/ask", wrapper="task_prefix"),
        render(1, transforms=["nfc", "reworded:ko:haeyo"], wrapper=wrapper),
        render(2, wrapper="few_shot:1"),
        render(3),
    ]
    (variants,) = stats_of(tmp_path, rows, renders)["variants"].values()
    assert variants == {
        "rows": 4,
        "wording": 0.25,
        "rewording": 0.25,
        "role": 0.25,
        "few_shot": 0.5,
        "chain_of_thought": 0.25,
        "wrappers": {"few_shot:1": 1, wrapper: 1, "task_prefix": 1},
    }


def test_duplicates_flags_and_masks_are_counted(tmp_path: Path) -> None:
    rows = [
        origin(0, flags=["bias:gender", "harmful_request_refused"], transforms=["nfc", "masked:phone"]),
        origin(1, flags=["bias:gender"], transforms=["masked:phone", "masked:email"]),
        origin(2, reason="duplicate", detail="of s:f:0.0"),
        origin(3, reason="near_duplicate", detail="of s:f:0.0 (similarity 0.91)", flags=["bias:gender"]),
    ]
    stats = stats_of(tmp_path, rows, [render(0), render(1)])
    assert stats["duplicates"] == {"s": {"duplicate": 1, "near_duplicate": 1}}
    assert stats["flags"] == {"bias:gender": 2, "harmful_request_refused": 1}
    assert stats["personal_data"] == {"phone": 2, "email": 1}


def test_what_contamination_was_allowed_is_told(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"allow_contamination": "measuring the gate"})
    found = stats_of(tmp_path, [origin(0)], [render(0)], config=config, leaks={"exact": 2})
    assert found["contamination"] == {"leaks": {"exact": 2}, "allowed": "measuring the gate"}


def test_examples_of_rejects_are_few_short_and_masked(tmp_path: Path) -> None:
    rows = [origin(0)]
    rows += [origin(n, reason="bad", detail=f"{n}: 전화는 010-1234-5678 입니다") for n in range(1, 6)]
    rows += [origin(6, reason="long", detail="가" * 500)]
    examples = stats_of(tmp_path, rows, [render(0)])["rejected_examples"]
    assert examples["bad"] == [
        {"where": f"s:f:{n}.0", "detail": f"{n}: 전화는 [전화번호] 입니다"} for n in (1, 2, 3)
    ]
    assert examples["long"] == [{"where": "s:f:6.0", "detail": "가" * 200 + "…"}]


def mixed(**changes: object) -> DataConfig:
    """Two sources, `a` with changes."""
    sources = [
        {"name": "a", "format": "alpaca", "path": "x"} | changes,
        {"name": "b", "format": "alpaca", "path": "x"},
    ]
    return DataConfig.model_validate({"sources": sources, "seq_len": 4096})


def skewed(num_a: int, num_b: int) -> tuple[list[dict], dict[int, int]]:
    """Rows of source a with answers of very uneven length and short ones of b; ord -> trained tokens."""
    rng = np.random.default_rng(0)
    chars = np.concatenate([rng.lognormal(5, 1.2, num_a), rng.lognormal(2, 0.3, num_b)]).astype(int) + 1
    rows = [
        origin(n, source="a" if n < num_a else "b", num_answer_chars=int(chars[n])) for n in range(len(chars))
    ]
    return rows, {n: max(1, int(chars[n] * rng.uniform(0.4, 0.6))) for n in range(len(chars))}


def rendered(row: dict, tokens: dict[int, int], **changes: object) -> dict:
    trained = tokens[row["ord"]]
    return render(
        row["ord"], source=row["source"], num_trained_tokens=trained, num_tokens=trained + 5, **changes
    )


def test_the_default_mix_comes_out_as_planned(tmp_path: Path) -> None:
    config = mixed()
    rows, tokens = skewed(300, 200)
    plan = plan_mix({"a": 300, "b": 200}, config.sources, config.mix)
    renders = [rendered(row, tokens, epoch=epoch) for row in rows for epoch in range(2)]
    mix = stats_of(tmp_path, rows, renders, config=config, mix=plan)["mix"]
    for shares in mix.values():
        assert shares["planned_rows_share"] == shares["realised_rows_share"]
        assert shares["planned_tokens_share"] == pytest.approx(shares["realised_tokens_share"], abs=2e-6)
    assert mix["a"]["planned_rows_share"] == 0.6
    assert sum(shares["planned_tokens_share"] for shares in mix.values()) == pytest.approx(1, abs=1e-5)


def test_a_mix_that_takes_a_part_is_realised_within_half_a_percent(tmp_path: Path) -> None:
    config = mixed(max_rows=1300)
    rows, tokens = skewed(4000, 2000)
    plan = plan_mix({"a": 4000, "b": 2000}, config.sources, config.mix)
    assert plan["a"].rows_per_epoch == 1300
    renders = [rendered(row, tokens, epoch=epoch) for row in rows[4000:] for epoch in range(2)]
    ranked = sorted(rows[:4000], key=lambda row: (row["num_answer_chars"], row["ord"]))
    for epoch in range(2):
        often = draw_copies(4000, 1300, seed=0, source="a", epoch=epoch)
        renders += [rendered(ranked[at], tokens, epoch=epoch) for at in np.flatnonzero(often)]
    stats = stats_of(tmp_path, rows, renders, config=config, mix=plan)
    for shares in stats["mix"].values():
        assert abs(shares["planned_rows_share"] - shares["realised_rows_share"]) < 0.005
        assert abs(shares["planned_tokens_share"] - shares["realised_tokens_share"]) < 0.005
    assert stats["mix"]["a"]["realised_tokens_share"] > 0.9


def test_a_mix_that_was_not_realised_shows(tmp_path: Path) -> None:
    config = mixed()
    rows, tokens = skewed(300, 200)
    plan = plan_mix({"a": 300, "b": 200}, config.sources, config.mix)
    renders = [rendered(row, tokens) for row in rows if row["ord"] >= 150]
    mix = stats_of(tmp_path, rows, renders, config=config, mix=plan)["mix"]
    assert mix["a"]["planned_rows_share"] == 0.6
    assert mix["a"]["realised_rows_share"] == round(150 / 350, 6)


def test_rows_that_do_not_fit_are_in_neither_share(tmp_path: Path) -> None:
    config = mixed()
    rows, tokens = skewed(300, 200)
    plan = plan_mix({"a": 300, "b": 200}, config.sources, config.mix)
    long = {"reason": "too_long", "num_tokens": None, "num_trained_tokens": None}
    renders = [rendered(row, tokens) | (long if row["ord"] < 100 else {}) for row in rows]
    rows = [row | ({"reason": "too_long"} if row["ord"] < 100 else {}) for row in rows]
    mix = stats_of(tmp_path, rows, renders, config=config, mix=plan)["mix"]
    assert mix["a"]["planned_rows_share"] == mix["a"]["realised_rows_share"] == 0.5
    assert mix["a"]["planned_tokens_share"] == pytest.approx(mix["a"]["realised_tokens_share"], abs=2e-6)


def test_materialised_variants_count_as_one_row(tmp_path: Path) -> None:
    config = mixed()
    rows = [origin(0, source="a", num_variants=3), origin(1, source="b")]
    renders = [render(0, source="a", repeat=repeat) for repeat in range(3)] + [render(1, source="b")]
    plan = plan_mix({"a": 1, "b": 1}, config.sources, config.mix)
    mix = stats_of(tmp_path, rows, renders, config=config, mix=plan)["mix"]
    assert mix["a"]["realised_rows_share"] == mix["a"]["planned_rows_share"] == 0.5
    assert mix["a"]["planned_tokens_share"] == mix["a"]["realised_tokens_share"] == 0.75


def test_keys_that_no_reader_knows_are_counted_by_source(tmp_path: Path) -> None:
    rows = [origin(0, unread_keys=["id", "turns.*.id"]), origin(1, unread_keys=["id"]), origin(2)]
    stats = stats_of(tmp_path, rows, [render(0), render(1), render(2)])
    assert stats["sources"]["s"]["unread_keys"] == {"id": 2, "turns.*.id": 1}
