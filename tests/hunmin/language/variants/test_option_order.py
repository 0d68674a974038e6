"""Options in another order: the right one stays right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunmin.language.answers.forms import options
from hunmin.language.variants.option_order import reordered

QUESTION = "다음 중 과일은?\n(A) 사과\n(B) 돌\n(C) 물\n(D) 불\n하나를 고르세요."


@given(st.integers(0, 2**64 - 1), st.sampled_from("ABCD"))
def test_the_answer_means_the_same_option(draw: int, mark: str) -> None:
    before = options(QUESTION)
    found = reordered(QUESTION, [mark, f"({mark})", before[mark], f"({mark}) {before[mark]}"], draw=draw)
    assert found is not None
    text, (alone, bracketed, said, both) = found
    after = options(text)
    assert after != before
    assert sorted(after.values()) == sorted(before.values())
    assert after[alone] == said == before[mark]
    assert bracketed == f"({alone})"
    assert both == f"({alone}) {said}"
    assert text.replace("\n", "").startswith("다음 중 과일은?(A)")
    assert text.endswith("하나를 고르세요.")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("다음 중 과일은? (A) 사과 (B) 배", "포도"),  # not one of them
        ("Which? A) cat B) dog C) both of the above", "A"),
        ("고르세요. 1. 참 2. 거짓 3. 위의 것 모두", "1"),
        ("고르세요. ① 참 ② 참", "①"),
        ("1. 물을 끓인다\n2. 면을 넣는다\n몇 단계인가요?", "2"),  # steps, and nothing to choose
        ("과일은 무엇인가요?", "사과"),
    ],
)
def test_an_order_that_matters_or_may_matter_stays(text: str, answer: str) -> None:
    assert reordered(text, [answer], draw=0) is None


def test_options_in_a_line_and_numbers() -> None:
    assert reordered("Which barks? A) cat B) dog C) bird", ["B"], draw=0) == (
        "Which barks? A) bird B) cat C) dog",
        ["C"],
    )
    assert reordered("보기에서 고르세요.\n1. 봄\n2. 눈", ["2번"], draw=5) == (
        "보기에서 고르세요.\n1. 눈\n2. 봄",
        ["1번"],
    )
