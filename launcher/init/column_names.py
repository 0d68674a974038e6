"""What the name of a column or key tells: the field it stands for, and which other columns it belongs to."""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple


def words(text: str) -> frozenset[str]:
    """The words of a text, to be looked up."""
    return frozenset(text.split())


# Names that columns have in real files -> our fields. Of two columns, the one whose name stands first wins.
NAMES = {
    "instruction": (
        "instruction instruct prompt question query request turn q 지시 지시문 지시사항 명령 "
        "질문 질의 문제 요청"
    ),
    "input": (
        "input text document review comment sentence content contents context passage article body message "
        "premise hypothesis utterance goal 본문 내용 글 문장 리뷰 후기 댓글 원문 기사 지문 문서 텍스트 입력 "
        "발화 말 전제 가설 source src"
    ),
    "answer": (
        "output answer response completion target tgt summary abstract reply translation chosen solution "
        "code reference a 답 답변 정답 응답 출력 요약 요약문 번역 번역문 대답 풀이 코드"
    ),
    "label": (
        "label class category sentiment rating score stars star polarity emotion intent topic "
        "라벨 레이블 감정 감성 평점 별점 점수 분류 분야 카테고리 의도 주제 극성"
    ),
    "rationale": "rationale explanation cot 근거 해설",
}
CHOICES = words(
    "choice choices option options ending endings alternative alternatives candidate candidates "
    "보기 선택지 선지 선택 후보"
)
KOREAN = ("ko", "kor", "kr", "korean", "한국어", "국문", "한글")
ENGLISH = ("en", "eng", "english", "영어", "영문")
_TASK_OF_ANSWER = {
    "summarization": ("summary", "abstract", "요약", "요약문"),
    "translation": ("translation", "번역", "번역문"),
    "conversation": ("reply", "대답"),
    "code_generation": ("solution", "code", "코드"),
}
# They say what kind of text a column holds once another word says which: answer_text, 라벨 내용.
_WEAK = words("text content contents body message sentence 내용 글 문장 텍스트 말 turn")
# They say something about a text: question_type, answer_start, reasoning_content, 문서번호.
_ABOUT = words(
    "id idx index uid guid no num number count len length type start end offset date time url link lang "
    "language author name unnamed file page reasoning thinking thought thoughts "
    "번호 순번 날짜 시간 길이 유형 개수 작성자 출처"
)
_VERDICTS = words(
    "acceptable acceptability accepted accept valid validity correct correctness ok okay pass passed "
    "approved approval verified verdict quality usable keep"
)
_KOREAN_VERDICTS = ("적합", "적절", "채택", "검수", "승인", "통과", "유효", "합격", "품질", "사용가능")
_FIRST = {
    "2": "1",
    "b": "a",
    "second": "first",
    "right": "left",
    "뒤": "앞",
}  # the second of two -> the first
_PLACES = frozenset((*_FIRST, *_FIRST.values()))
_NEUTRAL = words("gold final majority main")  # they name the one that counts
_FOLLOWS = {"premise": "hypothesis", "전제": "가설"}
_UNKNOWN = 1000  # the rank of a name that no list holds


class Name(NamedTuple):
    """What a name tells by itself."""

    role: str | None  # our field
    affix: tuple[str, ...]  # the words beside the role's: columns with the same ones belong together
    place: str | None  # which of several of one kind: 1, b, second
    rank: int  # place of its word in NAMES
    text: str  # its role's word; with the affix what two texts of one kind share


def plain(name: str) -> str:
    """A name as it compares: no case, no quotes, no unit in brackets, no invisible signs."""
    text = re.sub(r"[(\[<].*?[)\]>]", "", unicodedata.normalize("NFKC", name).casefold())
    return _visible(text).strip(" \t\"'*:#_-.")


def is_known(name: str) -> bool:
    """Whether a whole name is one of NAMES."""
    return any(_known(plain(name), role) for role in NAMES)


@lru_cache(maxsize=4096)
def read_name(name: str) -> Name:
    """The role and the affix of a column's name; of a dotted path the steps are words as well."""
    parts = words_of(name)
    whole = " ".join(parts)
    if role := next((role for role in NAMES if _known(whole, role)), None):
        word = str(_known(whole, role))
        return Name(role, (), None, _rank(word, role), word)
    found = [(word, role, known, rest) for word in parts for role, known, rest in [_role_of_word(word)]]
    strong = [one for one in found if one[1] and one[2] not in _WEAK]
    deciding = (strong or [one for one in found if one[1]] or [None])[-1]
    if deciding is None or is_about(name):
        return Name(None, tuple(parts), None, _UNKNOWN, whole)
    _, role, known, _ = deciding
    assert role is not None
    affix = [rest if role else word for word, role, _, rest in found]
    place = next((word for word in reversed(affix) if word.isdigit() or word in _PLACES), None)
    kept = tuple(word for word in affix if word and word != place and word not in _NEUTRAL)
    return Name(role, kept, place, _rank(known, role) + 100, known)


def words_of(name: str) -> list[str]:
    """The words of a name: parted by signs, by case (textOrig) and where digits begin (sentence1)."""
    text = unicodedata.normalize("NFKC", _visible(name))
    text = re.sub(r"[(\[<][^)\]>]*\d[^)\]>]*[)\]>]", " ", text)  # a unit, such as (1-5)
    text = re.sub(r"\.(\d+|\*)(?=\.|$)", " ", text)  # steps of a path into a list
    text = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])", " ", text)
    return [word.casefold() for word in re.findall(r"[^\W_]+", text)]


def is_verdict(name: str) -> bool:
    """Whether a column says if a row is good, rather than what its answer is."""
    parts = words_of(name)
    return bool(_VERDICTS & set(parts)) or any(word.startswith(_KOREAN_VERDICTS) for word in parts)


def is_about(name: str) -> bool:
    """Whether a column tells of the record rather than what it holds: an id, a date, a thought."""
    parts = words_of(name)
    return any(word in _ABOUT or word.endswith("번호") for word in parts)


def language_in(affix: tuple[str, ...]) -> str | None:
    """The language that an affix names."""
    for language, words in (("ko", KOREAN), ("en", ENGLISH)):
        if any(word in words for word in affix):
            return language
    return None


def follows(one: Name, other: Name) -> bool:
    """Whether two texts of one record are the first and the second of a pair."""
    if one.affix != other.affix or not {one.role, other.role} <= {"input", "instruction"}:
        return False
    first = _FIRST.get(other.place or "")
    numbered = one.text == other.text and first is not None and one.place in (first, None)
    return numbered or _FOLLOWS.get(one.text) == other.text


def task_of_answer(name: str) -> str | None:
    """The shipped task that the name of the answer's column tells of."""
    word = read_name(name).text
    return next((task for task, words in _TASK_OF_ANSWER.items() if word in words), None)


def _visible(text: str) -> str:
    return "".join(char for char in text if unicodedata.category(char) not in ("Cf", "Cc"))


def _known(word: str, role: str) -> str | None:
    """The word of a role's list, also where it stands in the plural."""
    known = NAMES[role].split()
    singular = {"summaries": "summary", "replies": "reply", "categories": "category", "classes": "class"}
    forms = (word, word.removesuffix("s"), singular.get(word, word))
    return next((form for form in forms if form in known), None)


def _role_of_word(word: str) -> tuple[str | None, str, str]:
    """(role, the known word, what stands before it): of a Korean compound its last part decides."""
    for role in NAMES:
        if len(word) > 1 and (known := _known(word, role)):
            return role, known, ""
    compounds = [
        (known, role) for role, names in NAMES.items() for known in names.split()
        if len(known) > 1 and "가" <= known[0] <= "힣" and word.endswith(known)
    ]  # fmt: skip
    if not compounds:
        return None, "", word
    known, role = max(compounds, key=lambda one: len(one[0]))
    return role, known, word.removesuffix(known)


def _rank(word: str, role: str) -> int:
    return NAMES[role].split().index(word)
