import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.stats.diversity import NgramCount, TaskTexts, quantiles

WORDS = st.lists(st.sampled_from(["가다", "나비", "a", "B", "c"]), max_size=8).map(" ".join)
ROWS = st.lists(st.tuples(WORDS, WORDS, WORDS), max_size=6)


def texts_of(*groups: list[tuple[str, str, str]]) -> TaskTexts:
    texts = TaskTexts()
    for group in groups:
        texts.add(group)
    return texts


def test_ngrams_counted_by_hand() -> None:
    count = NgramCount()
    count.add(["새 책 새 책", "책, 새!", "새"])
    # words: 새 책 새 책 | 책 새 | 새; pairs: 새책 책새 새책 | 책새; triples: 새책새 책새책
    assert count.totals == [7, 4, 2]
    assert count.summary() == {
        "words": 7,
        "distinct_1": round(2 / 7, 4),
        "distinct_2": 0.5,
        "distinct_3": 1.0,
    }


def test_no_text_at_all_has_no_share() -> None:
    count = NgramCount()
    count.add(["", "?!"])
    assert count.summary() == {"words": 0, "distinct_1": 0.0, "distinct_2": 0.0, "distinct_3": 0.0}


@given(st.lists(WORDS, max_size=6))
def test_ngrams_equal_a_count_with_sets(texts: list[str]) -> None:
    count = NgramCount()
    count.add(texts)
    for index, order in enumerate((1, 2, 3)):
        words = [text.casefold().split() for text in texts]
        grams = [tuple(one[at : at + order]) for one in words for at in range(len(one) - order + 1)]
        assert count.totals[index] == len(grams)
        assert count.distinct[index].estimate() == len(set(grams))


@given(ROWS, ROWS)
def test_merged_parts_are_one_whole_through_json(a: list, b: list) -> None:
    whole, merged = texts_of(a + b), texts_of()
    for part in (texts_of(b), texts_of(a)):
        merged.merge(TaskTexts.from_json(json.loads(json.dumps(part.to_json()))))
    assert merged.summary() == whole.summary()


def test_verbs_and_lengths_of_a_task() -> None:
    summary = texts_of(
        [
            ("다음 문장을 번역해 주세요.", "날이 맑다", "It is clear."),
            ("번역하시오", "", "ok"),
            ("Translate this.", "비", "rain"),
            ("무슨 뜻인가요?", "비", "rain"),
        ]
    ).summary()
    assert summary["rows"] == 4
    assert summary["verbs"] == {"번역하다": 2, "translate": 1}
    assert summary["rows_with_verb"] == 3
    assert summary["lengths"]["input"] == {"min": 0, "median": 1, "p95": 5, "max": 5}
    assert summary["lengths"]["answer"]["max"] == 12


@pytest.mark.parametrize(
    ("values", "median", "p95"),
    [([5], 5, 5), ([1, 2], 1, 2), ([1, 2, 3], 2, 3), (list(range(1, 101)), 50, 95), ([0] * 99 + [7], 0, 0)],
)
def test_quantiles_by_hand(values: list[int], median: int, p95: int) -> None:
    assert quantiles(Counter(values)) == {
        "min": min(values),
        "median": median,
        "p95": p95,
        "max": max(values),
    }
