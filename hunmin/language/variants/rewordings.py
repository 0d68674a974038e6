"""Other wordings of an instruction that a row carries itself, made by rule and checked.

A rewording asks for the same in another form: speech level, politeness, command or question. It is given only
where every check passes; most texts that are no plain request or question get none.
"""

import re
from dataclasses import dataclass

from hunmin.language.english.rewording import english_candidates
from hunmin.language.korean.rewording import korean_candidates, korean_confirms
from hunmin.language.protected import protected

MAX_CHARS = 600  # longer instructions hold more than a request, and cost more to read
_HANGUL = re.compile(r"[가-힣]")
# Endings of requests and questions: only texts with one of these are analysed.
_KOREAN_END = re.compile(
    r"(?:세요|셔요|시오|줘|줘요|래|래요|라|까|나요|가요|니|지요|죠|봐|기|것|바랍니다)\s*[.!:]{0,3}\s*$|[가-힣]\s*\?+\s*$"
)


@dataclass(frozen=True)
class Rewording:
    """A text that asks for the same, and the rule that made it (`ko:haeyo`, `en:please`)."""

    text: str
    rule: str


def rewordings(instruction: str, *, language: str) -> list[Rewording]:
    """Every rewording that passes all checks, in a fixed order, without the original or repeats.

    Args:
        language: of the instruction, `ko` or `en`; others get none.
    """
    found = _candidates(instruction, language=language)
    return [candidate for candidate in found if _holds(instruction, candidate, language=language)]


def reword(instruction: str, *, language: str, draw: int, without: str | None = None) -> Rewording | None:
    """One of the rewordings, chosen by a number drawn elsewhere; None where none is safe.

    The draw points at a candidate; where that one fails a check, the next one that passes is taken. So only
    one or two are checked, and not all, which for Korean would be a dozen analyses.

    Args:
        draw: any number, equally likely to be of each remainder.
        without: rules that begin so are left out.
    """
    found = _candidates(instruction, language=language)
    if without is not None:
        found = [candidate for candidate in found if not candidate.rule.startswith(without)]
    for step in range(len(found)):
        candidate = found[(draw + step) % len(found)]
        if _holds(instruction, candidate, language=language):
            return candidate
    return None


def _candidates(instruction: str, *, language: str) -> list[Rewording]:
    if len(instruction) > MAX_CHARS or not instruction.strip():
        return []
    has_hangul = _HANGUL.search(instruction) is not None
    if language == "ko" and has_hangul and _KOREAN_END.search(instruction):
        found = korean_candidates(instruction)
    elif language == "en" and not has_hangul:
        found = english_candidates(instruction)
    else:
        return []
    rules: dict[str, str] = {}
    for rule, text in found:
        if text != instruction:
            rules.setdefault(text, rule)
    return [Rewording(text, rule) for text, rule in rules.items()]


def _holds(instruction: str, candidate: Rewording, *, language: str) -> bool:
    if protected(instruction, language=language) != protected(candidate.text, language=language):
        return False
    return language != "ko" or korean_confirms(instruction, candidate.rule, candidate.text)
