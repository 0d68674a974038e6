"""Exact match, and accuracy and macro-F1 on the label that an answer gives."""

import re
from collections.abc import Sequence

import numpy as np

from eval.scores.intervals import Array
from eval.scores.metric import MeanMetric, Metric, Reference, normalize

_LATIN = "0-9A-Za-zÀ-ɏ"
_HANGUL = "가-힣"
# How a particle, the copula, or a suffix behind a Korean label begins; any other syllable makes another word.
_ENDINGS = (
    *("이", "가", "은", "는", "을", "를", "의", "에", "도", "만", "과", "와", "로", "으로", "나", "랑"),
    *("보다", "까지", "부터", "처럼", "라", "란", "며"),
    *("입니", "인", "임", "일", "였", "예요", "예", "다", "야", "네", "요", "죠"),
    *("적", "성", "하", "한", "할", "함", "합", "했", "해", "되", "된", "될", "됨", "됩", "됐"),
)


class LabelExtractor:
    """Finds the label that an answer gives.

    A label counts wherever it stands, particles and endings behind it (긍정입니다, 긍정적), but not as the
    beginning of another word (부정확), and a label in Latin letters or digits only as a word of its own (no
    `no` in `know`, no 4 in 14 or 4.5). A label inside a longer label's place does not count, nor one inside a
    word where another begins a word.

    An answer with several different labels is ambiguous and gives none: it may deny one, or list them. A
    single label that is denied (긍정이 아닙니다) is not told from one that is given.
    """

    def __init__(self, labels: Sequence[str]):
        self._label_of = {normalize(label).casefold(): label for label in labels}
        longest_first = sorted((normalize(label) for label in labels), key=lambda text: (-len(text), text))
        self._any = re.compile(
            "|".join(_pattern(label, longest_first) for label in longest_first), re.IGNORECASE
        )

    def __call__(self, answer: str) -> str | None:
        """The label, as the task spells it; None where the answer gives none, or several."""
        text = normalize(answer)
        found = list(self._any.finditer(text))
        ends = {match.end() for match in found}  # right behind a label (긍정부정) another word begins
        beginning = [
            match for match in found if match.start() in ends or not text[: match.start()][-1:].isalnum()
        ]
        given = {self._label_of[match.group().casefold()] for match in beginning or found}
        return given.pop() if len(given) == 1 else None


def _pattern(label: str, labels: Sequence[str]) -> str:
    before = f"(?<![{_LATIN}])" if re.match(f"[{_LATIN}]", label) else ""
    after = f"(?![{_LATIN}])" if re.search(f"[{_LATIN}]$", label) else ""
    if re.search(f"[{_HANGUL}]$", label):
        after = f"(?=[^{_HANGUL}]|$|{'|'.join(map(re.escape, (*_ENDINGS, *labels)))})"
    decimal = r"(?<!\d[.,])" if label[:1].isdigit() else ""
    fraction = r"(?![.,]\d)" if label[-1:].isdigit() else ""
    return decimal + before + re.escape(label) + after + fraction


class ExactMatch(MeanMetric):
    """Share of answers that equal a reference, white space aside."""

    name = "exact_match"
    unit = "ratio"

    def value(self, answer: str, reference: Reference) -> float:
        """1 or 0."""
        return float(_squeezed(answer) in map(_squeezed, reference.texts))


def _squeezed(text: str) -> str:
    return " ".join(normalize(text).split())


class Accuracy(MeanMetric):
    """Share of answers that give the right label."""

    name = "accuracy"
    unit = "ratio"

    def __init__(self, labels: Sequence[str]):
        self._extract = LabelExtractor(labels)

    def value(self, answer: str, reference: Reference) -> float:
        """1 or 0; an answer without a label, or with several, is wrong."""
        return float(reference.label is not None and self._extract(answer) == reference.label)

    def num_undefined(self, references: Sequence[Reference]) -> int:
        """Samples whose right answer gives no label; every answer to them is wrong."""
        return sum(reference.label is None for reference in references)


class MacroF1(Metric):
    """Mean over the labels of 2 TP / (2 TP + FP + FN). Statistics: (TP, given, right) per label.

    Labels that are neither right nor given anywhere take no part, as in scikit-learn's default. An answer
    without a label, or with several, is a miss of the right one and no hit of any.
    """

    name = "macro_f1"
    unit = "ratio"

    def __init__(self, labels: Sequence[str]):
        self._labels = list(labels)
        self._extract = LabelExtractor(labels)

    def statistics(self, answers: Sequence[str], references: Sequence[Reference]) -> Array:
        """0 or 1 for each label's true positive, prediction, truth."""
        labels = np.array(self._labels)
        given = np.array([self._extract(answer) or "" for answer in answers])[:, None] == labels
        right = np.array([reference.label or "" for reference in references])[:, None] == labels
        return np.concatenate([given & right, given, right], axis=1).astype(np.float64)

    def aggregate(self, sums_BK: Array) -> Array:
        """2 TP / (given + right), over the labels where that is defined."""
        hits, given, right = np.split(sums_BK, 3, axis=1)
        present = given + right > 0
        f1 = np.divide(2 * hits, given + right, out=np.zeros_like(hits), where=present)
        return f1.sum(axis=1) / np.maximum(present.sum(axis=1), 1)

    def num_undefined(self, references: Sequence[Reference]) -> int:
        """Samples whose right answer gives no label; they can only add false positives."""
        return sum(reference.label is None for reference in references)

    def per_sample(self, statistics_NK: Array) -> None:
        """None: one sample has no macro-F1."""
        return

    def note(self) -> str:
        """Which labels take part."""
        return "mean over the labels that occur among right or given ones"


def metrics(labels: Sequence[str]) -> list[Metric]:
    """Every metric on labels and short answers; without labels only exact match."""
    return [ExactMatch(), *([Accuracy(labels), MacroF1(labels)] if labels else [])]
