"""What a metric is, and what it sees of a sample."""

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from eval.scores.intervals import Array
from hunmin.models.written_calls import calls_in
from hunmin.rows import ToolCall


@dataclass(frozen=True)
class Answer:
    """What a system said to a sample. All but the text is None for a system that is no model."""

    text: str  # the answer proper, calls as `with_calls` writes them; what is scored
    num_tokens: int | None = None  # of all that was generated
    stopped: bool | None = None
    thought: str | None = None  # before the answer; None: none
    num_thought_tokens: int | None = None


@dataclass(frozen=True)
class Reference:
    """The right answers of a sample."""

    texts: list[str]  # at least one; any of them is right
    language: str  # of the answer: ko, en, other, und
    label: str | None  # the right label, where the task has labels
    constraints: tuple[str, ...] = ()  # checks that the instruction asks for (answers/constraints.py)
    given: str = ""  # the input that such checks compare with
    tests: tuple[str, ...] = ()  # Python programs that fail where the answer's code is wrong

    @cached_property
    def calls(self) -> list[ToolCall]:
        """The right calls, of a turn that calls tools."""
        return calls_in(self.texts[0])


class Metric(ABC):
    """A number over answers and references, computed from sums of a row of statistics per sample."""

    name: ClassVar[str]
    unit: ClassVar[str] = "%"
    unasked: ClassVar[bool] = False  # scores the samples that it is for in every task, named or not
    runs_code: ClassVar[bool] = False  # that a model wrote: only where eval.run_code says so

    def applies(self, reference: Reference) -> bool:
        """Whether it is for such a sample; a turn that calls tools is for metrics of calls only."""
        return not reference.calls

    @abstractmethod
    def statistics(self, answers: Sequence[str], references: Sequence[Reference]) -> Array:
        """Sufficient statistics of each sample, (N, K)."""

    @abstractmethod
    def aggregate(self, sums_BK: Array) -> Array:
        """The metric of each row of summed statistics, (B,)."""

    def per_sample(self, statistics_NK: Array) -> Array | None:
        """The value of each sample alone, (N,); None where a single sample has none."""
        return self.aggregate(statistics_NK)

    def num_undefined(self, references: Sequence[Reference]) -> int:
        """Samples that are too short for the metric's definition."""
        return 0

    def tokenizer(self, references: Sequence[Reference]) -> str | None:
        """What the texts were cut by."""
        return None

    def note(self) -> str | None:
        """What a reader of the number should know."""
        return None


class MeanMetric(Metric):
    """A metric that is the mean of its samples' values. Statistics: (value, 1)."""

    @abstractmethod
    def value(self, answer: str, reference: Reference) -> float:
        """The value of one sample."""

    def statistics(self, answers: Sequence[str], references: Sequence[Reference]) -> Array:
        """Value and count of each sample."""
        values = [self.value(answer, ref) for answer, ref in zip(answers, references, strict=True)]
        return np.stack([np.array(values, dtype=np.float64), np.ones(len(values))], axis=1)

    def aggregate(self, sums_BK: Array) -> Array:
        """Sum of values over count."""
        return sums_BK[:, 0] / sums_BK[:, 1]


def normalize(text: str) -> str:
    """NFC, and no NUL: MeCab would take it for the end of the text."""
    return unicodedata.normalize("NFC", text).replace("\0", " ")
