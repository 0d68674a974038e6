import pytest

from data_pipeline.stats.asked_verbs import asked_verb


@pytest.mark.parametrize(
    ("instruction", "verb"),
    [
        ("Translate this.", "translate"),
        ("Please summarize the text.", "summarize"),
        ("Could you please write a poem?", "write"),
        ("Here is a text. Classify it as positive or negative.", "classify"),
        ("What is the capital?", None),
        ("Summary:", None),
        ("다음 문장을 영어로 번역해 주세요.", "번역하다"),
        ("번역을 해 주세요", "번역하다"),
        ("번역 부탁드립니다.", "번역하다"),
        ("요약해줘", "요약하다"),
        ("답을 찾아 주시기 바랍니다.", "찾다"),
        ("글을 써 줄 수 있나요?", "쓰다"),
        ("한 문장으로 쓰세요", "쓰다"),
        ("고르시오", "고르다"),
        ("써라", "쓰다"),
        ("분류할 것.", "분류하다"),
        ("긍정인지 부정인지 판단해.", "판단하다"),
        ("감정을 분류하고 이유를 적어 주세요.", "적다"),
        ("다음 글을 읽고 요약하세요: 나는 학교에 갔다", "요약하다"),
        ("이 글의 감정은 무엇인가요?", None),
        ("너는 무엇을 좋아해?", None),
        ("몇 시간 동안 할 수 있나요?", None),
        ("언제까지 돌려주어야 해", None),
        ("그 여자", None),
        ("나라", None),
        ("", None),
    ],
)
def test_the_verb_that_is_asked_for(instruction: str, verb: str | None) -> None:
    assert asked_verb(instruction) == verb
