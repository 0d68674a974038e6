"""Answers written from a label or a rating: 긍정 -> "이 글은 긍정적입니다.", 9 of 1-10 -> "9점"."""

import re

from hunmin.language.sentences import with_particle

_SLOT = re.compile(r"\{(\w+)(?::([^{}/]+/[^{}/]+))?\}")
SLOTS = ("label", "value")


def slot_problem(template: str) -> str | None:
    """What is wrong with a template's slots; None where nothing is."""
    named = [match[1] for match in _SLOT.finditer(template)]
    if not named:
        return f"{template!r} has no slot; write one of {', '.join('{' + name + '}' for name in SLOTS)}"
    unknown = [name for name in named if name not in SLOTS]
    if unknown:
        return f"{template!r} has the slot {{{unknown[0]}}}; known are {', '.join(SLOTS)}"
    rest = _SLOT.sub("", template)
    return f"{template!r} has a brace that is no slot" if "{" in rest or "}" in rest else None


def fill(template: str, slots: dict[str, str]) -> str | None:
    """The template with its slots filled, each with the particle that fits: {label:이라고/라고}.

    None where a slot has no text, or the fitting particle cannot be told.
    """
    pieces, end = [], 0
    for match in _SLOT.finditer(template):
        word = slots.get(match[1])
        if word and match[2]:
            word = with_particle(word, match[2])
        if not word:
            return None
        pieces += [template[end : match.start()], word]
        end = match.end()
    return "".join([*pieces, template[end:]])


def rating_on(value: str, scale: range, *, divide: int = 1) -> str | None:
    """A rating as a whole number; None where it is none, is off its scale, or does not divide evenly.

    Args:
        value: as the file spells it: "9", " 4 ", "8.0".
        divide: 2 makes a scale of 1 to 5 from one of 1 to 10; 9 is then neither 4 nor 5 and gives None.
    """
    whole = re.fullmatch(r"(\d{1,3})(?:\.0+)?", value.strip())
    if whole is None or int(whole[1]) not in scale or int(whole[1]) % divide:
        return None
    return str(int(whole[1]) // divide)
