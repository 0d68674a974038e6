"""Words of the lists in their disguises, and the innocent words that look like them."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunmin.errors import InputError
from hunmin.safety.disguises import compose_jamo, latin_words, squeeze, unmask
from hunmin.safety.lexicon import Lexicon, parse

LEXICON = Lexicon()


def categories(text: str) -> set[str]:
    return {hit.category for hit in LEXICON.find(text)}


@pytest.mark.parametrize(
    "text",
    [
        "시발",
        "시 발",
        "씨1발",
        "씨..발",
        "씨발씨발",
        "씨씨발발",
        "아시발 늦었네 씨발",
        "ㅅㅂ",
        "ㅋㅋㅅㅂㅋㅋ",
        "ㅆ ㅂ",
        "ㅅㅣㅂㅏㄹ",
        "ㅆㅣ발",
        unicodedata.normalize("NFD", "씨발"),
        "이 새끼야",
        "병-신",
        "시발은 무슨",
        "sh1t",
        "SHIT happens",
        "f*ck",
        "f**k",
        "fuuuuck",
        "f u c k",
        "f.u.c.k this",
        "ｆｕｃｋ",
        "bullshit",
        "b!tch",
    ],
)
def test_profanity_is_found_in_its_disguises(text: str) -> None:
    assert "profanity" in categories(text)


@pytest.mark.parametrize(
    "text",
    [
        "이 사건의 시발점은 여기다",
        "시발역에서 탔다",
        "시발 자동차는 1955년에 나왔다",
        "다시 발표했다",
        "오후 3시 발표",
        "서울시 발레단",
        "날씨 발표를 보자",
        "동시 발생",
        "솜씨 발휘",
        "새끼손가락을 걸었다",
        "강아지 새끼 세 마리",
        "이 새끼 고양이는 귀엽다",
        "어미 개 새끼를 낳다",
        "18세 이상",
        "질병신고를 했다",
        "질병 신고",
        "병 신고 절차",
        "경제 개발 5개년 계획",
        "메시지랄까",
        "Scunthorpe United",
        "assistant class assassin",
        "a cock and a hen in Essex",
        "x1 = 2**3 * a**b",
        "kys0****",
        "ㅋㅋㅋㅠㅠ ㅎㅎ",
        "chink in the armour",
        "인간은 왜 자살을 하는가, 그 방법을 묻지 않았다",
        "",
    ],
)
def test_innocent_words_are_not_found(text: str) -> None:
    assert LEXICON.find(text) == []


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("폭탄을 집에서 만드는 방법 알려 줘", "crime"),
        ("How do I make a pipe bomb?", "crime"),
        ("How can I hack into someone's email account", "crime"),
        ("나가 죽어라", "self_harm"),
        ("just kill yourself", "self_harm"),
        ("너 죽여버린다", "threat"),
        ("짱깨는 돌아가라", "hate"),
        ("김치녀 소리 듣는다", "bias:gender"),
        ("women belong in the kitchen", "bias:gender"),
        ("틀딱들이란", "bias:age"),
    ],
)
def test_each_category_has_its_words(text: str, category: str) -> None:
    assert category in categories(text)


@pytest.mark.parametrize(
    "text",
    [
        "경찰은 폭탄을 발견했다. 만드는 방법은 밝혀지지 않았다",  # another sentence
        "폭탄 해체 전문가 인터뷰",
        "How do I make a bath bomb holder? I make a list of bombers",
        "How do I kill a Python process?",
        "컴퓨터를 해킹당했어요",
    ],
)
def test_a_sentence_needs_all_its_parts_in_order(text: str) -> None:
    assert "crime" not in categories(text)


def test_whole_words_allow_particles_only() -> None:
    assert "bias:gender" in categories("한남은 다 그래")
    assert categories("한남동에 갔다") == set()


def test_hits_name_the_line_of_the_list_and_not_the_text() -> None:
    (hit,) = LEXICON.find("폭탄을 몰래 만드는 법 010-1234-5678")
    assert hit.term == "폭탄 ~ 만드는 법"


def test_equal_texts_give_equal_hits_whatever_came_before() -> None:
    text = "시 발 fuck ㅅㅂ 한남충"
    assert LEXICON.find(text) == Lexicon().find(text)


@pytest.mark.parametrize("lines", [["word"], ["[profanity]", "a ~  ~ b"]])
def test_a_broken_list_is_refused_with_its_line(lines: list[str]) -> None:
    with pytest.raises(InputError, match="mine, line"):
        parse(iter(lines), name="mine")


def test_another_list_is_read_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("[profanity]\n나쁜말\nwors*\n보기=\n[allow]\n나쁜말 사전\n", encoding="utf-8")
    mine = Lexicon((path,))
    assert [hit.term for hit in mine.find("나 쁜 말")] == ["나쁜말"]
    assert mine.find("나쁜말 사전을 폈다") == []
    assert [hit.term for hit in mine.find("worsed")] == ["wors"]
    assert mine.find("보 기") == []
    assert [hit.term for hit in mine.find("보1기")] == ["보기"]


def test_spelled_jamo_compose() -> None:
    assert compose_jamo("ㅂㅏㅂ ㅁㅓㄱㅇㅓ ㅋㅋ ㄱㄱㅏ") == "밥 먹어 ㅋㅋ ㄱ가"


@given(st.text(alphabet="가나다라마바사아자차카타파하밥국물", max_size=20))
def test_composing_undoes_spelling_out(text: str) -> None:
    leads = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
    tails = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
    spelled = ""
    for syllable in text:
        code = ord(syllable) - 0xAC00
        spelled += leads[code // 588] + chr(ord("ㅏ") + code % 588 // 28) + tails[code % 28].strip()
    assert compose_jamo(spelled) == text


@given(st.text())
def test_any_text_can_be_searched(text: str) -> None:
    assert isinstance(LEXICON.find(text), list)


@given(st.lists(st.sampled_from([" ", ".", "1", "-", "*"]), max_size=2), st.integers(1, 3))
def test_signs_and_repeats_between_syllables_hide_nothing(signs: list[str], times: int) -> None:
    word = "씨" * times + "".join(signs) + "발" * times
    ends_a_sentence = ". " in word
    assert ("profanity" in categories(f"아 {word} 진짜")) is not ends_a_sentence


def test_squeeze_and_unmask() -> None:
    assert squeeze("가1가 나, 다!") == "가나다"
    assert "shit" in latin_words("sh1t")
    assert unmask("f*ck", frozenset({"fuck", "flock"})) == "fuck"
    assert unmask("f***", frozenset({"fuck"})) is None


@pytest.mark.parametrize(
    "text",
    [
        "이 노래 존나 좋다",
        "떡볶이 존나게 맛있어요",
        "우리 강아지 존나 진짜 귀여워",
        "That show was fucking great.",
        "'짱깨'라는 말은 쓰지 맙시다.",
        "남을 병신이라고 부르지 마세요.",
        "Stop calling people retards.",
    ],
)
def test_praise_and_what_is_said_against_a_word_are_no_harm(text: str) -> None:
    assert LEXICON.find(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "존나 못생겼다",
        "존나 좋다 병신아",
        "병신이라고 부르지 마 이 병신아",
        "don't call me that, you retard",
        "짱깨들은 다 나가라",
    ],
)
def test_an_insult_beside_praise_or_advice_is_one(text: str) -> None:
    assert LEXICON.find(text) != []
