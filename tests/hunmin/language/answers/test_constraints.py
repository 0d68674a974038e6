"""Every check, with an answer that has what it asks for and one that has not, Korean and English."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunmin.language.answers.constraints import CHECKS, check_of, holds

KO_TEXT = "도서관은 아침 9시에 문을 열고 저녁 6시에 닫는다. 주말에는 쉰다."
EN_TEXT = "The library opens at 9 in the morning and closes at 6. It is shut at weekends."
LOOP = "def total(xs):\n    result = 0\n    for x in xs:\n        result += x\n    return result"
RECURSIVE = "def factorial(n):\n    return 1 if n < 2 else n * factorial(n - 1)"
MEMO = (
    "from functools import lru_cache\n\n@lru_cache(maxsize=None)\ndef fib(n):\n"
    "    return n if n < 2 else fib(n - 1) + fib(n - 2)"
)
YIELDS = "def count_up(n):\n    i = 0\n    while i < n:\n        yield i\n        i += 1"
DOCUMENTED = (
    'def add(a: int, b: int) -> int:\n    """Add two numbers."""\n    # nothing else\n    return a + b'
)
NESTED = "def pairs(xs):\n    for x in xs:\n        for y in xs:\n            print(x, y)"
RAISES = "def half(n):\n    if n % 2:\n        raise ValueError('odd')\n    return n // 2\n\nprint(half(4))"
CATCHES = "def number(text):\n    try:\n        return int(text)\n    except ValueError:\n        return None"
CLASS = "class Point:\n    def __init__(self, x):\n        self.x = x"

# check, an answer that passes, one that does not; a fourth text is the input of both.
CASES = [
    ("one_sentence", "도서관은 주말에 쉰다.", "도서관은 쉰다. 가게도 쉰다."),
    ("one_sentence", "가격이 3.5달러로 올랐습니다.", "주말에 쉬는 도서관"),
    ("one_sentence", "Mr. Smith went to the library.", "He went. He came back."),
    ("one_sentence", "잘 지내고 있어요", "맛있어요 또 갈게요"),
    ("one_sentence", "It costs $3.50 a day.", "a library shut at weekends"),
    ("one_sentence", "한 줄입니다.", "첫 줄입니다\n둘째 줄입니다"),
    ("sentences:2", "비가 왔다. 길이 젖었다.", "비가 왔다."),
    ("sentences:2", "It rained. The road was wet.", "It rained. The road was wet. We stayed."),
    ("sentences:2", "비가 왔어요. 집에 있었어요.", "답으로 네 알겠습니다 라고 보내기"),
    ("max_sentences:2", "It rained.", "It rained. We stayed. We read."),
    ("max_sentences:1", "비가 왔다.", "비가 왔어요 집에 있었어요"),
    ("min_sentences:2", "비가 왔다. 길이 젖었다.", "비가 와서 길이 젖었다."),
    ("min_sentences:2", "It rained. We stayed.", '"Is it raining?" said the man.'),
    ("min_sentences:2", "비가 왔다. 길이 젖었다.", '"비가 온다." 라고 그가 말했다.'),
    ("max_chars:5", "주말 휴관", "주말에는 문을 열지 않음"),
    ("min_chars:5", "closed", "shut"),
    ("max_chars_unspaced:6", "주말에는 쉰다", "주말에는 모두 쉰다"),
    ("paragraphs:2", "비가 왔다.\n\n길이 젖었다.", "비가 왔다.\n길이 젖었다."),
    ("paragraphs:2", "It rained.\n***\nWe stayed.", "It rained."),
    ("upper_case", "IT RAINED.", "It rained."),
    ("capital_words:2", "It NEVER rained THERE.", "It NEVER rained."),
    ("title", "<<비 오는 날>>\n비가 왔다.", "비 오는 날\n비가 왔다."),
    ("title", "# Rain\nIt rained.", "It rained.\n# Rain"),
    ("highlights:2", "*비*가 오고 **바람**이 분다.", "*비*가 온다. 2 * 3 * 4"),
    ("sections:2", "## 비\n왔다.\n## 바람\n불었다.", "## 비\n왔다."),
    ("placeholders:2", "[이름] 님께, [날짜]에 뵙겠습니다.", "[이름] 님께"),
    ("postscript", "잘 지내요.\n추신: 비가 와요.", "추신경은 몸에 있어요."),
    ("postscript", "Bye.\nP.S. It rains.", "PSA: it rains."),
    ("quoted", '"비가 왔다."', '"비"가 왔다.'),
    ("two_answers", "비가 왔다.\n******\n눈이 왔다.", "비가 왔다.\n******\n비가 왔다."),
    ("no_commas", "비가 오고 바람이 분다.", "비가 오고, 바람이 분다."),
    ("begins_with:네", "네, 알겠습니다.", "알겠습니다."),
    ("ends_with:감사합니다.", "읽어 주셔서 감사합니다.", "감사합니다. 안녕히 계세요."),
    ("has_words:서울,부산", "서울에서 부산까지 갔다.", "서울에서 대전까지 갔다."),
    ("has_words:rain", "Rain fell.", "The train left."),
    ("avoids_words:아마,혹시", "비가 온다.", "아마도 비가 온다."),
    ("says_often:서울*2", "서울은 서울이다.", "서울이다."),
    ("repeats_request", "비가 오나요? 네.", "네.", "비가 오나요?"),
    ("only_hangul", "비가 3일 왔다.", "비가 3days 왔다."),
    ("only_hangul", "한국말로만 적었다.", "漢字를 섞어 적었다."),
    ("max_words:3", "shut at weekends", "it is shut at weekends"),
    ("min_words:3", "주말에는 문을 닫는다", "주말 휴관"),
    ("one_word", "도서관", "시립 도서관"),
    ("one_word", "Library", "(A)"),
    ("one_line", "한 줄", "한 줄\n두 줄"),
    ("max_share:50", "주말 휴관", "도서관은 아침에 열고 저녁에 닫으며 주말에는 쉰다.", KO_TEXT),
    ("max_share:50", "It is shut at weekends.", EN_TEXT, EN_TEXT),
    ("bullets", "- 아침 9시에 연다\n- 주말에 쉰다", "아침 9시에 연다\n주말에 쉰다"),
    ("bullets", "* opens at nine\n* shut at weekends", "- opens at nine"),
    ("num_bullets:3", "• 하나\n• 둘\n• 셋", "• 하나\n• 둘"),
    ("numbered_list", "1. 물을 끓인다\n2. 면을 넣는다", "1. 물을 끓인다\n3. 면을 넣는다"),
    ("numbered_list", "1) boil\n2) stir\n3) serve", "First boil, then stir."),
    ("keywords", "도서관, 휴관, 주말", "도서관은, 주말에 쉰다."),
    ("keywords", "library, opening hours", "The library is shut at weekends."),
    ("keywords", "#도서관\n#휴관", "네, 쉬어요"),
    ("keywords", "도서관·휴관·주말", "[5, 2, 3]"),
    ("keywords", "open access, opening hours", "names = sorted(names)\nprint(names)"),
    ("keywords", "IT 산업, 새벽 배송, 광고", "He came, she left"),
    ("keywords", "opening hours, weekend, red tape", "John left, Mary stayed"),
    ("keywords", "신문 광고, 제품 사고", "비가 오고, 바람이 불고"),
    ("keywords", "가게, 손님, 단골", "밥 먹고, 잠 자고"),
    ("phrase", "오늘 받은 메일 삭제하기", "오늘 받은 메일을 삭제해 주세요"),
    ("phrase", "주말 도서관 휴관", "weekend closing"),
    ("question_answer", "질문: 언제 여나요?\n답: 9시에 엽니다.", "언제 여나요? 9시에 엽니다."),
    ("question_answer", "Q: When?\nA: At nine.\nQ: Where?\nA: Here.", "Q: When?\nQ: Where?"),
    ("question", "언제 오실 건가요?", "언제든 오세요."),
    ("question", "When will you come?", "Come at any time."),
    ("json", json.dumps({"감정": "긍정"}), "[1, 2]"),
    ("lower_case", "positive", "Positive"),
    ("label_set:긍정,부정", "긍정", "긍정적"),
    ("label_set:yes,no", "no", "not"),
    ("option", "(B)", "(D)", "What is wet?\nOptions:\n- (A) sand\n- (B) the sea\n- (C) dust"),
    ("option", "the sea", "the lake", "What is wet?\n(A) sand (B) the sea (C) dust"),
    ("option", "B. the sea", "B. sand", "What is wet?\nA. sand\nB. the sea"),
    ("option", "2번", "3", "알맞은 것은?\n1. 모래\n2. 바다"),
    ("option", "②", "바다", "알맞은 것은?\n① 모래 ② 물"),
    ("option", "1", "바다", "1. 바다\n3. 모래\n알맞은 것은? 1) 물 2) 불"),
    ("scale:1-5", "4점", "9점"),
    ("scale:1-10", "10", "10점 만점에 8점"),
    ("extracts", "저녁 6시", "오후 6시", KO_TEXT),
    ("extracts", "at weekends", "on weekends", EN_TEXT),
    ("extracts", "예방", "예", "감염을 예방 하려면 손을 씻는다."),
    ("extracts", "문을 연다", "아니요", "문을 연다. 아니요 하고 말한다."),
    ("extracts", "책이", "의자", "거의 자리에 책이 있다. 주의자"),
    ("own_words", "주말에만 문을 열지 않는다.", "주말에는 쉰다.", KO_TEXT),
    ("own_words", "Nobody can visit on Sunday.", "It is shut at weekends.", EN_TEXT),
    ("keeps_numbers", "It opens at 9 and shuts at 6.", "It opens at nine and shuts at 6.", KO_TEXT),
    ("keeps_numbers", "9시에 열고 6시에 닫는다.", "9시에 열고 6시 30분에 닫는다.", EN_TEXT),
    ("keeps_numbers", "1,200명", "1200명", "1,200 people"),
    ("keeps_markup", "``None``을 돌려줍니다.", "None을 돌려줍니다.", "Return ``None``."),
    ("refuses", "죄송하지만 그 방법은 알려 드릴 수 없습니다.", "그 방법을 알려 드리겠습니다."),
    ("refuses", "I'm sorry, but I can't help with that.", "You can't miss it; here is how."),
    ("refuses", "그 부탁은 들어 드리기 어렵습니다.", "어렵지 않습니다. 이렇게 하세요."),
    ("refuses", "We are unable to provide that.", "I can't lose my sanity."),
    ("apologises", "미안해요, 그건 어려워요.", "미안해하는 마음이 사랑입니다."),
    ("apologises", "죄송합니다. 도와드릴 수 없습니다.", "그건 안 됩니다."),
    ("apologises", "Sorry, I will not do that.", "I will not do that."),
    ("names_help", "혼자 견디지 말고 전문가에게 도움을 청하세요.", "전문가들은 비가 온다고 본다."),
    ("names_help", "급하면 112에 신고하세요.", "번호는 01120입니다."),
    ("names_help", "Please talk to a counsellor you trust.", "The doctor was late."),
    ("weighs_views", "찬성하는 쪽은 안전을, 반대하는 쪽은 비용을 듭니다.", "저는 찬성합니다."),
    ("weighs_views", "이 문제는 의견이 갈립니다.", "하지만 비가 옵니다."),
    ("weighs_views", "Some call it fair; others call it a burden.", "It is fair, though."),
    ("weighs_views", "Opinions differ on this.", "Some causes are harmless, while others are serious."),
    ("language:ko", "안녕하세요", "hello"),
    ("language:en", "hello there", "안녕하세요"),
    ("no_latin", "컴퓨터를 켜세요.", "PC를 켜세요."),
    ("no_contractions", "It is not here.", "It isn't here."),
    ("no_contractions", "The dog's bowl is empty.", "It's empty."),
    ("contractions", "I don't know what they've done.", "The dog's bowl is empty."),
    ("no_hanja", "가장 오래된 책이다.", "가장 오래된(最古) 책이다."),
    ("speech_level:formal", "비가 옵니다. 우산을 챙기십시오.", "비가 와요. 우산을 챙기십시오."),
    ("speech_level:polite", "비가 와요. 우산 챙기세요!", "비가 온다."),
    ("speech_level:honorific", "비가 옵니다. 조심하세요.", "비가 와. 조심하세요."),
    ("speech_level:plain", "비가 왔다. 길이 젖은 것은 아니다.", "비가 왔습니다."),
    ("speech_level:polite", "네, 비가 와요.", "아니요"),
    ("speech_level:polite", "그럼요.", "꼭 필요"),
    ("python", LOOP, "반복문으로 더하면 됩니다."),
    ("python", f"```python\n{LOOP}\n```", "for (let i = 0; i < 3; i++) { f(i); }"),
    ("is_function", LOOP, "print(1 + 1)"),
    ("one_function", LOOP, LOOP + "\n\nprint(total([1]))"),
    ("is_class", CLASS, LOOP),
    ("has_docstring", DOCUMENTED, LOOP),
    ("has_comments", DOCUMENTED, "#!/usr/bin/env python\nprint('#')"),
    ("has_usage_example", RAISES, LOOP),
    ("has_usage_example", 'def f():\n    """Do it.\n\n    >>> f()\n    """', "def f():\n    return f()"),
    ("has_type_hints", DOCUMENTED, LOOP),
    ("handles_errors", CATCHES, RAISES),
    ("no_recursion", LOOP, RECURSIVE),
    ("uses_recursion", RECURSIVE, LOOP),
    ("uses_loop", LOOP, "def f(xs):\n    return [x for x in xs]"),
    ("no_nested_loops", LOOP, NESTED),
    ("uses_generator", YIELDS, LOOP),
    ("uses_comprehension", "squares = [n * n for n in range(5)]", LOOP),
    ("uses_memoization", MEMO, RECURSIVE),
    ("no_imports", LOOP, MEMO),
    ("only_standard_library", MEMO, "import numpy\n\nprint(numpy.pi)"),
    ("stands_alone", LOOP, "    return 2 * x"),
    ("stands_alone", "func f(x int) int { return x }", "return sum(xs)"),
    ("completes_function", "    return 2 * x", LOOP, 'def twice(x):\n    """Twice."""'),
    (
        "completes_function",
        "    y = 2 * x\n    return y",
        "    두 배입니다.",
        "class A:\n    pass\n\n\ndef f(x):\n",
    ),
    ("max_code_lines:5", LOOP, YIELDS + "\n\nprint(1)"),
]


@pytest.mark.parametrize("case", CASES, ids=[f"{case[0]}-{number}" for number, case in enumerate(CASES)])
def test_a_check_tells_an_answer_that_has_it_from_one_that_has_not(case: tuple[str, ...]) -> None:
    name, has, lacks, *given_text = case
    text = given_text[0] if given_text else ""
    assert holds(name, has, given=text)
    assert not holds(name, lacks, given=text)


def test_every_check_has_an_example() -> None:
    assert {case[0].partition(":")[0] for case in CASES} == CHECKS.keys()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("one_sentense", "no check is named 'one_sentense'; did you mean one_sentence"),
        ("zzz", "known are"),
        ("max_chars", "needs an argument"),
        ("max_chars:many", "a whole number above 0"),
        ("max_chars:0", "a whole number above 0"),
        ("scale:5-1", "the lowest number first"),
        ("speech_level:casual", "one of formal, polite, honorific, plain"),
        ("one_line:3", "takes no argument"),
    ],
)
def test_a_check_that_cannot_be_made_says_why(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_of(name)


ARGUMENTS = {
    **{"label_set": "a,b", "scale": "1-5", "language": "ko", "speech_level": "formal"},
    **{"has_words": "a,b", "avoids_words": "a,b", "says_often": "a*2"},
}
NAMES = [f"{kind}:{ARGUMENTS.get(kind, '3')}" if check.argument else kind for kind, check in CHECKS.items()]


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_breaks_a_check(answer: str, text: str) -> None:
    for name in NAMES:
        assert holds(name, answer, given=text) in (True, False)
