"""Near duplicates over all rows: who loses against whom."""

import numpy as np
import pyarrow as pa
import pytest

from data_pipeline.config import SplitConfig
from data_pipeline.dedup.signatures import NUM_PERM
from data_pipeline.rows.identity import family_id, split_of
from tests.data_pipeline.dedup.leak_seeds import (
    Draft,
    NearDuplicate,
    connect,
    near_duplicates,
    near_table,
    row,
)

REVIEW = "새로 산 의자가 생각보다 편하고 조립도 쉬워서 온 가족이 모두 만족하면서 아주 잘 쓰고 있습니다."
SUBJECTS = ("의자", "책상", "냉장고", "자전거", "이불", "우산", "시계", "가방", "신발", "전화기")


def find(
    *rows: tuple[str, Draft], threshold: float = 0.8, heldout: tuple[str, ...] = ()
) -> list[NearDuplicate]:
    return list(near_duplicates(connect(r=near_table(rows, heldout=heldout)), "r", threshold=threshold))


def from_values(rows: list[tuple[str, np.ndarray]], threshold: float = 0.8) -> list[NearDuplicate]:
    """Made signatures instead of texts."""
    table = pa.table(
        {
            "family_id": [family for family, _ in rows],
            "split": ["train"] * len(rows),
            "near_words": pa.array([None] * len(rows), pa.uint64()),
            "ord": pa.array(range(0, 10 * len(rows), 10), pa.int64()),
            "signature": pa.array([values.tolist() for _, values in rows], pa.list_(pa.uint32())),
        }
    )
    return list(near_duplicates(connect(r=table), "r", threshold=threshold))


def values(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**32, NUM_PERM, dtype=np.uint32)


def step(base: np.ndarray, changed: int) -> np.ndarray:
    """The same but for the first `changed` values of each half."""
    other = values(changed + 1000)
    half = NUM_PERM // 2
    return np.concatenate(
        [other[:changed], base[changed:half], other[half : half + changed], base[half + changed :]]
    )


def test_the_later_family_loses() -> None:
    found = find(
        ("a", row(REVIEW, "긍정")), ("b", row("전혀 다른 이야기", "네")), ("c", row(REVIEW + "!", "긍정"))
    )
    assert [(n.loser_family, n.winner_family, n.loser_ord, n.winner_ord) for n in found] == [("c", "a", 2, 0)]
    assert found[0].similarity >= 0.8


COLD = "겨울 아침에 일어나자마자 세면대에서 찬물을 틀어 얼굴을 씻었더니 잠이 완전히 달아나 버렸다고 한다."


@pytest.mark.parametrize("other", ["더운물", "맹물", "찬물과 비누"])
def test_rows_of_a_label_task_that_differ_in_a_word_both_stay(other: str) -> None:
    one, two = row(COLD, "참", label="참"), row(COLD.replace("찬물", other), "참", label="참")
    assert find(("a", one), ("b", two), threshold=0.7) == []
    # Nearly the same may not stand on both sides of the held-out split.
    assert len(find(("a", one), ("b", two), threshold=0.7, heldout=("b",))) == 1


def test_rows_of_a_label_task_with_the_same_words_are_near() -> None:
    one, two = row(COLD, "참", label="참"), row(COLD.replace("얼굴을", "얼굴은") + "!", "참", label="참")
    assert len(find(("a", one), ("b", two), threshold=0.7)) == 1


def test_a_word_more_or_less_is_near_where_the_answer_is_a_text() -> None:
    answer = "찬물로 얼굴을 씻으면 잠이 달아난다는 이야기로, 누구나 겪어 본 일을 적은 글입니다."
    assert (
        len(find(("a", row(COLD, answer)), ("b", row(COLD.replace("찬물", "더운물"), answer)), threshold=0.7))
        == 1
    )


def test_variants_of_a_family_stay() -> None:
    assert (
        find(("a", row(REVIEW, "긍정")), ("a", row(REVIEW + "!", "긍정")), ("a", row(REVIEW, "긍정"))) == []
    )


def test_all_rows_of_a_losing_family_are_named() -> None:
    found = find(
        ("a", row(REVIEW, "긍정")), ("b", row(REVIEW + "!", "긍정")), ("b", row(REVIEW + "!", "긍정"))
    )
    assert [(n.loser_ord, n.winner_ord) for n in found] == [(1, 0), (2, 0)]


def test_equal_texts_of_two_families() -> None:
    found = find(("a", row(REVIEW, "긍정")), ("b", row(REVIEW, "긍정")), ("a", row(REVIEW, "긍정")))
    assert found == [NearDuplicate("b", "a", 1.0, 1, 0)]


def test_a_chain_is_cut_where_the_winner_is_gone() -> None:
    """b is near a, c is near b only: b goes, so c has nobody to lose against."""
    a = values(1)
    b = step(a, 10)
    c = b.copy()
    c[30:42], c[94:106] = values(5)[:12], values(6)[:12]
    found = from_values([("a", a), ("b", b), ("c", c), ("d", c)])
    assert [(n.loser_family, n.winner_family) for n in found] == [("b", "a"), ("d", "c")]
    assert found[0].similarity == pytest.approx(54 / 64)


def test_only_the_near_rows_of_a_declared_family_go() -> None:
    found = find(
        ("a", row(REVIEW, "긍정")),
        ("passage", row("도서관은 언제 문을 여나요? 아침 아홉 시라고 적혀 있어요.", "아침")),
        ("passage", row(REVIEW + "!", "긍정")),
    )
    assert [(n.loser_ord, n.winner_ord) for n in found] == [(2, 0)]


def test_the_result_is_that_of_comparing_all_with_all() -> None:
    chance = np.random.default_rng(3)
    rows: list[tuple[str, np.ndarray]] = []
    for family in range(300):
        base = values(int(chance.integers(0, 40)))
        rows.append((f"f{family}", step(base, int(chance.integers(0, 24)))))
    kept: list[int] = []
    expected = []
    for i, (family, own) in enumerate(rows):
        near = [k for k in kept if (own == rows[k][1]).reshape(2, -1).mean(axis=1).min() >= 0.8]
        if near:
            expected.append((family, rows[near[0]][0]))
        else:
            kept.append(i)
    found = [(n.loser_family, n.winner_family) for n in from_values(rows)]
    assert len(expected) > 50
    assert len(set(found) ^ set(expected)) <= 0.04 * len(
        expected
    )  # bands find 99 % of what is at the threshold


def test_boilerplate_is_not_compared_all_with_all() -> None:
    """3,000 copies of one text, each a little different, in the same buckets: 4.5 million pairs."""
    base = values(1)
    rows = []
    for i in range(3000):
        own = base.copy()
        own[i % 64], own[64 + i % 64] = i, i
        rows.append((f"f{i}", own))
    found = from_values(rows)
    assert len(found) == 2999
    assert {n.winner_family for n in found} == {"f0"}


def test_an_empty_relation() -> None:
    assert find() == []


def test_nothing_is_left_behind() -> None:
    con = connect(r=near_table([("a", row(REVIEW, "긍정")), ("b", row(REVIEW, "긍정"))]))
    first = list(near_duplicates(con, "r", threshold=0.8))
    assert first == list(near_duplicates(con, "r", threshold=0.8))
    tables = con.execute("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'near%'").fetchall()
    assert tables == [("near_losers",)]


VERBS = ("감정을 판단해", "어떤 느낌인지 말해", "좋은지 나쁜지 골라", "평가를 분류해")
WORDINGS = [f"{verb} {end}" for verb in VERBS for end in ("주세요.", "줄래?", "줘.", "주시겠어요?")]


@pytest.mark.parametrize("num_inputs", [3, 100])
def test_an_expanded_corpus_keeps_all_its_variants_on_one_side(num_inputs: int) -> None:
    """16 wordings x inputs, as rows: none is a duplicate, and no family is split."""
    things = [(SUBJECTS[i % 10], SUBJECTS[i // 10], SUBJECTS[(3 * i + 1) % 10]) for i in range(num_inputs)]
    inputs = [f"{a} 옆에 {b} 놓고 {i}일 동안 써 보니 {c}보다 좋네요." for i, (a, b, c) in enumerate(things)]
    drafts = [row(text, "긍정", label="긍정", instruction=wording) for text in inputs for wording in WORDINGS]
    families = [family_id(draft) for draft in drafts]
    assert len(drafts) == 16 * num_inputs
    assert len(set(families)) == num_inputs
    assert find(*zip(families, drafts, strict=True)) == []
    config = SplitConfig.model_validate({"val": 0.2, "heldout": 0.3})
    sides = {
        (family, split_of(family, draft["task"], config=config, seed=0))
        for family, draft in zip(families, drafts, strict=True)
    }
    assert len(sides) == num_inputs
    assert num_inputs < 100 or {side for _, side in sides} == {"train", "val", "heldout"}
