"""Checks of texts, each with what it must find and what it must leave alone."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.rows.checks.answer_language import language_mismatch, requested_language
from data_pipeline.rows.checks.broken import repeated_text, truncated_text
from data_pipeline.rows.checks.exchange import Exchange, is_code
from data_pipeline.rows.checks.leftovers import placeholder, stacked_instructions, template_leftover
from data_pipeline.rows.checks.meaningless import meaningless_answer
from data_pipeline.rows.checks.mojibake import misread, mojibake

PROSE = "The committee met on Monday. It heard three reports. It thanked the staff for their work. "
FORMAL = "위원회는 월요일에 열렸습니다. 세 가지 보고를 들었습니다. 직원들의 수고에 감사했습니다. "

CHECKS = (
    meaningless_answer,
    mojibake,
    template_leftover,
    placeholder,
    stacked_instructions,
    language_mismatch,
    truncated_text,
    repeated_text,
)


def exchange(
    instruction: str = "", answer: str = "좋은 답입니다.", asked: str = "", declared: str | None = None
) -> Exchange:
    return Exchange(instruction, asked, answer, is_label=False, declared=declared, where="")


# ---- language_mismatch


@pytest.mark.parametrize(
    ("instruction", "language"),
    [
        ("다음 문장을 영어로 번역해 주세요.", "en"),
        ("다음 영어 문장을 한국어로 옮겨주세요:", "ko"),
        ("한글로 답하세요.", "ko"),
        ("일본어로 번역", "ja"),
        ("아래 글을 Korean으로 바꿔 주세요.", "ko"),
        ("Translate the following text from English into Korean.", "ko"),
        ("Could you please translate this to English?", "en"),
        ("Answer in Korean: what is the sun?", "ko"),
        ("Target language: Korean", "ko"),
        ("한국어로:", "ko"),
        ("영어로 된 책을 추천해 주세요.", None),
        ("영어로 번역된 책을 추천해 주세요.", None),
        ("영어로 번역하기 어려운 낱말을 알려 주세요.", None),
        ("'영어로 번역해 주세요'라는 말을 공손하게 고쳐 주세요.", None),
        ("영어로 번역해 주세요. 그리고 일본어로 번역해 주세요.", None),
        ("Translate this into Korean and English.", None),
        ("How do I translate this into Korean?", None),
        ("Do not answer in Korean.", None),
        ("Write a program that can translate text to Korean.", None),
        ("Explain the honorifics in Korean.", None),
        ("영어 공부하는 방법을 알려 주세요.", None),
    ],
)
def test_only_explicit_requests_for_one_language_count(instruction: str, language: str | None) -> None:
    assert requested_language(instruction) == language


@pytest.mark.parametrize(
    ("row", "refused"),
    [
        (exchange("한국어로 답해 주세요.", "I would be glad to help you."), True),
        (exchange("한국어로 답해 주세요.", "기꺼이 돕겠습니다."), False),
        (exchange("한국어로 옮겨 주세요.", "iPhone 15 Pro"), False),
        (exchange("한국어로 옮겨 주세요.", "2024"), False),
        (exchange("한국어로 설명해 주세요.", "```\nprint(first, second, third)\n```"), False),
        (exchange("영어로 번역해 주세요.", "안녕하세요, 반갑습니다."), True),
        (exchange("영어로 번역해 주세요.", "Kimchi (김치) is a side dish."), False),
        (exchange("일본어로 번역해 주세요.", "안녕하세요, 반갑습니다."), True),
        (exchange("일본어로 번역해 주세요.", "こんにちは"), False),
        (exchange("프랑스어로 번역해 주세요.", "Bonjour à tous"), False),
        (exchange(asked="Hello there", answer="hello to all my friends", declared="ko"), True),
        (exchange(asked="Hello there", answer="안녕", declared="ko"), False),
        (exchange(asked=":ref:`index`", answer=":ref:`index of all the modules`", declared="ko"), False),
        (exchange(asked="안녕하세요", answer="안녕하세요 여러분", declared="en"), True),
        (exchange("요약해 주세요.", "This is an English answer to you."), False),
    ],
)
def test_the_answer_must_be_able_to_be_in_that_language(row: Exchange, refused: bool) -> None:
    assert (language_mismatch(row) is not None) == refused


# ---- template_leftover


@pytest.mark.parametrize(
    "row",
    [
        exchange("요약해 주세요.", asked="<noinput>"),
        exchange("요약해 주세요.", "<nooutput>"),
        exchange("요약해 주세요.", "요약입니다.\n\n### Response:\n요약입니다."),
        exchange("[INST] 요약해 주세요. [/INST]"),
        exchange("요약해 주세요.", "<s>요약입니다.</s>"),
        exchange("Translate {input}"),
        exchange("Dear {{customer_name}}, thank you for the order."),
        exchange("다음을 번역하세요: {문장}"),
    ],
)
def test_marks_and_unfilled_variables_are_found(row: Exchange) -> None:
    refusal = template_leftover(row)
    assert refusal is not None
    assert refusal[0] == "template_leftover"


@pytest.mark.parametrize(
    "row",
    [
        exchange("Write a Jinja template that greets a user.", "Hello {{ name }}!"),
        exchange("What does <|im_end|> mean as a special token?", "It ends a turn: <|im_end|>."),
        exchange("Greet somebody in Python.", 'def greet(name):\n    return f"Hello, {name}"'),
        exchange("Translate this Python code to C++: def greet(name): return f'Hello, {name}!'"),
        exchange("What is a set?", "The set {1, 2} has two members, and {x} has one."),
        exchange("무엇을 쓰나요?", "`{input}`은 함수의 인자입니다."),
        exchange("Write the fraction.", r"It is \frac{input}{output}."),
        exchange("### 제목을 정해 주세요", "### 봄이 오는 소리"),
        exchange("Who says no?", "<no> is not an element of any standard."),
    ],
)
def test_rows_about_templates_and_code_are_left_alone(row: Exchange) -> None:
    assert template_leftover(row) is None


# ---- placeholder


@pytest.mark.parametrize(
    "text", ["sample input", "Sample Input.", "TODO", "[여기에 입력]", "예시 출력", "(Your text here)"]
)
@pytest.mark.parametrize("field", ["instruction", "asked", "answer"])
def test_a_field_that_is_only_filler_is_found(field: str, text: str) -> None:
    refusal = placeholder(exchange(**{"instruction": "요약해 주세요.", field: text}))
    assert refusal is not None
    assert refusal[0] == "placeholder"


@pytest.mark.parametrize(
    "row",
    [
        exchange("What does TODO mean?", "TODO marks work to be done."),
        exchange("Reverse a string in C++.", asked='"sample text"'),
        exchange("Count the words.", asked="Lorem ipsum dolor sit amet, consectetur adipiscing elit."),
        exchange("Write lorem ipsum text.", "Lorem ipsum dolor sit amet, consectetur adipiscing elit."),
        exchange("예시 출력을 보여 주세요."),
    ],
)
def test_filler_words_within_a_text_are_left_alone(row: Exchange) -> None:
    assert placeholder(row) is None


def test_a_lorem_ipsum_answer_that_nobody_asked_for_is_found() -> None:
    assert placeholder(exchange("Describe the sea.", "Lorem ipsum dolor sit amet, consectetur.")) is not None


# ---- stacked_instructions


@pytest.mark.parametrize(
    "text",
    [
        "다음을 요약해주세요: 다음을 번역해주세요:",
        "다음 문장을 번역해주세요 다음 문장을 한국어로 번역해 주세요:",
        "다음 글을 요약해 주세요. 아래 글을 요약하십시오.",
        "Translate the following text: Translate the following sentence into Korean:",
        "Summarize the following article. Summarize the given text.",
    ],
)
def test_two_requests_over_one_text_are_found(text: str) -> None:
    refusal = stacked_instructions(exchange(text))
    assert refusal is not None
    assert refusal[0] == "stacked_instructions"


@pytest.mark.parametrize(
    "text",
    [
        "다음 글을 요약해 주세요.",
        "다음 글을 요약해 주세요. 중요한 내용만 골라 주세요.",
        "다음 글을 요약해 주세요. 다음 형식으로 작성해 주세요:",
        "다음 글을 번역해 주세요. 그다음 다음 글을 요약해 주세요. 표로 정리해 주세요.",
        "다음을 영어로 번역해주세요: 다음 문장을 요약해주세요.",
        "다음 글을 요약해 주세요. 다음 글을 번역해 주세요.",
        "Summarize the following article. Summarize it in one sentence.",
        "Translate the following text. Explain the given rules.",
        "Translate the following: Summarize the following article.",
    ],
)
def test_requests_that_belong_together_are_left_alone(text: str) -> None:
    assert stacked_instructions(exchange(text)) is None


# ---- truncated_text


@pytest.mark.parametrize(
    "answer",
    [
        "The result is as follows. [truncated]",
        "코드는 다음과 같습니다.\n```python\nprint(1)",
        "그는 이렇게 말했다. “",
        "다음과 같습니다 (",
        PROSE + "Then it turned to the",
        FORMAL + "그리고 다음 안건을",
        FORMAL * 4 + "그 뒤에 남은 시간에는 새로 지은 건물 앞마당",
        PROSE * 2 + "Then the members walked over to see the new buil",
        PROSE
        + "\n\n"
        + PROSE
        + "\n\nAfter this the chair asked all of the members whether they could think of",
        "이 문제는 여러 갈래로 나누어 볼 수 있습니다. "
        "먼저 첫째 갈래를 보면 다음과 같이 짧게 말할 수 있겠습니ㄷ",
    ],
)
def test_answers_that_break_off_are_found(answer: str) -> None:
    refusal = truncated_text(exchange("요약해 주세요.", answer))
    assert refusal is not None
    assert refusal[0] == "truncated_text"


@pytest.mark.parametrize(
    "answer",
    [
        "서울",
        "네, 그럼요 ㅎ",
        "정말 재미있게 잘 봤습니다 강추",
        PROSE,
        FORMAL,
        PROSE + "\n\nBest regards,\nThe committee",
        FORMAL * 4 + "이 결과를 다음 달에 다시 살펴보기로 했다",
        PROSE * 2 + "\n\nMinutes of the committee in May",
        PROSE.lower() * 2 + "then the members walked over to see the new hall",
        PROSE * 2 + "\n\n- See the minutes of the last meeting of the committee in spring",
        "Sorry to hear that :(",
        'The word "the"',
        "쓰는 법은 ```cout << x``` 입니다",
        "준비물:\n- 물\n- 소금\n- 냄비와",
        "def f(a):\n    return a +\\\n        1",
    ],
)
def test_whole_and_short_answers_are_left_alone(answer: str) -> None:
    assert truncated_text(exchange("요약해 주세요.", answer)) is None


def test_labels_are_never_broken_off() -> None:
    assert truncated_text(Exchange("", "", "(", is_label=True, declared=None, where="")) is None


# ---- mojibake

KOREAN = "오늘은 날씨가 참 좋으니 함께 산책을 나가면 어떨까요?"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@pytest.mark.parametrize(
    ("written", "read"),
    [("utf-8", "latin-1"), ("utf-8", "cp1252"), ("utf-8", "cp949"), ("cp949", "latin-1"), ("cp949", "utf-8")],
)
def test_korean_read_in_the_wrong_encoding_is_found(written: str, read: str) -> None:
    text = CONTROL.sub("", KOREAN.encode(written).decode(read, errors="replace"))
    assert misread(text) is not None
    # Some programs write a question mark for a lost letter; of CP949 read as UTF-8 nothing else is left.
    assert written == "cp949" or misread(text.replace("\ufffd", "?")) is not None


@pytest.mark.parametrize("text", ["cafÃ©", "itâ€™s", "ì•ˆë…•", "占쏙옙", "좋은\ufffd 날", "?덈뀞?섏꽭??"])
def test_known_damage_is_found(text: str) -> None:
    refusal = mojibake(exchange("요약해 주세요.", text))
    assert refusal is not None
    assert refusal[0] == "mojibake"


@pytest.mark.parametrize(
    "text",
    [
        "É» CAFÉ» français»",
        "Ação, coração, não é? Ítem nº 5",
        "Tiếng Việt có rất nhiều dấu: ế, ì, ị, ề",
        "똠방각하와 찦차, 아햏햏",
        "뷁!",
        "美 대통령과 韓 총리가 만났다",
        "왜?뭐가?어디서?",
        "naïve façade, 100 °C ± 2 µm, «quoted» – “so”…",
        "헏짛 뭐냐",
        "캌콬쿸",
    ],
)
def test_real_letters_are_left_alone(text: str) -> None:
    assert misread(text) is None


def test_a_question_about_encodings_may_show_the_damage() -> None:
    assert mojibake(exchange("UTF-8 인코딩이 깨지면 어떻게 보이나요?", "cafÃ©처럼 보입니다.")) is None


# The 2,350 syllables of KS X 1001.
COMMON = "".join(
    bytes((lead, trail)).decode("euc_kr") for lead in range(0xB0, 0xC9) for trail in range(0xA1, 0xFF)
)


@given(text=st.text(alphabet=COMMON + " .?!1a", min_size=4, max_size=40))
def test_text_of_common_syllables_is_never_mojibake(text: str) -> None:
    assert len(COMMON) == 2350
    assert misread(text) is None


# ---- repeated_text


@pytest.mark.parametrize(
    "answer", ["좋습니다. " * 60, "very " * 80, "하나 둘 셋 " * 60, "I am a model.\n" * 30]
)
def test_loops_are_found(answer: str) -> None:
    refusal = repeated_text(exchange("무엇을 먹을까요?", answer))
    assert refusal is not None
    assert refusal[0] == "repeated_text"


@pytest.mark.parametrize(
    "row",
    [
        exchange("'좋습니다'를 60번 써 주세요.", "좋습니다. " * 60),
        exchange("Write the chorus of a song.", "la la la " * 60),
        exchange("표를 그려 주세요.", "| 1 | 2 |\n|---|---|\n" + "| 3 | 4 |\n" * 2),
        exchange("Print zeros.", "a = [\n" + "0, " * 90 + "]\nprint(a == b)"),
        exchange("무엇을 먹을까요?", "네. " * 10),
        exchange("무엇을 먹을까요?", "-" * 400),
    ],
)
def test_repetition_that_was_asked_for_is_left_alone(row: Exchange) -> None:
    assert repeated_text(row) is None


# ---- is_code


@pytest.mark.parametrize(
    "text", ["def f(a): pass", "int main() {\n", "x = 3", "<p>hi</p>", "SELECT a FROM b;"]
)
def test_program_text_is_seen(text: str) -> None:
    assert is_code(text)


@pytest.mark.parametrize("text", [PROSE, FORMAL, "for example, this is fine", "가격은 3,000원입니다.", ""])
def test_prose_is_no_program_text(text: str) -> None:
    assert not is_code(text)


@pytest.mark.parametrize(
    "unit",
    ["\n", "{", "<", ":", "`", "(", "Ã", "ê", "가", "뷁", "이 ", "a. ", "다. ", "; ", "A: ", "to Korean, "],
)
def test_long_odd_texts_are_judged_in_time_linear_in_their_length(unit: str) -> None:
    row = exchange(unit * 20_000, answer=unit * 20_000)
    start = time.process_time()
    for check in CHECKS:
        check(row)
    assert time.process_time() - start < 2  # some milliseconds; a quadratic pattern takes minutes


@given(text=st.text(max_size=300))
def test_no_check_ever_raises(text: str) -> None:
    row = exchange(text, answer=text, asked=text)
    for check in CHECKS:
        refusal = check(row)
        assert refusal is None or all(refusal)


# ---- meaningless_answer


@pytest.mark.parametrize(
    "answer", [":", "**", "...", "…", "-", "?", "?!", '""', "```\n```", "─────", "\ufffd!", "====="]
)
def test_an_answer_of_signs_that_say_nothing_is_refused(answer: str) -> None:
    assert meaningless_answer(exchange("무엇인가요?", answer)) is not None


@pytest.mark.parametrize(
    "answer", ["네", "7", "👍", "✓", "∞", "×", "<=", "=", "+", ":)", "^^", "^_*", "<3", "☎", "₩", "ㅠ", "π"]
)
def test_an_answer_that_says_something_is_kept(answer: str) -> None:
    assert meaningless_answer(exchange("무엇인가요?", answer)) is None


def test_a_sign_is_an_answer_where_signs_are_asked_for() -> None:
    assert meaningless_answer(exchange("의문문 끝에 오는 문장 부호는?", "?")) is None
    assert meaningless_answer(exchange("Which operator multiplies in Python?", "*")) is None
    labelled = Exchange("고르세요.", "", ":", is_label=True, declared=None, where="")
    assert meaningless_answer(labelled) is None
