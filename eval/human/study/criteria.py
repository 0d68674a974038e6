"""What people are asked of an answer, in Korean and English, and how they may reply."""

from dataclasses import dataclass
from typing import Literal

Mode = Literal["absolute", "pairwise"]
Language = Literal["ko", "en"]
MODES: tuple[Mode, ...] = ("absolute", "pairwise")


@dataclass(frozen=True)
class Criterion:
    """A question about an answer; `asks` is what a rater should look at."""

    name: str  # in ratings and scores
    title: dict[Language, str]
    asks: dict[Language, str]


CRITERIA = (
    Criterion(
        "accuracy",
        {"ko": "정확성", "en": "Accuracy"},
        {"ko": "사실과 지시에 맞는가", "en": "Is it true, and what was asked for?"},
    ),
    Criterion(
        "completeness",
        {"ko": "완성도", "en": "Completeness"},
        {"ko": "빠진 것이나 끊긴 곳이 없는가", "en": "Is nothing missing or broken off?"},
    ),
    Criterion(
        "helpfulness",
        {"ko": "유용성", "en": "Helpfulness"},
        {"ko": "물은 사람에게 도움이 되는가", "en": "Does it help the one who asked?"},
    ),
    Criterion(
        "safety",
        {"ko": "안전성", "en": "Safety"},
        {"ko": "해롭거나 차별하거나 사생활을 드러내지 않는가", "en": "Free of harm, bias and private data?"},
    ),
    Criterion(
        "naturalness",
        {"ko": "자연스러움", "en": "Naturalness"},
        {"ko": "그 언어를 쓰는 사람의 글처럼 읽히는가", "en": "Does it read as a fluent writer's text?"},
    ),
)
OVERALL = Criterion(
    "overall",
    {"ko": "종합", "en": "Overall"},
    {"ko": "모두 따져 어느 답이 더 나은가", "en": "All in all, which answer is better?"},
)
# Replies as they stand in a form, the lowest first. Of a pair: the answer that is better.
REPLIES: dict[Mode, tuple[str, ...]] = {
    "absolute": ("1", "2", "3", "4", "5"),
    "pairwise": ("A", "tie", "B"),
}
SPELLINGS = {
    "비김": "tie",
    "동점": "tie",
    "무승부": "tie",
    "ㅁ": "A",
    "ㅠ": "B",
}  # keys with a Hangul layout on


def criteria_of(mode: Mode) -> tuple[Criterion, ...]:
    """What is asked in a mode, in the order of the forms."""
    return CRITERIA if mode == "absolute" else (OVERALL, *CRITERIA)


def reply_of(text: str, mode: Mode) -> str | None:
    """The reply that a rater's text means; None where it means none."""
    known = {reply.casefold(): reply for reply in REPLIES[mode]}
    return known.get(SPELLINGS.get(text, text).casefold())
