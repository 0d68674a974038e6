import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunmin.language.answers.label_answers import fill, rating_on, slot_problem
from hunmin.language.sentences import sentences, speech_level, sure_sentences, with_particle


@pytest.mark.parametrize(
    ("text", "at_most", "at_least"),
    [
        ("비가 왔다.", 1, 1),
        ("비가 왔다. 길이 젖었다.", 2, 2),
        ("가격은 3.5달러입니다.", 1, 1),
        ("Dr. Kim and Mr. Lee met J. Brown.", 1, 1),
        ("Lt. Kim and Capt. Lee saw the Rev. Brown.", 1, 1),
        ("Sgt. Park lives in Washington D.C. with his cat.", 1, 1),
        ("1. 서울은 수도입니다.", 1, 1),
        ("회의는 2024. 3. 5. 오전에 열렸습니다.", 1, 1),
        ("See No. 5 and Fig. 3 for more.", 1, 1),
        ("No. I do not think so.", 2, 2),
        ("There is a plan B. It works.", 2, 1),
        ("Acme Inc. It grew.", 2, 1),
        ("He was born in 1999. Nobody knew.", 2, 1),
        ("Bldg. C is closed.", 2, 1),
        ('"언제 오니?" 하고 물었다.', 2, 1),
        ('"Where is it?" said the boy.', 2, 1),
        ("맛있어요 또 갈게요", 2, 1),
        ("오늘 체감온도", 1, 0),
        ("정말요?! 그럴 리가...", 2, 2),
        ("", 0, 0),
        ("...", 0, 0),
        ("첫째\n둘째", 2, 0),
    ],
)
def test_sentences_are_counted_from_both_sides(text: str, at_most: int, at_least: int) -> None:
    assert len(sentences(text)) == at_most
    assert len(sure_sentences(text)) == at_least


@given(st.text(alphabet="가나다요 .!?\"'\nABab니습", max_size=60))
def test_there_are_never_more_sure_sentences_than_sentences(text: str) -> None:
    assert len(sure_sentences(text)) <= len(sentences(text))


@pytest.mark.parametrize(
    ("sentence", "level"),
    [
        ("비가 옵니다.", "formal"),
        ("언제 오십니까?", "formal"),
        ("문을 닫으십시오", "formal"),
        ("비가 와요~", "polite"),
        ("그렇죠?", "polite"),
        ("비가 온다.", "plain"),
        ("그것은 사실이 아니다.", "plain"),
        ("볼 수 없다”", "plain"),
        ("비가 오니까", None),
        ("그러니까", None),
        ("넓은 바다", None),
        ("볼 때마다", None),
        ("정보가 필요", None),
        ("아니요", None),
        ("비가 와", None),
        ("hello", None),
    ],
)
def test_speech_levels_show_in_the_ending(sentence: str, level: str | None) -> None:
    assert speech_level(sentence) == level


@pytest.mark.parametrize(
    ("word", "pair", "expected"),
    [
        ("긍정", "이라고/라고", "긍정이라고"),
        ("분노", "이라고/라고", "분노라고"),
        ("슬픔", "은/는", "슬픔은"),
        ("놀라움", "으로/로", "놀라움으로"),
        ("서울", "으로/로", "서울로"),
        ("중립", "으로/로", "중립으로"),
        ("9", "이/가", "9가"),
        ("10", "이/가", "10이"),
        ("3", "을/를", "3을"),
        ("7", "으로/로", "7로"),
        ("positive", "이/가", None),
        ("", "이/가", None),
    ],
)
def test_particles_follow_the_last_sound(word: str, pair: str, expected: str | None) -> None:
    assert with_particle(word, pair) == expected


def test_a_template_is_filled_with_the_particle_that_fits() -> None:
    assert fill("{label:이라고/라고} 생각해요.", {"label": "슬픔"}) == "슬픔이라고 생각해요."
    assert fill("{label:이라고/라고} 생각해요.", {"label": "분노"}) == "분노라고 생각해요."
    assert fill("10점 만점에 {value}점입니다.", {"value": "9"}) == "10점 만점에 9점입니다."
    assert fill("{label:이라고/라고} 생각해요.", {"label": "joy"}) is None
    assert fill("{value}점", {"value": ""}) is None


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{value}점", None),
        ("{label:은/는} 맞아요.", None),
        ("점수", "no slot"),
        ("{valu}점", "known are label, value"),
        ("{value}점 {", "a brace that is no slot"),
    ],
)
def test_a_template_that_cannot_be_filled_says_why(template: str, problem: str | None) -> None:
    found = slot_problem(template)
    assert found is None if problem is None else problem in (found or "")


@pytest.mark.parametrize(
    ("value", "divide", "expected"),
    [
        ("9", 1, "9"),
        (" 10 ", 1, "10"),
        ("8.0", 1, "8"),
        ("8", 2, "4"),
        ("9", 2, None),
        ("0", 1, None),
        ("11", 1, None),
        ("8.5", 1, None),
        ("좋음", 1, None),
        ("", 1, None),
    ],
)
def test_a_rating_is_a_whole_number_of_its_scale(value: str, divide: int, expected: str | None) -> None:
    assert rating_on(value, range(1, 11), divide=divide) == expected
