"""What only shows over whole sources: texts of two tasks, answers in another language than the requests."""

from pathlib import Path

import pytest
from database_rows import accounts_of, origin

from data_pipeline.config import DataConfig
from data_pipeline.rows.identity import asked_key
from data_pipeline.stats.sources_compared import languages_of, notes, shared_texts

CONFIG = DataConfig.model_validate(
    {"sources": [{"name": name, "format": "alpaca", "path": "x"} for name in ("a", "b")]}
)


def rows_of(source: str, task: str, keys: range, *, first: int, **changes: object) -> list[dict]:
    return [
        origin(first + i, source=source, task=task, asked_key=key, **changes) for i, key in enumerate(keys)
    ]


def test_the_same_texts_in_two_sources_under_two_tasks_are_said_once(tmp_path: Path) -> None:
    rows = rows_of("a", "sentiment", range(10), first=0) + rows_of("b", "topic", range(2, 7), first=20)
    database = accounts_of(tmp_path, rows)
    shared = shared_texts(database)
    assert shared == [{"sources": ["a", "b"], "tasks": ["sentiment", "topic"], "texts": 5, "share": 1.0}]
    (note,) = notes(database, CONFIG.sources, shared)
    assert "a and b hold 5 of the same texts (100% of the smaller one's)" in note
    assert "sentiment and topic" in note


@pytest.mark.parametrize(
    ("task", "keys"),
    [("sentiment", range(10)), ("topic", range(9, 60)), ("topic", range(100, 110))],
)
def test_the_same_task_and_a_few_equal_texts_are_no_news(tmp_path: Path, task: str, keys: range) -> None:
    rows = rows_of("a", "sentiment", range(10), first=0) + rows_of("b", task, keys, first=20)
    assert shared_texts(accounts_of(tmp_path, rows)) == []


def language_rows(*pairs: tuple[str, str], task: str = "t") -> list[dict]:
    return [
        origin(i, source="a", task=task, asked_language=asked, said_language=said)
        for i, (asked, said) in enumerate(pairs)
    ]


def test_languages_are_counted_and_a_source_that_answers_in_another_is_named(tmp_path: Path) -> None:
    database = accounts_of(tmp_path, language_rows(*[("en", "ko")] * 19, ("ko", "ko"), ("ko", "und")))
    assert languages_of(database, "a") == {"en": {"ko": 19}, "ko": {"ko": 1, "und": 1}}
    (note,) = notes(database, CONFIG.sources, [])
    assert "source a: 19 of 20 answers are in another language than what is asked, mostly ko to en" in note


@pytest.mark.parametrize(
    ("pairs", "task"),
    [
        ([("ko", "ko")] * 5, "t"),
        ([("ko", "code")] * 5, "t"),
        ([("ko", "en")] * 5 + [("ko", "ko")] * 5, "t"),
        ([("ko", "en")] * 5, "translation"),
        ([], "t"),
    ],
)
def test_other_sources_are_not_named(tmp_path: Path, pairs: list[tuple[str, str]], task: str) -> None:
    database = accounts_of(tmp_path, language_rows(*pairs, task=task) or [origin(0)])
    assert notes(database, CONFIG.sources, []) == []


def test_what_is_asked_about_is_the_same_whatever_the_task() -> None:
    def row(instruction: str | None, asked: str | None, answer: str) -> dict:
        fields = {"instruction": instruction, "input": asked, "answer": answer}
        return {"fields": fields, "messages": None}

    one = asked_key(row(None, "영화가  좋다", "긍정"))  # type: ignore[arg-type]
    assert one == asked_key(row("주제는?", "영화가 좋다", "문화"))  # type: ignore[arg-type]
    assert one != asked_key(row(None, "영화가 싫다", "긍정"))  # type: ignore[arg-type]
    assert asked_key(row(None, None, "긍정")) is None  # type: ignore[arg-type]
