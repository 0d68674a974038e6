"""The verb of a request: what is to be done. By the forms of words, without an analyser: it is only counted.

A request is looked for where each language has it: an English one at the start of a sentence, a Korean one at
the end, the last sentence first. What is asked as a question has none.
"""

import re

from hunmin.language.english.verbs import COMMANDS
from hunmin.language.script import language_of

_MAX_CHARS = 2000  # of an instruction, from the end that is looked at
_SENTENCE = re.compile(r"[^.!?…:;\n]+([.!?…:;\n]*)")
_EDGES = " \t\"'“”‘’()[]{}<>~*#-–,"
_COURTESY = re.compile(
    r"^(?:(?:please|kindly|now|then|first)\s+|(?:can|could|would|will) you\s+)+", re.IGNORECASE
)
_WORD = re.compile(r"[A-Za-z]+")
_VERBS = COMMANDS | {"continue", "judge", "pretend", "put", "sum"}

# Stems of verbs that requests use, with the form before 주다 and 보다; those in 하다 follow a rule instead.
_STEMS_TEXT = """
    가르치:가르쳐 가리:가려 간추리:간추려 고르:골라 고치:고쳐 골라내:골라내 그리:그려 꾸미:꾸며 나누:나눠
    남기:남겨 늘리:늘려 다듬:다듬어 담:담아 들려주:들려 맞추:맞춰 매기:매겨 만들:만들어 묶:묶어 바꾸:바꿔
    바로잡:바로잡아 밝히:밝혀 보이:보여 붙이:붙여 뽑:뽑아 뽑아내:뽑아내 살피:살펴 쓰:써 알리:알려
    알아내:알아내 옮기:옮겨 읽:읽어 적:적어 줄이:줄여 짜:짜 짓:지어 찾:찾아 찾아내:찾아내 채우:채워 풀:풀어
"""
_STEMS = {pair.split(":")[0]: pair.split(":")[1] for pair in _STEMS_TEXT.split()}
_STEM_OF = {form: stem for stem, form in _STEMS.items()} | {
    f"{stem}어": stem for stem in ("나누", "맞추", "바꾸", "옮기")
}
_NOUN = re.compile(r"[가-힣]{0,5}[가-힣](?<![아어야])")  # not 좋아하다, 해야 하다
_ADVERBS_TEXT = "좀 한번 꼭 잘 더 안 못 다시 함께 같이 그렇게 이렇게"
# What people ask for as a noun: "요약 부탁드립니다".
_ASKED_TEXT = """
    검토 계산 교정 구현 답변 대답 묘사 번역 변환 분류 분석 비교 생성 선택 설계 설명 수정 예측 완성 요약 작성
    정리 제시 제안 추천 추출 출력 판단 평가 표현 확인
"""
_ADVERBS = frozenset(_ADVERBS_TEXT.split())
_ASKED = frozenset(_ASKED_TEXT.split())
_CAN = r"수\s?(?:있\S*|없\S*)"
_PLEASE = re.compile(
    rf"\s*(?:주(?:세요|십시오|시오|시겠\S*|실래요|시기|시면|시길|면|길|기)|줘요?|주실\s{_CAN}|줄\s{_CAN}|줄래요?|"
    r"달라|다오|보(?:세요|십시오|시오|자|아라)|봐(?:요|라)?)"
    r"(?:\s*(?:바랍니다|바라요|바람|감사하겠습니다|고맙겠\S*|좋겠\S*|될까요?|되겠\S*))?$"
)
_AS_NOUN = re.compile(
    r"(\S+?)[을를]?\s*(?:부탁드립니다|부탁드려요|부탁드릴게요|부탁해요?|부탁합니다|바랍니다|요망)$"
)
_ORDER = re.compile(r"(\S+?)(?:으?세요|으?십시오|으?시오|으?라|자|기|ᆯ 것)$")
_SHALL = re.compile(r"(\S*)할\s것$")
_DOES = re.compile(r"(\S*?)(?:해(?:요|라)?|하여라?|한다)$")


def asked_verb(instruction: str) -> str | None:
    """The verb in its dictionary form (translate, 번역하다); None where none is found."""
    korean = language_of(instruction) == "ko"
    found = list(_SENTENCE.finditer(instruction[-_MAX_CHARS:] if korean else instruction[:_MAX_CHARS]))
    for sentence in reversed(found) if korean else found:
        end = sentence[1]
        text = sentence[0].removesuffix(end).strip(_EDGES)
        verb = _korean(text, question="?" in end) if korean else _english(text)
        if verb:
            return verb
    return None


def _english(sentence: str) -> str | None:
    """The first word, where it is a verb in its base form that something follows."""
    words = _WORD.findall(_COURTESY.sub("", sentence)[:80])
    return words[0].lower() if len(words) > 1 and words[0].lower() in _VERBS else None


def _korean(sentence: str, *, question: bool) -> str | None:
    """The last verb, where its ending asks for something; that of a question asks only before 주다."""
    asked = _PLEASE.sub("", sentence)
    if asked != sentence:
        return _before_please(asked)
    if question:
        return None
    if (found := _AS_NOUN.search(sentence)) and found[1] in _ASKED:
        return f"{found[1]}하다"
    if found := _SHALL.search(sentence) or _DOES.search(sentence):
        return _do(found[1], sentence[: found.start()])
    if found := _ORDER.search(sentence):
        stem = found[1]
        if stem.endswith("하"):
            return _do(stem[:-1], sentence[: found.start()])
        stem = _STEM_OF.get(stem.rpartition(" ")[2], stem)  # 써라
        return f"{stem}다" if stem in _STEMS else None
    last = sentence.rpartition(" ")[2]
    return f"{_STEM_OF[last]}다" if last in _STEM_OF else None


def _before_please(text: str) -> str | None:
    before, _, last = text.rstrip().rpartition(" ")
    if last in _STEM_OF:
        return f"{_STEM_OF[last]}다"
    for ending in ("하여", "해"):
        if last.endswith(ending):
            return _do(last.removesuffix(ending), before)
    return None


def _do(noun: str, before: str) -> str | None:
    """NOUN하다; where 하다 stands alone, its object before it (번역을 해 주세요)."""
    if not noun:
        found = re.search(r"(\S+)[을를]$", before.rstrip())
        noun = found[1] if found else ""
    return f"{noun}하다" if noun not in _ADVERBS and _NOUN.fullmatch(noun) else None
