"""Edits change how a request is written, and nothing that it asks."""

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hunmin.language.protected import protected
from hunmin.language.script import language_of
from hunmin.language.variants.edits import (
    AXES,
    edits,
    line_breaks,
    particles,
    punctuation,
    spacing,
    speech_level,
)
from hunmin.language.variants.typing_slips import typing_slips

LABELS = ("긍정", "부정", "positive", "negative")
KOREAN = [
    "다음 글의 감정을 분류해 주세요.\n\n",
    "이 글이 긍정인지 부정인지 답하십시오.\n\n",
    "대한민국의 수도는 어디인가요?",
    "세종대왕이 만든 글자를 세 문장으로 설명해줘",
    "아래 글을 읽고 'Kim et al.'을 인용한 문장 2개를 골라 주세요. 번호 3은 빼세요.\n\n",
    "이 영화 재미있어?",
    "[감정] 다음 글의 감정을 분류해 주세요.\n\n",
]
ENGLISH = [
    "Classify the sentiment of the following review as positive or negative.\n\n",
    "What is the capital of France?",
    "Summarize the text below in exactly three sentences. Do not mention Seoul.\n\n",
]
REQUESTS = [*KOREAN, *ENGLISH]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(REQUESTS), st.integers(0, 2**64 - 1))
def test_whatever_is_drawn_numbers_names_quotations_and_labels_stay(request: str, draw: int) -> None:
    found = edits(request, draw=draw, keep=LABELS)
    assert found == edits(request, draw=draw, keep=LABELS)
    assert [one.axis for one in found] == [axis for axis in AXES if axis in {one.axis for one in found}]
    language = language_of(request)
    for one in found:
        assert one.text != request
        assert one.text.strip()
        assert protected(one.text, language=language) == protected(request, language=language)
        for label in (*LABELS, "[감정]"):
            assert one.text.count(label) == request.count(label)
        if one.axis in ("punctuation", "spacing", "line_breaks"):  # every word stays as it is
            assert Counter(re.sub(r"[\s.?!:]", "", one.text)) == Counter(re.sub(r"[\s.?!:]", "", request))
        if one.axis != "line_breaks":
            assert one.text.endswith("\n\n") == request.endswith("\n\n")


@pytest.mark.parametrize("request_", REQUESTS)
def test_every_request_has_edits_of_most_axes(request_: str) -> None:
    axes = {one.axis for draw in range(5) for one in edits(request_, draw=draw, keep=LABELS)}
    assert axes >= {"punctuation", "spacing", "line_breaks", "typing"}


def test_korean_spelling_allows_both_spaces_before_an_auxiliary_verb() -> None:
    named = dict(spacing("분류해 주세요.", "ko"))
    assert named["space_left_out"] == "분류해주세요."
    assert dict(spacing("분류해주세요.", "ko"))["space_put_in"] == "분류해 주세요."
    assert {name for name, _ in spacing("사과 하나 주세요.", "ko")} == {"space_doubled"}


def test_talk_leaves_out_the_particle_of_an_object_only() -> None:
    found = list(particles("이 글을 읽고 감정을 분류해 주세요.", "ko"))
    assert [text for _, text in found] == [
        "이 글 읽고 감정을 분류해 주세요.",
        "이 글을 읽고 감정 분류해 주세요.",
    ]
    assert list(particles("가을 날씨는 어때요?", "ko")) == []
    assert list(particles("Read it.", "en")) == []


def test_a_question_never_loses_its_mark() -> None:
    assert [name for name, _ in punctuation("이 영화 재미있어?", "ko")] == ["mark_doubled"]
    assert dict(punctuation("분류해 주세요.\n\n", "ko")) == {"mark_left_out": "분류해 주세요\n\n"}
    assert dict(punctuation("분류해 줘", "ko")) == {"mark_added": "분류해 줘."}


def test_lines_break_between_words_and_outside_of_quotations() -> None:
    named = dict(line_breaks("글을 읽으세요. 감정을 말하세요.\n\n", "ko"))
    assert named["break_between_sentences"] == "글을 읽으세요.\n감정을 말하세요.\n\n"
    assert named["empty_line_closed"] == "글을 읽으세요. 감정을 말하세요.\n"
    for _, text in line_breaks("'a b c d e f g h' 뜻을 알려 주세요.", "ko"):
        assert "'a b c d e f g h'" in text


def test_the_speech_level_changes_by_the_rules_of_rewording() -> None:
    assert ("ko:haeyo", "요약하세요.\n\n") in list(speech_level("요약하십시오.\n\n", "ko"))


def test_slips_are_one_key_away() -> None:
    korean = set(typing_slips("되도록 해 주세요", "ko"))
    assert ("doe_dwae", "돼도록 해 주세요") in korean
    assert ("vowel_alike", "되도록 해 주새요") in korean
    assert ("key_struck_twice", "되도ㅗ록 해 주세요") in korean
    assert not any("혜" in text for _, text in korean), "a word of one syllable is left alone"
    english = dict(typing_slips("the movies below", "en"))
    assert set(typing_slips("no map", "en")) == set()
    assert {len(text) for text in english.values()} == {15, 16, 17}
    for text in english.values():
        assert text.startswith("the m")
        assert text.endswith(" below"), "a word of five letters is left alone"


@pytest.mark.parametrize("word", ["네가", "내가", "않은", "없이", "못하는"])
def test_slips_that_would_make_another_word_are_not_made(word: str) -> None:
    assert list(typing_slips(f"{word} 글", "ko")) == []


@pytest.mark.parametrize(
    "text", ["", "\n\n", "def f(x):\n    return x", "```python\nx = 1\n```", "가 " * 400, "。。。"]
)
def test_what_is_no_request_gets_no_edits_of_words(text: str) -> None:
    assert edits(text, draw=0) == []
