"""The answer at the end of worked steps: written by chain of thought, read by eval.

2 더하기 3은 5이다.          First add, then double.

정답: 5                      Answer: 10
"""

import re

MARKERS = {"ko": "정답", "en": "Answer"}

# The marker opens a line; Markdown around it (**Answer:** 5, ## 정답: 5) is not part of the answer.
_MARKER = re.compile(
    r"^[ \t]*(?:[#>*_-]+[ \t]*)*"
    r"(?:최종[ \t]*(?:정답|답안|답)|정답|답|(?:the[ \t]+)?(?:final[ \t]+)?answer)"
    r"[ \t]*[*_]*[ \t]*[:：][ \t]*(?:[*_]+(?=[ \t]|$))?[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_EMPHASIS = re.compile(r"(\*\*|__)(.+)\1")


def with_final_answer(steps: str, answer: str, *, language: str) -> str:
    """The steps, then the answer behind a marker; an answer of several lines (code) starts below it.

    Where the answer itself has a line with a marker, `extract_final_answer` finds that one: compare first.
    """
    gap = "\n" if "\n" in answer else " "
    return f"{steps.rstrip()}\n\n{MARKERS[language]}:{gap}{answer}"


def extract_final_answer(text: str) -> str | None:
    """What stands behind the last marker: the rest of its line, or where that is empty all that follows.

    None without a marker, or with nothing behind it.
    """
    markers = list(_MARKER.finditer(text))
    if not markers:
        return None
    line, _, below = text[markers[-1].end() :].partition("\n")
    found = line.strip() or below.strip()
    if markers[-1][0].count("**") % 2:  # **Answer: 5**
        found = found.removesuffix("**")
    whole = _EMPHASIS.fullmatch(found)
    return (whole[2] if whole else found) or None
