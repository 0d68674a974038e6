import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunmin.language.answers.final_answer import extract_final_answer, with_final_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("3에 4를 더한다.\n\n정답: 7", "7"),
        ("So 3 + 4 = 7.\nAnswer: 7\n", "7"),
        ("**Final Answer:** 7", "7"),
        ("**정답: 7**", "7"),
        ("## 최종 답안: 부정", "부정"),
        ("정답： 서울", "서울"),
        ("Answer: 5? No.\nAnswer: 6", "6"),
        ("Answer:\ndef f():\n    return 1", "def f():\n    return 1"),
        ("Answer: 7\n\nAnything else?", "7"),
        ("the answer: **B**", "B"),
        ("정답:", None),
        ("문제의 정답: 을 모른다면", None),
        ("no marker here", None),
        ("", None),
    ],
)
def test_the_final_answer_is_found(text: str, answer: str | None) -> None:
    assert extract_final_answer(text) == answer


@given(
    st.text(max_size=60),
    st.text(
        alphabet=st.characters(blacklist_characters=":：*_\n\r\x85\u2028\u2029\x0b\x0c\x1c\x1d\x1e"),
        min_size=1,
    ),
    st.sampled_from(["ko", "en"]),
)
def test_a_one_line_answer_is_found_whatever_the_steps(steps: str, answer: str, language: str) -> None:
    found = extract_final_answer(with_final_answer(steps, answer, language=language))
    assert found == (answer.strip() or None)


def test_an_answer_of_several_lines_starts_below_the_marker() -> None:
    code = "def f():\n    return 1"
    assert with_final_answer("Steps.\n", code, language="en") == f"Steps.\n\nAnswer:\n{code}"
    assert extract_final_answer(with_final_answer("단계.", code, language="ko")) == code
