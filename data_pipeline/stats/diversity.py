"""How varied the texts of each task are: distinct n-grams, what requests ask to do, lengths.

Counted part by part where the texts are, and merged: a task's counts take some hundred kilobytes, however
many rows it has. Words are runs of letters and digits, case folded; a Korean word is an eojeol, as written.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np

from data_pipeline.stats.asked_verbs import asked_verb
from data_pipeline.stats.distinct_count import DistinctCount
from hunmin.hashing import GOLDEN, SPLITMIX_64, mixed
from hunmin.schema import Lengths, TaskDiversity, TextDiversity

ORDERS = (1, 2, 3)
TOP_VERBS = 10
_WORD = re.compile(r"\w+")


@dataclass
class NgramCount:
    """The n-grams of some texts: how many, and how many different ones, for n = 1, 2, 3."""

    totals: list[int] = field(default_factory=lambda: [0] * len(ORDERS))
    distinct: list[DistinctCount] = field(default_factory=lambda: [DistinctCount() for _ in ORDERS])

    def add(self, texts: Sequence[str]) -> None:
        """Count the words of these texts; no n-gram reaches from one into the next."""
        words = [[_word_hash(word) for word in _WORD.findall(text.casefold())] for text in texts]
        hashes = np.array([one for some in words for one in some], np.uint64)
        text_of = np.repeat(np.arange(len(words)), [len(some) for some in words])
        grams = hashes
        for index, order in enumerate(ORDERS):
            if order > 1:
                grams = mixed(grams[:-1] * np.uint64(GOLDEN) + hashes[order - 1 :], SPLITMIX_64)
            inside = text_of[order - 1 :] == text_of[: len(text_of) - order + 1]
            self.totals[index] += int(inside.sum())
            self.distinct[index].add(grams[inside])

    def merge(self, other: "NgramCount") -> None:
        """Take in what another one counted."""
        self.totals = [a + b for a, b in zip(self.totals, other.totals, strict=True)]
        for mine, theirs in zip(self.distinct, other.distinct, strict=True):
            mine.merge(theirs)

    def summary(self) -> TextDiversity:
        """Shares of n-grams that are different ones (distinct-n, Li et al. 2016, arXiv:1510.03055)."""
        one, two, three = (
            round(min(1.0, found.estimate() / total), 4) if total else 0.0
            for found, total in zip(self.distinct, self.totals, strict=True)
        )
        return TextDiversity(words=self.totals[0], distinct_1=one, distinct_2=two, distinct_3=three)


@dataclass
class TaskTexts:
    """What is counted of a task's texts."""

    rows: int = 0
    ngrams: dict[str, NgramCount] = field(
        default_factory=lambda: {"instruction": NgramCount(), "answer": NgramCount()}
    )
    verbs: Counter[str] = field(default_factory=Counter)
    lengths: dict[str, Counter[int]] = field(
        default_factory=lambda: {name: Counter() for name in ("instruction", "input", "answer")}
    )

    def add(self, texts: Iterable[tuple[str, str, str]]) -> None:
        """Count rows of (instruction, input, answer)."""
        columns = dict(zip(self.lengths, zip(*texts, strict=True), strict=False))
        for name, column in columns.items():
            self.lengths[name].update(map(len, column))
            if name in self.ngrams:
                self.ngrams[name].add(column)
        instructions = columns.get("instruction", ())
        self.rows += len(instructions)
        self.verbs.update(verb for text in instructions if (verb := asked_verb(text)))

    def merge(self, other: "TaskTexts") -> None:
        """Take in what another one counted."""
        self.rows += other.rows
        self.verbs.update(other.verbs)
        for name, lengths in other.lengths.items():
            self.lengths[name].update(lengths)
        for name, ngrams in other.ngrams.items():
            self.ngrams[name].merge(ngrams)

    def summary(self) -> TaskDiversity:
        """For stats.json."""
        top = sorted(self.verbs.items(), key=lambda item: (-item[1], item[0]))[:TOP_VERBS]
        return TaskDiversity(
            rows=self.rows,
            instruction=self.ngrams["instruction"].summary(),
            answer=self.ngrams["answer"].summary(),
            verbs=dict(top),
            rows_with_verb=self.verbs.total(),
            lengths={name: quantiles(counts) for name, counts in self.lengths.items()},
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "rows": self.rows,
            "ngrams": {
                name: {"totals": one.totals, "distinct": [sketch.to_text() for sketch in one.distinct]}
                for name, one in self.ngrams.items()
            },
            "verbs": self.verbs,
            "lengths": self.lengths,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "TaskTexts":
        """What `to_json` made, after a way through JSON."""
        ngrams = {
            name: NgramCount(one["totals"], [DistinctCount.from_text(text) for text in one["distinct"]])
            for name, one in values["ngrams"].items()
        }
        lengths = {
            name: Counter({int(length): count for length, count in counts.items()})
            for name, counts in values["lengths"].items()
        }
        return cls(values["rows"], ngrams, Counter(values["verbs"]), lengths)


def quantiles(counts: Counter[int]) -> Lengths:
    """Least, median, 95th percentile and greatest of what was counted; zeros where that is nothing.

    A quantile is the smallest value that at least this share of all does not exceed.
    """
    if not counts:
        return Lengths(min=0, median=0, p95=0, max=0)
    values = sorted(counts)
    reached = np.cumsum([counts[value] for value in values])
    median, p95 = (values[int(np.searchsorted(reached, share * reached[-1]))] for share in (0.5, 0.95))
    return Lengths(min=values[0], median=median, p95=p95, max=values[-1])


@lru_cache(maxsize=1 << 16)
def _word_hash(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "big")
