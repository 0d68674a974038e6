"""Decisions over the whole corpus, on rows that trip one rule each."""

from collections import Counter
from pathlib import Path

from database_rows import accounts_of, origin, refused, render

from data_pipeline.config import DataConfig
from data_pipeline.database import decisions
from data_pipeline.database.row_database import RowDatabase

CONFIG = DataConfig.model_validate(
    {
        "sources": [{"name": "s", "format": "alpaca", "path": "x"}],
        "epochs": 2,
        "split": {"heldout_tasks": ["qa"]},
    }
)


def test_duplicates_name_the_first_and_keep_it(tmp_path: Path) -> None:
    late = origin(2, text_key="0", reason="no_answer", detail="x")
    database = accounts_of(tmp_path, [origin(0), origin(1, text_key="0"), late, origin(3)])
    assert decisions.refuse_duplicates(database) == 1
    assert refused(database) == {1: ("duplicate", "of s:f:0.0"), 2: ("no_answer", "x")}


def test_a_row_that_shares_a_held_out_tasks_family_is_refused(tmp_path: Path) -> None:
    rows = [origin(0, task="qa", split="heldout"), origin(1, family_id="0"), origin(2)]
    database = accounts_of(tmp_path, rows)
    assert decisions.refuse_heldout_families(database, CONFIG) == 1
    assert refused(database) == {1: ("heldout_family", "family 0")}


def test_a_row_is_refused_only_if_no_epoch_rendered_it(tmp_path: Path) -> None:
    late = {"reason": "too_long", "detail": "first epoch"}
    other = {"reason": "no_trained_tokens", "detail": "second epoch"}
    renders = [render(0, **late), render(0, epoch=1), render(1, epoch=1, **other), render(1, **late)]
    database = accounts_of(tmp_path, [origin(0), origin(1)], renders)
    assert decisions.refuse_unrendered(database) == 1
    assert refused(database) == {1: ("too_long", "first epoch")}


def test_a_folder_named_like_a_column_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "language=ko" / "epoch=7"
    folder.mkdir(parents=True)
    database = accounts_of(folder, [origin(0, language="en")], [render(0, language="en")])
    assert database.rows("SELECT language FROM rows") == [{"language": "en"}]
    assert database.rows("SELECT language, epoch FROM renders") == [{"language": "en", "epoch": 0}]
    database.view_of_parts("seen", "ord, language", [folder / "rows-1.parquet"])
    assert database.rows("SELECT language FROM seen") == [{"language": "en"}]


def test_one_prompt_with_several_answers_follows_the_rule(tmp_path: Path) -> None:
    answers = {0: "a", 1: "b", 2: "b", 3: "c"}
    kept = {"keep_all": {0, 1, 2, 3, 4}, "first": {0, 4}, "majority": {1, 2, 4}, "reject": {4}}
    for rule, expected in kept.items():
        rows = [origin(i, prompt_key="p", answer_key=answer) for i, answer in answers.items()]
        folder = tmp_path / rule
        folder.mkdir()
        database = accounts_of(folder, [*rows, origin(4)])
        config = CONFIG.model_copy(update={"same_prompt": rule})
        assert decisions.judge_same_prompts(database, config) == {"prompts": 1, "rows": 4}
        assert {line["ord"] for line in database.rows("SELECT ord FROM alive")} == expected
        assert {reason for reason, _ in refused(database).values()} <= {"same_prompt"}


def jobs(database: RowDatabase) -> list[tuple[int, int, int]]:
    found = database.rows("SELECT * FROM jobs ORDER BY ord, epoch, repeat")
    return [(line["ord"], line["epoch"], line["repeat"]) for line in found]


def test_every_train_row_once_an_epoch_and_others_once(tmp_path: Path) -> None:
    rows = [origin(0), origin(1, split="val"), origin(2, split="heldout"), origin(3, num_variants=2)]
    database = accounts_of(tmp_path, rows)
    decisions.plan_jobs(database, CONFIG, seed=0)
    once = [(0, 0, 0), (0, 1, 0), (1, 0, 0), (2, 0, 0)]
    assert jobs(database) == [*once, (3, 0, 0), (3, 0, 1), (3, 1, 0), (3, 1, 1)]


def test_a_capped_and_a_repeated_source(tmp_path: Path) -> None:
    sources = [
        {"name": "s", "format": "alpaca", "path": "x", "max_rows": 5},
        {"name": "t", "format": "alpaca", "path": "x", "epochs": 2.5},
    ]
    config = DataConfig.model_validate({"sources": sources, "epochs": 2})
    rows = [origin(i) for i in range(10)] + [origin(100 + i, source="t") for i in range(4)]
    database = accounts_of(tmp_path, rows)
    plan = decisions.plan_jobs(database, config, seed=0)
    assert {name: share.rows_per_epoch for name, share in plan.items()} == {"s": 5, "t": 10}
    found = jobs(database)
    assert len(set(found)) == len(found)
    for epoch in (0, 1):
        often = Counter(place for place, at, _ in found if at == epoch)
        assert sum(n for place, n in often.items() if place < 100) == 5
        assert sorted(n for place, n in often.items() if place >= 100) == [2, 2, 3, 3]
    assert {place for place, _, _ in found if place < 100} == set(range(10))  # each in one of two epochs
    assert refused(database) == {}


def test_rows_that_no_epoch_takes_are_refused_by_name(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"sources": (CONFIG.sources[0].model_copy(update={"max_rows": 3}),)})
    database = accounts_of(tmp_path, [*(origin(i) for i in range(10)), origin(10, split="val")])
    decisions.plan_jobs(database, config, seed=0)
    taken = {place for place, _, _ in jobs(database)}
    assert len(taken) == 3 * 2 + 1
    assert {*refused(database)} == set(range(11)) - taken
    assert {reason for reason, _ in refused(database).values()} == {"over_mix"}
    assert database.number("SELECT count(*) FROM eligible") == 11
