"""Tables of Korean endings: request forms, question forms, and the words that bind a text to a level.

Morphemes are written as in `hunmin.language.korean.morphemes` (one name for each ending).
"""

from typing import Literal, NamedTuple

# hapsyo: formal (-습니다); haeyo: polite (-요); hae: intimate; written: as on an exam sheet, said to nobody.
Level = Literal["hapsyo", "haeyo", "hae", "written", "neutral"]
POLITE = ("hapsyo", "haeyo")


class Form(NamedTuple):
    """A form that a request can take."""

    rule: str
    level: Level
    surface: str  # after the connective (benefactive), or the ending's name (plain)
    asks: bool = False  # ends with a question mark


# "do it for me": verb + 어 + one of these; the first of a level is its simplest.
BENEFACTIVE = (
    Form("ko:request_haeyo", "haeyo", "주세요"),
    Form("ko:request_hapsyo", "hapsyo", "주십시오"),
    Form("ko:request_hae", "hae", "줘"),
    Form("ko:hope_hapsyo", "hapsyo", "주시기 바랍니다"),
    Form("ko:polite_request", "haeyo", "주시겠어요", asks=True),
    Form("ko:polite_request_hapsyo", "hapsyo", "주시겠습니까", asks=True),
    Form("ko:can_you_haeyo", "haeyo", "주실 수 있나요", asks=True),
    Form("ko:can_you_hae", "hae", "줄 수 있어", asks=True),
    Form("ko:will_you_hae", "hae", "줄래", asks=True),
)
# The morphemes behind 주 by which each of them, and forms that are read but not written, are known.
BENEFACTIVE_TAILS: dict[str, tuple[str, Level]] = {
    "시/EP 어요/EF": ("ko:request_haeyo", "haeyo"),
    "시/EP ᆸ시오/EF": ("ko:request_hapsyo", "hapsyo"),
    "어/EF": ("ko:request_hae", "hae"),
    "시/EP 기/ETN 바라/VV ᆸ니다/EF": ("ko:hope_hapsyo", "hapsyo"),
    "시/EP 겠/EP 어요/EF": ("ko:polite_request", "haeyo"),
    "시/EP 겠/EP ᆸ니까/EF": ("ko:polite_request_hapsyo", "hapsyo"),
    "시/EP ᆯ/ETM 수/NNB 있/VA 나요/EF": ("ko:can_you_haeyo", "haeyo"),
    "ᆯ/ETM 수/NNB 있/VA 어/EF": ("ko:can_you_hae", "hae"),
    "ᆯ래/EF": ("ko:will_you_hae", "hae"),
    "어요/EF": ("", "haeyo"),
    "어라/EF": ("", "hae"),
    "시/EP 오/EF": ("", "written"),
    "ᆯ래요/EF": ("", "haeyo"),
    "시/EP ᆯ래요/EF": ("", "haeyo"),
    "겠/EP 니/EF": ("", "hae"),
    "겠/EP 어/EF": ("", "hae"),
    "시/EP ᆯ/ETM 수/NNB 있/VA 어요/EF": ("", "haeyo"),
    "시/EP ᆯ/ETM 수/NNB 있/VA ᆯ까요/EF": ("", "haeyo"),
    "시/EP ᆯ/ETM 수/NNB 있/VA ᆸ니까/EF": ("", "hapsyo"),
    "ᆯ/ETM 수/NNB 있/VA 나요/EF": ("", "haeyo"),
    "ᆯ/ETM 수/NNB 있/VA ᆯ까요/EF": ("", "haeyo"),
    "ᆯ/ETM 수/NNB 있/VA 니/EF": ("", "hae"),
    "ᆯ/ETM 수/NNB 있/VA ᆯ까/EF": ("", "hae"),
}
PLAIN = (
    Form("ko:haeyo", "haeyo", "세요/EF"),
    Form("ko:hapsyo", "hapsyo", "시/EP ᆸ시오/EF"),
    Form("ko:hao", "written", "시/EP 오/EF"),
    Form("ko:hara", "written", "으라/EF"),
    Form("ko:noun_gi", "written", "기/ETN"),
    Form("ko:noun_geot", "written", "ᆯ/ETM 것/NNB"),
)
# By the morphemes they end in, which are their surface but for 세요.
PLAIN_TAILS: dict[str, tuple[str, Level]] = {
    "시/EP 어요/EF": ("ko:haeyo", "haeyo"),
    **{form.surface: (form.rule, form.level) for form in PLAIN[1:]},
    "어라/EF": ("", "hae"),
}

# Question endings: what they do, and the level. Within a mood they say the same.
QUESTIONS: dict[str, tuple[str, Level]] = {
    "어": ("ask", "hae"),
    "니": ("ask", "hae"),
    "냐": ("ask", "hae"),
    "어요": ("ask", "haeyo"),
    "나요": ("ask", "haeyo"),
    "ᆫ가요": ("ask", "haeyo"),
    "ᆸ니까": ("ask", "hapsyo"),
    "ᆫ가": ("ask", "written"),
    "나": ("ask", "hae"),
    "ᆯ까": ("wonder", "hae"),
    "ᆯ까요": ("wonder", "haeyo"),
    "지": ("confirm", "hae"),
    "지요": ("confirm", "haeyo"),
    "ᆯ래": ("offer", "hae"),
    "ᆯ래요": ("offer", "haeyo"),
}
# Questions by form alone; the others are questions only with a question mark.
SURE_QUESTIONS = {"니", "나요", "ᆫ가요", "ᆸ니까", "ᆯ까", "ᆯ까요"}
QUESTION_RULES = {
    "어": "ko:question_hae",
    "니": "ko:question_ni",
    "어요": "ko:question_haeyo",
    "나요": "ko:question_nayo",
    "ᆸ니까": "ko:question_hapsyo",
    "ᆫ가": "ko:question_written",
    "ᆯ까": "ko:question_hae",
    "ᆯ까요": "ko:question_haeyo",
    "지": "ko:question_hae",
    "지요": "ko:question_haeyo",
    "ᆯ래": "ko:question_hae",
    "ᆯ래요": "ko:question_haeyo",
}
RULE_OF_ENDING = {**QUESTION_RULES, "ᆫ가요": "ko:question_nayo"}
# The copula 이다 after a consonant and after a vowel.
COPULA = {
    "어": ("이야", "야"),
    "어요": ("이에요", "예요"),
    "니": ("이니", "니"),
    "나요": ("인가요", "인가요"),
    "ᆫ가": ("인가", "인가"),
    "ᆸ니까": ("입니까", "입니까"),
    "ᆯ까": ("일까", "일까"),
    "ᆯ까요": ("일까요", "일까요"),
    "지": ("이지", "지"),
    "지요": ("이죠", "죠"),
    "ᆫ지": ("인지", "인지"),
}
# Statements that 요 alone makes polite.
STATEMENTS = {"어", "지", "네", "거든", "는데", "ᆫ데", "은데", "던데", "을게", "ᆯ게"}

# Verbs of tasks, done for whoever asks: 하세요 and 해 주세요 ask for the same. For others they do not
# (알리세요 is no 알려 주세요, 힘내 주세요 no 힘내세요).
_WITH_HADA = """
    요약 번역 설명 작성 나열 서술 기술 분류 비교 분석 계산 답 대답 답변 제시 정리 완성 생성 구현
    추출 평가 제안 묘사 열거 논 판단 예측 수정 변환 편집 표현 정의 소개 선택 추가 제거 삭제 확인
    해결 증명 말 이야기 표시 검색 조사 설계 구성 추천 검토 교정 변경 기재 언급 해석 재구성 창작 구분
    대조 배열 정렬 출력 해설 보완 개선 작곡 예시 가정 연결 식별 파악 토론 논의 진술 조언 압축 확장
    치환 교체 입력 저장 전송 예약 등록 취소 설정 측정
"""
_NATIVE = (
    "쓰 고르 만들 찾 구하 짓 바꾸 고치 풀 적 채우 넣 옮기 밝히 줄이 늘리 나누 묶 매기 꼽 뽑 그리 다듬 빼 붙이"
)
TASK_VERBS = frozenset([noun + "하" for noun in _WITH_HADA.split()] + _NATIVE.split())
# Auxiliary verbs whose imperative is one: 해 보세요, 하지 마세요, 적어 두세요.
COMMANDED_AUXILIARIES = {"보", "말", "두", "놓"}

# Of the verbs without 하다, those that make a heading with 기: 시를 한 편 쓰기.
HEADING_VERBS = {"쓰", "고르", "만들", "풀", "적", "그리", "나누", "채우", "옮기", "묶"}

# No imperative in another form: 보여라 asks to be shown, not to be seen.
NOT_COMMANDED = {"보이", "알리", "되", "알", "계시", "있"}

# Stems that another stem is written like before a vowel: 걸어 is of 걷다 or 걸다, 아냐 of 알다 or 아니다.
_AMBIGUOUS = "걷 걸 듣 들 묻 물 붇 불 싣 긷 낫 붓 붙 잇 긋 알 켜 키 펴 피"
AMBIGUOUS_STEMS = frozenset(_AMBIGUOUS.split())

# Adverbs of telling how someone is: 너무 잘해 줘 is no request.
TELLING = {"잘", "너무", "자꾸", "항상", "매일", "계속", "정말", "진짜", "늘"}

# Prohibitions and misspelt stems that no question ending goes with: 쓰지 마? 어떻하니?
NOT_ASKED = {"말", "마", "어떻하", "쓰지마", "지마"}

_WH = "무엇 뭐 무어 누구 어디 언제 왜 어떻 얼마나 얼마 몇 무슨 어느 어떤 어떠"
_SPOKEN = "뭐 이거 그거 저거 거 얘 걔 쟤 한테 랑 이랑 어떡하 좀 진짜 엄청 되게 맨날"
_PERSONAL = "나 저 우리 저희 너 좀 혹시 제발 당신 여러분"
WH_WORDS = frozenset(_WH.split())
# Words that bind a text to the intimate level, to a polite one, to speech (not 합쇼체), to a speaker.
INTIMATE_WORDS = frozenset(
    [*((word, "NP") for word in ("너", "니", "네", "너희")), ("아", "JKV"), ("야", "JKV")]
)
_HONOURED = "저희 당신 여러분 모두들 귀하 고객 말씀 께서 께 드리 여쭈 여쭙 계시"
POLITE_WORDS = frozenset(
    (word, tag) for word in _HONOURED.split() for tag in ("NP", "NNG", "JKS", "JKB", "VV", "VX")
)
SPOKEN_WORDS = frozenset(_SPOKEN.split())
PERSONAL_WORDS = frozenset(_PERSONAL.split())
