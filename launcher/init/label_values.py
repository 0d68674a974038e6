"""What a label column's values stand for: positive or negative, where they can mean that."""

import re
from collections.abc import Mapping, Sequence

from hunmin.language.normalize import normalize_text

WORDS = {  # the answers of configs/tasks/sentiment.yaml
    "ko": {"positive": "긍정", "negative": "부정"},
    "en": {"positive": "positive", "negative": "negative"},
}
_POSITIVE = ("긍정", "긍정적", "좋음", "좋아요", "positive", "pos", "good", "p", "추천")
_NEGATIVE = ("부정", "부정적", "나쁨", "싫어요", "negative", "neg", "bad", "n", "비추천")
_NEUTRAL = ("중립", "보통", "neutral", "neu", "mixed")
MAX_STRANGE = 0.1  # share of rows whose value may be none of these
_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:점|개|stars?|/\s*(?:5|10|100))?", re.IGNORECASE)


def sentiment_labels(values: Mapping[str, int], language: str) -> dict[str, str] | None:
    """Raw value -> answer, where the values can mean a sentiment; None where they cannot.

    Words and -1/0/1 are taken at their word; of a scale the middle fifth says neither and is left out. A few
    rows with another value are left out too: the data stage rejects them by name. The keys stay as the file
    spells them, for so the data stage looks them up.
    """
    words = WORDS["ko" if language == "ko" else "en"]
    for sides in (_sides_of_words, _sides_of_numbers):
        side, others = sides(list(values))
        strange = sum(values[value] for value in others)
        if len(set(side.values())) == 2 and strange <= MAX_STRANGE * sum(values.values()):
            return {value: words[name] for value, name in side.items()}
    return None


def _sides_of_words(values: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Value -> side, and the values that are no word for a sentiment."""
    side: dict[str, str] = {}
    others = []
    for value in values:
        word = normalize_text(value)[0].casefold()
        if word in _POSITIVE:
            side[value] = "positive"
        elif word in _NEGATIVE:
            side[value] = "negative"
        elif word not in _NEUTRAL:
            others.append(value)
    return side, others


def _sides_of_numbers(values: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Value -> side, and the values that are no number of the scale."""
    numbers = {value: found for value in values if (found := number(value)) is not None}
    others = [value for value in values if value not in numbers]
    low, high = min(numbers.values(), default=0), max(numbers.values(), default=0)
    found = set(numbers.values())
    if found <= {-1, 0, 1}:
        neutral = 0 if low < 0 else None
        signs = {value: n for value, n in numbers.items() if n != neutral}
        return {value: "positive" if n == 1 else "negative" for value, n in signs.items()}, others
    # Four stars are a scale of their own only if all are whole: 4.0 may be the highest mean of five.
    tops = (1, 4, 5, 10, 100) if all(n.is_integer() for n in found) and high == 4 else (1, 5, 10, 100)
    top = next((top for top in tops if high <= top), None)
    if low < 0 or top is None:
        return {}, list(values)
    bottom = 0 if low == 0 or top in (1, 100) else 1
    middle, margin = (bottom + top) / 2, (top - bottom) / 10
    side = {
        value: "positive" if n > middle else "negative"
        for value, n in sorted(numbers.items(), key=lambda item: item[1])
        if abs(n - middle) > margin
    }
    return side, others


def number(value: str) -> float | None:
    """A rating as a number: "4", "4.5", "9점", "★★★★☆"."""
    if value and set(value) <= {"★", "☆", "⭐"}:
        return float(len(value) - value.count("☆"))
    match = _NUMBER.fullmatch(normalize_text(value)[0])
    return float(match[1]) if match else None
