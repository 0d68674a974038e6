"""What a request does with its text, as its task's name and its words tell: work on it, or answer it."""

import re

# The answer is the text in another form, or a part of it. Sure words only: what is found, a recipe may be.
_WORKS_ON = (
    r"translat|summar|extract|classif|categor|transcri|proofread|tagg|sentiment|entail|\bnli\b"
    r"|번역|통역|요약|간추|추출|분류|교정|감정|판별"
)
# The answer is right or wrong, whoever gives it.
_SOLVES = (
    r"question.?answer|\bqa\b|\bmrc\b|\bcode|calculat|comput|solve|convert|correct"
    r"|옮기|옮겨|찾|뽑|고쳐|변환|바꾸|바꿔|계산|푸세요|풀어"
)
_WORKS_ON_TEXT = re.compile(_WORKS_ON, re.IGNORECASE)
_CUES = tuple(re.sub(r"\\b", "", cue) for cue in _WORKS_ON.split("|"))
_DERIVED = re.compile(f"{_WORKS_ON}|{_SOLVES}", re.IGNORECASE)


def works_on_text(task: str, instruction: str | None) -> bool:
    """Whether the answer says over again what the input says: a summary, a translation, a class."""
    said = _said(task, instruction)
    folded = said.casefold()  # of all but a dotless i; in a tenth of the pattern's time, and most have none
    return any(cue in folded for cue in _CUES) and _WORKS_ON_TEXT.search(said) is not None


def is_derived(task: str, instruction: str | None) -> bool:
    """Whether the answer is found, not made up: as above, or an answer, a program, a sum."""
    return _DERIVED.search(_said(task, instruction)) is not None


def _said(task: str, instruction: str | None) -> str:
    return f"{task.replace('_', ' ')}\n{instruction or ''}"
