"""BLEU, chrF and ROUGE by the libraries that define them, over tokens that are right for the language.

Korean is cut by MeCab-ko for BLEU (sacrebleu's `ko-mecab`) and ROUGE alike. Kiwi would do for ROUGE: it takes
contracted forms apart (했 → 하, 었), but is six times slower, brings a second model into memory, and a reader
would have to know two segmentations. Its only gain, matching stems, is chrF's and rougeL_char's business.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import ClassVar

import numpy as np
from rouge_score_rs.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.tokenizers.tokenizer_ko_mecab import TokenizerKoMecab

from eval.scores.intervals import Array
from eval.scores.metric import MeanMetric, Metric, Reference, normalize
from hunmin.language.script import HANGUL, is_unspaced

_WORD = re.compile(r"\w+|[^\w\s]")
_ENGLISH_WORD = re.compile(r"[a-z0-9]+")
CUT_TEXTS = 1 << 16  # remembered: a reference is cut for every system and metric


@cache
def _cutter(name: str) -> Callable[[str], list[str]]:
    if name == "ko-mecab":  # surface morphemes, as BLEU sees them
        mecab = TokenizerKoMecab()
        return lambda text: mecab(text).split()
    if name == "rouge-score":  # what English scores in print are made with
        return _ENGLISH_WORD.findall
    if name == "words":  # runs of letters and digits of any script, and single signs
        return _WORD.findall
    assert name == "characters"
    return lambda text: [char for char in text if not char.isspace()]


@lru_cache(CUT_TEXTS)
def cut(text: str, tokenizer: str) -> tuple[str, ...]:
    """Tokens of a text by the tokenizer of a name that stands in scores.json, in lower case and NFC."""
    return tuple(map(sys.intern, _cutter(tokenizer)(normalize(text).lower())))  # a word is kept once


def is_korean(reference: Reference) -> bool:
    """Whether to cut by Korean morphemes: the language where it is known, else whether there is Hangul."""
    if reference.language in ("ko", "en"):
        return reference.language == "ko"
    return any(HANGUL.search(text) for text in reference.texts)


def is_cut_by_character(reference: Reference) -> bool:
    """Whether no words can be told apart by spaces: Chinese, Japanese, Thai."""
    return reference.language not in ("ko", "en") and any(is_unspaced(text) for text in reference.texts)


def _named(names: Sequence[str]) -> str:
    """One name, or each with the number of samples cut by it."""
    counts = Counter(names)
    if len(counts) == 1:
        return names[0]
    return ", ".join(f"{name} ({counts[name]})" for name in sorted(counts))


class Bleu(Metric):
    """Corpus BLEU. Statistics: answer length, reference length, 4 matches, 4 totals, in tokens."""

    name = "bleu"
    _ORDER: ClassVar[int] = 4

    def __init__(self) -> None:
        # effective_order only silences a warning here: counts do not depend on it.
        self._of = {name: BLEU(tokenize=name, effective_order=True) for name in ("ko-mecab", "13a", "char")}

    def statistics(self, answers: Sequence[str], references: Sequence[Reference]) -> Array:
        """N-gram counts of each sample."""
        rows = []
        for answer, reference in zip(answers, references, strict=True):
            texts = [normalize(text) for text in reference.texts]
            score = self._of[self._name(reference)].sentence_score(normalize(answer), texts)
            rows.append([score.sys_len, score.ref_len, *score.counts, *score.totals])
        return np.array(rows, dtype=np.float64)

    def aggregate(self, sums_BK: Array) -> Array:
        """BLEU with sacrebleu's default (exponential) smoothing."""
        return self._bleu(sums_BK, effective_order=False)

    def per_sample(self, statistics_NK: Array) -> Array:
        """Sentence BLEU over the orders that the answer is long enough for, as sacrebleu advises."""
        return self._bleu(statistics_NK, effective_order=True)

    def _bleu(self, sums_BK: Array, *, effective_order: bool) -> Array:
        scores = [
            BLEU.compute_bleu(
                correct=row[2 : 2 + self._ORDER],
                total=row[2 + self._ORDER :],
                sys_len=row[0],
                ref_len=row[1],
                smooth_method="exp",
                effective_order=effective_order,
            ).score
            for row in sums_BK.astype(int).tolist()
        ]
        return np.array(scores)

    def num_undefined(self, references: Sequence[Reference]) -> int:
        """Samples whose references all have fewer than four tokens."""
        return sum(
            max(len(self._of[self._name(ref)].tokenizer(normalize(text)).split()) for text in ref.texts)
            < self._ORDER
            for ref in references
        )

    def tokenizer(self, references: Sequence[Reference]) -> str:
        """The tokenizer as sacrebleu calls it."""
        return _named([self._name(reference) for reference in references])

    @staticmethod
    def _name(reference: Reference) -> str:
        if is_cut_by_character(reference):
            return "char"
        return "ko-mecab" if is_korean(reference) else "13a"


class Chrf(Metric):
    """Corpus chrF2. Statistics: [answer, reference, match] counts of character n-grams, n = 1 to 6."""

    name = "chrf"

    def __init__(self) -> None:
        self._chrf = CHRF()

    # sacrebleu keeps chrF's counts private; a test holds our sums against its public corpus_score.

    def statistics(self, answers: Sequence[str], references: Sequence[Reference]) -> Array:
        """N-gram counts of each sample, against the reference that fits best."""
        width = max(len(reference.texts) for reference in references)
        streams = [
            [
                normalize(reference.texts[index]) if index < len(reference.texts) else None
                for reference in references
            ]
            for index in range(width)
        ]
        counts = self._chrf._extract_corpus_statistics([normalize(answer) for answer in answers], streams)  # type: ignore[arg-type]
        return np.array(counts, dtype=np.float64)

    def aggregate(self, sums_BK: Array) -> Array:
        """F-score with beta 2 of the mean precision and recall over the orders."""
        return np.array([self._chrf._compute_f_score(row) for row in sums_BK.tolist()])

    def num_undefined(self, references: Sequence[Reference]) -> int:
        """Samples whose references hold nothing but white space."""
        return sum(not any(text.strip() for text in reference.texts) for reference in references)

    def tokenizer(self, references: Sequence[Reference]) -> str:
        """Characters, in every language."""
        return "characters"


class Rouge(MeanMetric):
    """Mean F-measure of ROUGE over our tokens; of several references the best counts."""

    unit = "ratio"

    def __init__(self, name: str, *, min_tokens: int, characters: bool = False):
        """`min_tokens`: a reference with fewer has no n-gram of this order."""
        self.name = name  # type: ignore[misc]
        self._kind = name.removesuffix("_char")
        self._min_tokens = min_tokens
        self._characters = characters

    def value(self, answer: str, reference: Reference) -> float:
        """F-measure against the best reference."""
        name = self._name(reference)
        targets = [cut(text, name) for text in reference.texts]
        return _scorer(self._kind).score_multi(targets, cut(answer, name))[self._kind].fmeasure

    def num_undefined(self, references: Sequence[Reference]) -> int:
        """Samples whose references are all shorter than one n-gram."""
        return sum(
            max(len(cut(text, self._name(ref))) for text in ref.texts) < self._min_tokens
            for ref in references
        )

    def tokenizer(self, references: Sequence[Reference]) -> str:
        """The name of the tokenizer, see `cut`."""
        return _named([self._name(reference) for reference in references])

    def _name(self, reference: Reference) -> str:
        if self._characters or is_cut_by_character(reference):
            return "characters"
        if is_korean(reference):
            return "ko-mecab"
        return "rouge-score" if reference.language == "en" else "words"


class _AsCut:
    """A tokenizer of texts that are cut already."""

    @staticmethod
    def tokenize(tokens: Sequence[str]) -> Sequence[str]:
        """The tokens themselves."""
        return tokens


@cache
def _scorer(kind: str) -> RougeScorer:
    return RougeScorer([kind], tokenizer=_AsCut)


def metrics() -> list[Metric]:
    """Every text metric."""
    orders = (("rouge1", 1), ("rouge2", 2), ("rougeL", 1))
    return [
        Bleu(),
        Chrf(),
        *(Rouge(name, min_tokens=least) for name, least in orders),
        *(Rouge(f"{name}_char", min_tokens=least, characters=True) for name, least in orders),
    ]
