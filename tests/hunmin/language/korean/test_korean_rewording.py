"""Korean requests and questions: conjugation, speech level, and what must not be touched."""

import pytest

from hunmin.language.korean.sentence_types import read
from hunmin.language.variants.rewordings import rewordings


def forms(text: str) -> dict[str, str]:
    return {found.rule: found.text for found in rewordings(text, language="ko")}


# stem by stem: 하다, 으, 르, ㅅ, ㄹ, ㅜ + ㅓ, ㅣ + ㅓ, regular
@pytest.mark.parametrize(
    ("asked", "haeyo", "hapsyo", "benefactive", "noun"),
    [
        (
            "글을 요약하시오.",
            "글을 요약하세요.",
            "글을 요약하십시오.",
            "글을 요약해 주세요.",
            "글을 요약할 것.",
        ),
        ("시를 쓰시오.", "시를 쓰세요.", "시를 쓰십시오.", "시를 써 주세요.", "시를 쓸 것."),
        ("답을 고르시오.", "답을 고르세요.", "답을 고르십시오.", "답을 골라 주세요.", "답을 고를 것."),
        (
            "이름을 지으시오.",
            "이름을 지으세요.",
            "이름을 지으십시오.",
            "이름을 지어 주세요.",
            "이름을 지을 것.",
        ),
        ("표를 만드시오.", "표를 만드세요.", "표를 만드십시오.", "표를 만들어 주세요.", "표를 만들 것."),
        ("말을 바꾸시오.", "말을 바꾸세요.", "말을 바꾸십시오.", "말을 바꿔 주세요.", "말을 바꿀 것."),
        (
            "틀린 곳을 고치시오.",
            "틀린 곳을 고치세요.",
            "틀린 곳을 고치십시오.",
            "틀린 곳을 고쳐 주세요.",
            "틀린 곳을 고칠 것.",
        ),
        (
            "낱말을 찾으시오.",
            "낱말을 찾으세요.",
            "낱말을 찾으십시오.",
            "낱말을 찾아 주세요.",
            "낱말을 찾을 것.",
        ),
    ],
)
def test_requests_are_conjugated(asked: str, haeyo: str, hapsyo: str, benefactive: str, noun: str) -> None:
    found = forms(asked)
    assert found["ko:haeyo"] == haeyo
    assert found["ko:hapsyo"] == hapsyo
    assert found["ko:request_haeyo"] == benefactive
    assert found["ko:noun_geot"] == noun
    assert found["ko:will_you_hae"] == benefactive.replace("주세요.", "줄래?")
    assert found["ko:polite_request"] == benefactive.replace("주세요.", "주시겠어요?")


# ㅂ, ㄷ, ㅎ, 르, ㄹ, 으, regular, copula after consonant and vowel, contracted copula
@pytest.mark.parametrize(
    ("asked", "hae", "hapsyo"),
    [
        ("어느 쪽이 쉬운가요?", "어느 쪽이 쉬워?", "어느 쪽이 쉽습니까?"),
        ("어디로 걷나요?", "어디로 걸어?", "어디로 걷습니까?"),
        ("하늘은 왜 파란가요?", "하늘은 왜 파래?", "하늘은 왜 파랗습니까?"),
        ("무엇이 다른가요?", "무엇이 달라?", "무엇이 다릅니까?"),
        ("왜 만드나요?", "왜 만들어?", "왜 만듭니까?"),
        ("왜 쓰나요?", "왜 써?", "왜 씁니까?"),
        ("어디에 있나요?", "어디에 있어?", "어디에 있습니까?"),
        ("누가 먹었나요?", "누가 먹었어?", "누가 먹었습니까?"),
        ("누가 학생인가요?", "누가 학생이야?", "누가 학생입니까?"),
        ("수도는 어디인가요?", "수도는 어디야?", "수도는 어디입니까?"),
    ],
)
def test_questions_are_conjugated(asked: str, hae: str, hapsyo: str) -> None:
    found = forms(asked)
    assert found["ko:question_hae"] == hae
    assert found["ko:question_hapsyo"] == hapsyo


def test_question_endings_of_talk() -> None:
    assert forms("이거 뭐야?") == {
        "ko:question_ni": "이거 뭐니?",
        "ko:question_haeyo": "이거 뭐예요?",
        "ko:question_nayo": "이거 뭔가요?",
    }
    assert forms("뭐가 좋아?")["ko:question_ni"] == "뭐가 좋니?"
    assert forms("오늘 뭐 먹을까") == {"ko:question_haeyo": "오늘 뭐 먹을까요"}
    assert forms("그래도 되겠지?") == {"ko:question_haeyo": "그래도 되겠죠?"}
    assert forms("뭐 하세요?").keys() <= {"ko:question_nayo", "ko:question_hapsyo"}


def test_stems_that_look_alike_are_not_guessed() -> None:
    """걸어 may be of 걷다 or 걸다, 아냐 of 알다 or 아니다."""
    assert forms("어디에 걸어?").keys() <= {"ko:question_haeyo"}
    assert not any("알" in text for text in forms("내일 쉬는 거 아냐?").values())
    assert forms("공급은 어떻게 이뤄지나요?")["ko:question_written"] == "공급은 어떻게 이뤄지는가?"


def test_a_question_can_become_a_request() -> None:
    assert (
        forms("고래는 왜 물 밖으로 나오나요?")["ko:question_form"]
        == "고래는 왜 물 밖으로 나오는지 알려 주세요."
    )
    assert "ko:question_form" not in forms("비가 오나요?")  # nothing asked for but yes or no


def test_spacing_and_marks_stay_as_they_are() -> None:
    assert forms("이유를 설명해줘")["ko:request_haeyo"] == "이유를 설명해주세요"
    assert forms("이유를 설명해줘!")["ko:request_haeyo"] == "이유를 설명해주세요!"
    assert forms("도와주세요.")["ko:polite_request"] == "도와주시겠어요?"
    colon = forms("다음 식을 계산하세요:")
    assert colon["ko:request_haeyo"] == "다음 식을 계산해 주세요:"
    assert not any("?" in text for text in colon.values())


def test_every_sentence_follows_where_the_level_changes() -> None:
    found = forms("배고파. 빵 굽는 법을 알려 줘.")
    assert found["ko:request_haeyo"] == "배고파요. 빵 굽는 법을 알려 주세요."
    found = forms("글을 읽어라. 그리고 답을 고르라.")
    assert found["ko:request_haeyo"].endswith("답을 골라 주세요.")
    assert "읽어라" not in found["ko:request_haeyo"]


def test_questions_side_by_side_end_alike() -> None:
    found = forms("이것은 운입니까? 실력입니까?")
    assert found["ko:question_nayo"] == "이것은 운인가요? 실력인가요?"


def test_pronouns_follow_the_level() -> None:
    assert forms("내가 왜 졸릴까?") == {"ko:question_haeyo": "제가 왜 졸릴까요?"}
    assert forms("저는 무엇을 먹을까요?") == {"ko:question_hae": "나는 무엇을 먹을까?"}
    assert not any("내습기" in text for text in forms("제습기를 꺼 주세요.").values())


@pytest.mark.parametrize(
    "text",
    [
        "너 오늘 뭐 할까?",  # 너 does not go with 요
        "야, 같이 갈까?",
        "얘들아 어디 갈까?",
    ],
)
def test_words_to_someone_near_stay_intimate(text: str) -> None:
    assert not any(found.text.rstrip("?").endswith("요") for found in rewordings(text, language="ko"))


def test_a_call_is_no_statement() -> None:
    assert not any("친구예요" in one.text for one in rewordings("사랑하는 친구야 잘 지냈니", language="ko"))


def test_words_of_respect_stay_polite() -> None:
    for text in ("선생님께 드릴 편지를 써 주세요.", "부모님이 오시나요?", "여러분의 꿈을 말해 주세요."):
        for found in rewordings(text, language="ko"):
            assert not found.text.rstrip(".?").endswith(
                ("줘", "줄래", "줄 수 있어", "와", "하기", "쓸 것", "하라")
            )


def test_asking_a_favour_is_not_ordering() -> None:
    """알려 주세요 asks to be told; 알리세요 would ask to tell others."""
    for text in ("방법을 알려 주세요.", "사진을 보여 주세요.", "저를 도와주세요."):
        assert not any(
            found.rule in ("ko:haeyo", "ko:hapsyo", "ko:hao") for found in rewordings(text, language="ko")
        )
    assert "ko:request_haeyo" not in forms("힘내세요.")
    assert "ko:request_haeyo" not in forms("조심히 가세요.")


@pytest.mark.parametrize(
    "text",
    [
        "남자친구가 너무 잘해줘",  # a statement
        "친구가 나를 도와줘",
        "내가 해주는 것도 없는데 나한테 너무 잘해줘",
        "문득 달력을 보니",
        "차 진짜 막힌다 어떻하니",
        "이별 후에 많이 힘들어",
        "선생님이세요",
        "안녕하세요",
        "맛있게 먹었어요.",
        "그 사람은 어제 갔다.",
        "12시 땡!",
        "",
        "   ",
        "?",
        "ㅋㅋㅋ?",
        "저만 이런가요 ㅠㅠ?",
        "질문이 있어요? “왜 그래요?”",
    ],
)
def test_what_is_no_request_gets_none(text: str) -> None:
    assert rewordings(text, language="ko") == []


def test_a_command_inside_a_quotation_is_left_alone() -> None:
    text = "“문을 닫아 주세요.”를 영어로 번역해 주세요."
    found = rewordings(text, language="ko")
    assert found
    assert all("“문을 닫아 주세요.”" in one.text for one in found)


def test_reading_tells_kind_and_level() -> None:
    (sentence,) = read("이 문장을 번역해 주시겠어요?")
    assert (sentence.kind, sentence.level, sentence.verb) == ("request", "haeyo", "번역하")
    assert [s.kind for s in read("배가 고파. 뭐 먹을까?")] == ["statement", "question"]


@pytest.mark.parametrize(
    "asked",
    [
        "네이버야 네이트야?",
        "사과는 과일이야 채소야?",
        "네이버가 좋아 네이트가 좋아?",
        "이게 맞아 틀려?",
        "갈까요 말까요?",
        "서울이에요 부산이에요?",
        "서울인가요, 부산인가요?",
        "짜장면이 좋아요, 짬뽕이 좋아요?",
        "커피 마실래 차 마실래?",
        "이것은 사실인가 거짓인가?",
        "어느 것이 더 커, 지구야 달이야?",
        "누가 더 큽니까, 형입니까 동생입니까?",
    ],
)
def test_a_question_with_an_alternative_is_left(asked: str) -> None:
    assert forms(asked) == {}


@pytest.mark.parametrize(
    "asked", ["수도는 어디야?", "이거 먹어 봐도 돼?", "누가 학생인가요?", "언니는 어디에 있니?"]
)
def test_a_question_without_one_is_reworded(asked: str) -> None:
    assert len(forms(asked)) >= 2


@pytest.mark.parametrize(
    "asked",
    [
        "글을 읽으세요. 그리고 요약해 주세요.",
        "표를 보세요. 답을 고르십시오.",
        "먼저 글을 읽고 요약하세요. 제목도 지으세요.",
        "글을 요약해 주십시오. 그리고 제목을 지어 주세요.",
        "주의해서 읽으세요: 글을 요약하세요.",
        "글을 읽으세요. 주제는 무엇입니까?",
        "- 짧게 쓰세요\n- 쉽게 쓰세요\n글을 요약해 주세요.",
    ],
)
def test_haseyo_and_hasipsio_never_stand_in_one_request(asked: str) -> None:
    found = forms(asked)
    assert found
    for text in found.values():
        assert not ("세요" in text and "십시오" in text), text


def test_earlier_requests_follow() -> None:
    found = forms("글을 먼저 읽으세요. 세 문장으로 요약하세요.")
    assert found["ko:hapsyo"] == "글을 먼저 읽으십시오. 세 문장으로 요약하십시오."
    assert found["ko:request_haeyo"] == "글을 먼저 읽으세요. 세 문장으로 요약해 주세요."
    greeted = forms("안녕하세요. 글을 요약해 주세요.")
    assert greeted["ko:request_hapsyo"] == "안녕하세요. 글을 요약해 주십시오."


@pytest.mark.parametrize(
    "asked",
    [
        "나는 학생이다. 수도는 어디야?",
        "오늘 비가 온다. 우산을 써야 하나요?",
        "아래는 기사이다. 주제가 무엇인가?",
        "이 글을 읽었다. 요약해 줘.",
    ],
)
def test_no_polite_question_behind_a_plain_sentence(asked: str) -> None:
    for rule, text in forms(asked).items():
        assert not text.endswith(("요?", "까?", "요.", "오.")), (rule, text)


def test_a_polite_request_behind_a_plain_sentence_stays_a_request() -> None:
    found = forms("회의는 내일이다. 일정을 정리해 주세요.")
    assert found["ko:request_hapsyo"] == "회의는 내일이다. 일정을 정리해 주십시오."
    assert "ko:polite_request" not in found
