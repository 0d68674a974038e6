"""Rewordings as a whole: only the ending or the frame differs, words are never cut."""

from difflib import SequenceMatcher

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hunmin.language.protected import protected
from hunmin.language.variants.rewordings import MAX_CHARS, Rewording, reword, rewordings

# Words that hold 이, 다음, 은, 는, 해, 주세요 … inside: what replacing strings would break.
_WORDS = """
    파이썬 아이디어 바이올린 다이어트 다음날 이야기 어린이 고양이 종이 나이 사이 오이 다이아몬드 놀이터
    마이크 하이픈 이음새 다음번 해주세요체 주세요병 설명서 요약본 번역기 은하수 는개 가을 나무 세계
    하세요체 십시오체 줘팀 이이 이번 까마귀 니트 나요 라디오 기차 것대장 요리 시오니즘 해바라기
"""
WORDS = _WORDS.split()
SENTENCES = (
    "다음 {}의 뜻을 세 문장으로 설명해 주세요.",
    "{}에 대한 글을 요약하세요.",
    "{}(이)라는 낱말로 짧은 글을 써 줘.",
    "‘{}’의 특징을 3가지 나열하시오.",
    "{}의 역사는 언제 시작되었나요?",
    "{}의 쓰임은 무엇입니까?",
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(WORDS), st.sampled_from(SENTENCES))
def test_words_are_never_cut(word: str, sentence: str) -> None:
    text = sentence.format(word)
    for found in rewordings(text, language="ko"):
        assert found.text.index(word) == text.index(word)
        same = SequenceMatcher(None, text, found.text, autojunk=False).find_longest_match()
        assert (same.a, same.b) == (0, 0)  # it starts as it did; only its end is another
        assert len(text) - same.size <= 12
        assert protected(found.text, language="ko") == protected(text, language="ko")


def test_python_stays_python() -> None:
    found = rewordings("다음 파이썬 코드를 이 표와 같이 설명해 주세요.", language="ko")
    assert len(found) > 8
    for one in found:
        assert one.text.startswith("다음 파이썬 코드를 이 표와 같이 설명")
        assert "파다음썬" not in one.text


def test_the_sample_of_words_is_reworded_at_all() -> None:
    texts = [sentence.format(word) for word in WORDS for sentence in SENTENCES[:2]]
    assert sum(bool(rewordings(text, language="ko")) for text in texts) > 0.8 * len(texts)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["write", "explain", "describe", "translate", "find", "summarize"]),
    st.lists(
        st.sampled_from(["a", "the", "of", "Paris", "42", "`x`", "word", "please", "in", "for"]),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(["", ".", ":", "?", "!"]),
)
def test_english_words_stay_in_order(verb: str, words: list[str], mark: str) -> None:
    core = " ".join([verb, "the", *words])
    for found in rewordings(core.capitalize() if "P" not in core else core + mark, language="en"):
        assert core.lower() in found.text.lower()


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.sampled_from(["ko", "en", "und"]))
def test_any_text_is_safe(text: str, language: str) -> None:
    for tail in ("", " 요약해 주세요.", " 뭐야?"):
        for found in rewordings(text + tail, language=language):
            assert found.text != text + tail


@pytest.mark.parametrize(
    "text", ["글을 요약하세요.", "오늘 뭐 먹을까?", "Write a poem.", "What is the area of a circle?"]
)
def test_order_is_fixed_and_nothing_repeats(text: str) -> None:
    language = "en" if text.isascii() else "ko"
    found = rewordings(text, language=language)
    assert found == rewordings(text, language=language)
    assert len({one.text for one in found}) == len(found)
    assert text not in {one.text for one in found}
    assert all(one.rule.startswith(f"{language}:") for one in found)


def test_a_draw_takes_one_of_them() -> None:
    text = "글을 요약하세요."
    found = rewordings(text, language="ko")
    drawn = [reword(text, language="ko", draw=draw) for draw in range(3 * len(found))]
    assert drawn[: len(found)] == drawn[len(found) : 2 * len(found)]
    assert set(drawn) == set(found)
    assert reword(text, language="ko", draw=2**63) in found
    assert reword("안녕하세요", language="ko", draw=5) is None


def test_texts_that_are_not_looked_at() -> None:
    assert rewordings("글을 요약하세요.", language="en") == []
    assert rewordings("Write a poem.", language="ko") == []
    assert rewordings("Write a poem.", language="fr") == []
    assert rewordings("가" * MAX_CHARS + " 요약하세요.", language="ko") == []


def test_a_candidate_that_changes_a_constraint_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [("ko:haeyo", "글을 두 문장으로 요약하세요."), ("ko:haeyo", "글을 세 문장으로 요약하세요.")]
    monkeypatch.setattr("hunmin.language.variants.rewordings.korean_candidates", lambda _: wrong)
    assert rewordings("글을 세 문장으로 요약하시오.", language="ko") == [Rewording(wrong[1][1], "ko:haeyo")]


def test_a_candidate_that_changes_a_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [("ko:haeyo", "파다음썬 글을 요약하세요."), ("ko:haeyo", "파이썬 글을 번역하세요.")]
    monkeypatch.setattr("hunmin.language.variants.rewordings.korean_candidates", lambda _: wrong)
    assert rewordings("파이썬 글을 요약하시오.", language="ko") == []
