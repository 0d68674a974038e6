"""What a label column's values stand for: spellings of one answer, a sentiment, a relation of two texts."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from hunmin.language.normalize import normalize_text

WORDS = {  # the answers of configs/tasks/sentiment.yaml
    "ko": {"positive": "긍정", "negative": "부정"},
    "en": {"positive": "positive", "negative": "negative"},
}
_POSITIVE = ("긍정", "긍정적", "좋음", "좋아요", "positive", "pos", "good", "p", "추천")
_NEGATIVE = ("부정", "부정적", "나쁨", "싫어요", "negative", "neg", "bad", "n", "비추천")
_NEUTRAL = ("중립", "보통", "neutral", "neu", "mixed")
# The two sides of a yes or no, words first: where a file mixes them, an answer has the commonest pair's.
_YES_NO = (
    ("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"), ("참", "거짓"),
    ("예", "아니오"), ("예", "아니요"),
    ("네", "아니오"), ("네", "아니요"), ("맞다", "아니다"), ("맞음", "틀림"),
    ("o", "x"), ("on", "off"), ("1", "0"),
)  # fmt: skip
_GOOD_BAD = (
    ("good", "bad"), ("pass", "fail"), ("passed", "failed"), ("accept", "reject"), ("accepted", "rejected"),
    ("correct", "incorrect"), ("correct", "wrong"), ("valid", "invalid"), ("acceptable", "unacceptable"),
    ("적합", "부적합"), ("적절", "부적절"), ("승인", "반려"), ("합격", "불합격"), ("통과", "탈락"),
    ("정상", "비정상"),
)  # fmt: skip
_YES_NO_WORDS = frozenset(word for pair in _YES_NO for word in pair if word.isascii() and word.isalpha())
_RELATIONS = {
    "entailment": ("entailment", "entail", "entails", "e", "함의"),
    "neutral": ("neutral", "neu", "n", "중립"),
    "contradiction": ("contradiction", "contradict", "contradicts", "c", "모순"),
}
_KOREAN_RELATIONS = {"entailment": "함의", "neutral": "중립", "contradiction": "모순"}
MAX_STRANGE = 0.1  # share of rows whose value may be none of these
_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:점|개|stars?|/\s*(?:5|10|100))?", re.IGNORECASE)


def merged_spellings(values: Mapping[str, int]) -> dict[str, str]:
    """Raw value -> the one spelling of its answer: the commonest of those that differ in case or width only.

    Values that are all a yes or a no in one of its spellings (True, yes, 1, 참) are two answers. The sides
    of a yes and no that the file does not mix with another (0 and 1 alone) stay as they are.
    """
    forms: dict[str, Counter[str]] = {}
    for value, count in values.items():
        forms.setdefault(_folded(value), Counter())[value] += count
    sides = _yes_or_no({form: sum(counts.values()) for form, counts in forms.items()})
    case = _commonest_case(values)
    shown = {
        form: form if form.isdecimal() else max(counts, key=lambda value: counts[value])
        for form, counts in forms.items()
    }
    shown |= {form: case(form) for form in (sides.values() or forms) if form in _YES_NO_WORDS}
    return {value: shown[sides.get(_folded(value), _folded(value))] for value in values}


def _commonest_case(values: Mapping[str, int]) -> Callable[[str], str]:
    """How most words for yes and no are written: True, TRUE or true."""
    words = {value: count for value, count in values.items() if _folded(value) in _YES_NO_WORDS}
    counts = Counter[Callable[[str], str]]()
    for case in (str.title, str.upper, str.lower):
        counts[case] = sum(
            count for value, count in words.items() if value == case(value) != value.swapcase()
        )
    return max(counts, key=lambda case: counts[case])


def is_yes(value: str) -> bool | None:
    """Whether a value says yes or no; None where it says neither."""
    word = _folded(value)
    return next((word == yes for yes, no in _YES_NO if word in (yes, no)), None)


def is_good(value: str) -> bool | None:
    """Whether a verdict is for a row or against it; None where it is neither."""
    word = _folded(value)
    said = next((word == good for good, bad in _GOOD_BAD if word in (good, bad)), None)
    return is_yes(value) if said is None else said


def _yes_or_no(forms: Mapping[str, int]) -> dict[str, str]:
    """Folded value -> folded value of the pair that all are written as; empty where they are no yes or no."""
    if not forms or not all(any(form in pair for pair in _YES_NO) for form in forms):
        return {}
    whole = [pair for pair in _YES_NO if forms.keys() & set(pair)]
    if any(forms.keys() <= set(pair) for pair in whole):
        return {}
    words = [pair for pair in whole if pair != ("1", "0")]
    chosen = max(words, key=lambda pair: sum(forms.get(word, 0) for word in pair))
    return {form: chosen[0] if is_yes(form) else chosen[1] for form in forms}


def _folded(value: str) -> str:
    """A value without case, width and blanks around it; a whole number without its decimals."""
    text = unicodedata.normalize("NFKC", value).strip().casefold().rstrip(".")
    return text.split(".")[0] if re.fullmatch(r"-?\d+\.0+", text) else text


def relation_labels(values: Mapping[str, int], language: str) -> tuple[dict[str, str], bool] | None:
    """(Raw value -> the relation of two texts, whether numbers had to be guessed); None where they tell none.

    Numbers are counted as the hub's data sets do: 0 entailment, 1 neutral, 2 contradiction.
    """
    words = {word: name for name, known in _RELATIONS.items() for word in known}
    named = {value: words[_folded(value)] for value in values if _folded(value) in words}
    guessed = not named and {"0", "1", "2"} <= {_folded(value) for value in values}
    if guessed:
        order = dict(zip("012", _RELATIONS, strict=True))
        named = {value: order[_folded(value)] for value in values if _folded(value) in order}
    strange = sum(count for value, count in values.items() if value not in named)
    if len(set(named.values())) < 2 or strange > MAX_STRANGE * sum(values.values()):
        return None
    korean = language == "ko" and (guessed or any(not value.isascii() for value in named))
    return {value: _KOREAN_RELATIONS[name] if korean else name for value, name in named.items()}, guessed


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
