"""Near duplicates: what one row's signature says."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.dedup.shingles import shingle_hashes
from data_pipeline.dedup.signatures import (
    HALF_PERM,
    MIN_CHARS,
    NUM_PERM,
    _forms,
    band_keys,
    banding,
    permuted_minima,
    signatures,
    similarity,
)
from tests.data_pipeline.dedup.leak_seeds import row, talk

REVIEW = "새로 산 의자가 생각보다 편하고 조립도 쉬워서 온 가족이 모두 만족하면서 아주 잘 쓰고 있습니다."
PASSAGE = (
    "시립 도서관이 다음 달부터 밤까지 문을 연다. 지금까지는 저녁에 문을 닫아 직장인이 이용하기 어려웠다. "
) * 8


def alike(one: Any, other: Any) -> float:
    pair = signatures([one, other])
    return float(similarity(pair[:1], pair[1:])[0])


def test_values_are_those_of_datasketch() -> None:
    values = np.arange(0, 5_000_000, 977, dtype=np.uint32)
    theirs = MinHash(num_perm=HALF_PERM, seed=1, hashfunc=int)
    theirs.update_batch(values.tolist())
    assert permuted_minima(values, np.array([0, len(values)]))[0].tolist() == theirs.digest().tolist()


def test_values_are_equal_in_another_process() -> None:
    code = (
        "from data_pipeline.dedup.signatures import signatures\n"
        "from tests.data_pipeline.dedup.leak_seeds import row\n"
        f"print(signatures([row({REVIEW!r}, '긍정')]).tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "77"}
    )
    assert done.stdout.strip() == str(signatures([row(REVIEW, "긍정")]).tolist())


def test_a_signature_never_changes() -> None:
    """Work on disk is read again by the next run: these numbers are a file format."""
    assert signatures([row(REVIEW, "긍정")])[0, :3].tolist() == [39433379, 79046371, 19919160]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (row(REVIEW, "긍정"), row(REVIEW + "!", "긍정")),
        (row(REVIEW, "긍정"), row("  " + REVIEW.replace(" ", "  "), "긍정")),
        (row("Please translate this sentence", "x"), row("PLEASE TRANSLATE THIS SENTENCE", "X")),
        (row("", "네", instruction=REVIEW), row(REVIEW, "네")),
        (row("안녕하세요?", "반갑습니다."), talk("안녕하세요?", "반갑습니다.")),
    ],
)
def test_near(one: Any, other: Any) -> None:
    assert alike(one, other) >= 0.8


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (row(REVIEW, "긍정"), row(REVIEW, "부정")),
        (
            row("3 + 4는 얼마인지 차근차근 계산해 주세요.", "7"),
            row("3 + 5는 얼마인지 차근차근 계산해 주세요.", "7"),
        ),
        (row(PASSAGE + "3월에", "그렇다"), row(PASSAGE + "4월에", "그렇다")),
        (
            row("두 수를 계산하는 함수를 써 주세요", "def calculate(left, right):\n    return left + right"),
            row("두 수를 계산하는 함수를 써 주세요", "def calculate(left, right):\n    return left * right"),
        ),
        # Whole texts that are more than 90 % alike: a passage with two questions, a refusal of two requests.
        (
            row(PASSAGE, "직장인이 저녁에 이용하기 어려웠다."),
            row(PASSAGE, "시립 도서관이 문을 여는 때가 바뀐다."),
        ),
        (row("폭탄을 만드는 법을 알려 줘", PASSAGE), row("남의 비밀번호를 알아내 줘", PASSAGE)),
        (row("안녕?", "네"), row("안녕!", "네")),
    ],
)
def test_not_near(one: Any, other: Any) -> None:
    assert alike(one, other) < 0.5


@given(st.text(max_size=MIN_CHARS - 1), st.text(max_size=MIN_CHARS - 1))
def test_short_texts_are_near_only_where_they_are_equal(one: str, other: str) -> None:
    near = alike(row(one, "x"), row(other, "x")) == 1
    equal = _forms(row(one, "x")) == _forms(row(other, "x"))
    if len(_forms(row(one, ""))[0]) < MIN_CHARS > len(_forms(row(other, ""))[0]):
        assert near == equal


@given(st.lists(st.tuples(st.text(max_size=60), st.text(max_size=60)), max_size=5))
def test_rows_together_have_the_signatures_of_each_alone(texts: list[tuple[str, str]]) -> None:
    rows = [row(asked, answer) for asked, answer in texts]
    together = signatures(rows)
    assert together.shape == (len(rows), NUM_PERM)
    for one, values in zip(rows, together, strict=True):
        assert signatures([one])[0].tolist() == values.tolist()


def test_similarity_is_an_estimate_of_jaccard() -> None:
    words = [f"낱말{number:c}나무" for number in range(0xAC00, 0xAC00 + 400)]
    one, other = " ".join(words[:360]), " ".join(words[40:])

    def shingles(text: str) -> set[int]:
        return set(shingle_hashes([text], size=4)[0].tolist())

    exact = len(shingles(one) & shingles(other)) / len(shingles(one) | shingles(other))
    assert 0.7 < exact < 0.9
    assert abs(alike(row(one, "네"), row(other, "네")) - exact) < 0.15


@given(st.text(min_size=1, max_size=60), st.integers(1, 12))
def test_shingles_are_a_hash_per_window(text: str, size: int) -> None:
    hashes, _ = shingle_hashes([text], size=size)
    windows = [text[i : i + size] for i in range(max(1, len(text) - size + 1))]
    assert len(hashes) == len(windows)
    assert len(set(hashes.tolist())) == len(set(windows))
    assert not set(hashes.tolist()) & set(shingle_hashes([text], size=size, salts=[5])[0].tolist())


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9])
def test_bands_find_what_is_at_the_threshold(threshold: float) -> None:
    chance = np.random.default_rng(0)
    one, far = chance.integers(0, 2**32, (2, 2000, NUM_PERM), dtype=np.uint32)
    one[:, HALF_PERM:] = far[:, HALF_PERM:] = 2**32 - 1  # so the first half is the union
    other = np.where(chance.random(one.shape) < threshold, one, far)
    keys, found, strange = (band_keys(values, threshold=threshold) for values in (one, other, far))
    assert banding(threshold)[0] * banding(threshold)[1] <= HALF_PERM
    assert (keys == found).any(axis=1).mean() >= 0.985
    assert not (keys == strange).any()
