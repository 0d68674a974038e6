"""The options of a question in another order: what was under (A) stands under (B), and so on."""

import re
from collections.abc import Sequence

from hunmin.language.answers.forms import option_places

# An option that speaks of others, or of its place.
_OF_OTHERS = re.compile(
    r"위의|이상|모두|전부|둘 다|어느 것도|없음|정답|①|②|③|④|⑤|\b(?:above|below|all|both|none|neither|other)\b"
    r"|[가-마ㄱ-ㅎA-E]\s?(?:,|와|과|and|or|&)\s?[가-마ㄱ-ㅎA-E](?![가-힣a-z])",
    re.IGNORECASE,
)
_CHOOSE = re.compile(
    r"고르|고른|골라|선택|보기|다음 중|번호|\b(?:choose|choice|select|pick|which|option)", re.I
)
_MARK = re.compile(r"\(?([A-Za-z]|\d{1,2}|[①-⑳])\s?[.):번]?")
_MARK_AND_TEXT = re.compile(r"(\(?)([A-Za-z]|\d{1,2}|[①-⑳])([.):]?\s*)(\S.*)", re.DOTALL)


def reordered(text: str, answers: Sequence[str], *, draw: int) -> tuple[str, list[str]] | None:
    """The text with its options moved on by some places, and the answers to it.

    None where the text lists no options, one of them speaks of others, or an answer is not one of them, by
    its mark, its text or both. Numbered lines are options only where the text asks to choose.

    Args:
        draw: any number; by how many places they move.
    """
    places = option_places(text)
    if not places or (places[0][0] == "1" and not _CHOOSE.search(text)):
        return None
    said = [text[start:end] for _, start, end in places]
    if len(set(said)) < len(said) or any(not one or _OF_OTHERS.search(one) for one in said):
        return None
    marks = [mark for mark, _, _ in places]
    by = 1 + draw % (len(places) - 1)
    mark_now = {mark: marks[(at + by) % len(marks)] for at, mark in enumerate(marks)}
    option_of = dict(zip(marks, said, strict=True))
    moved = [_moved(answer, mark_now, option_of) for answer in answers]
    if not moved or None in moved:
        return None
    for (_, start, end), option in reversed([*zip(places, said[-by:] + said[:-by], strict=True)]):
        text = text[:start] + option + text[end:]
    return text, [answer for answer in moved if answer is not None]


def _moved(answer: str, mark_now: dict[str, str], option_of: dict[str, str]) -> str | None:
    """The answer where the options stand under other marks; None where it is none of them."""
    stripped = answer.strip()
    if stripped.rstrip(".") in {option.rstrip(".") for option in option_of.values()}:
        return answer
    alone = _MARK.fullmatch(stripped)
    if alone and alone[1] in mark_now:
        return stripped.replace(alone[1], mark_now[alone[1]], 1)
    both = _MARK_AND_TEXT.fullmatch(stripped)
    if both and option_of.get(both[2], "").rstrip(".") == both[4].rstrip("."):
        return f"{both[1]}{mark_now[both[2]]}{both[3]}{both[4]}"
    return None
