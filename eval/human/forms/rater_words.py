"""What a form says besides the questions, in Korean and English."""

from eval.human.study.criteria import Language, Mode

WORDS: dict[Language, dict[str, str]] = {
    "ko": {
        "title": "답 평가",
        "question": "질문",
        "answer": "답",
        "note": "메모",
        "absolute": "답마다 다섯 기준에 1(매우 나쁨)부터 5(매우 좋음)까지 점수를 주세요.",
        "pairwise": "두 답 가운데 기준마다 더 나은 쪽을 A나 B로 고르고, 우열이 없으면 tie(비김)를 고르세요.",
        "whole": "한 행의 기준은 모두 채우거나 모두 비워 두세요. 빈 행은 아직 평가하지 않은 것입니다.",
        "blind": "어느 모델의 답인지는 적혀 있지 않습니다. 질문과 답만 보고 판단해 주세요.",
        "keep": "id 열은 고치지 마세요. 행의 순서는 바꾸어도 됩니다.",
        "guide": "안내",
        "sheet": "평가",
        "system": "설정",
        "user": "질문",
        "thought": "생각",
        "call": "호출",
        "tool": "도구",
    },
    "en": {
        "title": "Rating answers",
        "question": "Question",
        "answer": "Answer",
        "note": "Note",
        "absolute": "Rate each answer by five criteria from 1 (very bad) to 5 (very good).",
        "pairwise": "For each criterion choose the better answer, A or B; tie where neither is better.",
        "whole": "Fill all criteria of a row or none of them. An empty row is not rated yet.",
        "blind": "Which model gave an answer is not told. Please judge by question and answer alone.",
        "keep": "Leave the column id as it is. The order of the rows may change.",
        "guide": "Guide",
        "sheet": "Ratings",
        "system": "System",
        "user": "Question",
        "thought": "Thought",
        "call": "Call",
        "tool": "Tool",
    },
}


def instructions(mode: Mode, language: Language, *, in_table: bool) -> list[str]:
    """What a rater should know, a sentence or two a line; of a table also what must stay as it is."""
    words = WORDS[language]
    return [words[mode], words["blind"], *([words["whole"], words["keep"]] if in_table else [])]


def spoken(kind: str, language: Language) -> str:
    """Who says a part of the prompt (hunmin/readable.py)."""
    return WORDS[language]["answer" if kind == "answer" else kind]
