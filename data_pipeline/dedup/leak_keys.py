"""The contamination gate, the part that looks at one row: the keys by which a held-out text is known again.

Compared is what a row's source wrote: what is asked and what is answered. Never wordings, task definitions or
bare labels: a row with a label is compared by what it asks alone, any other by both.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from data_pipeline.dedup.shingles import Hashes, shingle_hashes, turns_of
from data_pipeline.dedup.spellings import jamo, squeezed, without_particles, words_of
from hunmin.hashing import stable_hash
from hunmin.language.script import comparable
from hunmin.rows import DraftRow

# Strongest first; a held-out row is reported under the first that holds.
KINDS = ("exact", "normalized", "spacing", "particle", "swapped", "ngram")
TURN = 16  # added to the kind of a key that stands for one turn of several

SHINGLE_LETTERS = 6
MIN_PAIR_LETTERS = 24  # of question and answer together; Hangul counts by jamo, so about 10 syllables
MIN_ASKED_LETTERS = 32  # where the question alone decides
FULL = 512  # a row of so many shingles keeps all; a longer one a half, a quarter ... of them
STEP = 2
LEVELS = 20  # 512 * 2 ** 20 letters

GATE_COLUMNS = [
    ("gate_judged", pa.bool_()),  # says enough to be called a leak by equal keys
    ("gate_kinds", pa.list_(pa.int8())),  # index into KINDS, plus TURN
    ("gate_hashes", pa.list_(pa.uint64())),  # of the same length
    ("gate_shingles", pa.list_(pa.uint64())),  # sampled, distinct: of what is asked, then of what is answered
    ("gate_asked", pa.int32()),  # how many of them are of what is asked
    ("gate_level", pa.int8()),  # kept were those divisible by STEP ** level
]


class GateKeys(NamedTuple):
    """The values of GATE_COLUMNS for a row."""

    gate_judged: bool
    gate_kinds: list[int]
    gate_hashes: list[int]
    gate_shingles: list[int]
    gate_asked: int
    gate_level: int


class _Text(NamedTuple):
    raw: str
    words: str

    @property
    def tight(self) -> str:
        return squeezed(self.words)


def gate_keys(draft: DraftRow) -> GateKeys:
    """What of a normalized row is compared between train and held-out.

    Equal hashes of a kind are a leak of that kind:
        exact: to the character.
        normalized: but for case, width, composition and punctuation.
        spacing: but for white space too.
        particle: but for Korean particles, word by word.
        swapped: as spacing, with question and answer exchanged (the other direction of a translation).
    A conversation has the keys of the whole, and marked ones (TURN) of each turn: train rows are known by
    both, held-out rows by the whole only, for a greeting that two conversations share is no leak. A held-out
    row that says too little (MIN_PAIR_LETTERS, MIN_ASKED_LETTERS) is not judged: "감사합니다" is nobody's.

    `gate_shingles` are n-grams of the letters. Hangul is taken apart into jamo, so that an n-gram carries
    about as much in Korean as in English. A half shorter than an n-gram is one as a whole: it is found again
    only where it is equal.
    """
    turns = [[_Text(text, words_of(text)) for text in texts] for texts in turns_of(draft)]
    if not draft["messages"] and draft["fields"]["label"]:
        turns = [texts[:1] for texts in turns]
    whole = [text for texts in turns for text in texts]
    letters = sum(len(jamo(text.tight)) for text in whole)
    judged = letters >= (MIN_ASKED_LETTERS if len(whole) == 1 else MIN_PAIR_LETTERS)
    keys = _equality_keys(whole)
    if len(turns) > 1:
        keys += [(kind + TURN, key) for texts in turns for kind, key in _equality_keys(texts)]
    asked = _shingles([texts[0] for texts in turns])
    said = np.setdiff1d(_shingles([text for texts in turns for text in texts[1:]]), asked)
    level = _level(len(asked) + len(said))
    kept_asked, kept_said = ([*_sample(half, level).tolist()] for half in (asked, said))
    kinds, hashes = [kind for kind, _ in keys], [key for _, key in keys]
    return GateKeys(judged, kinds, hashes, kept_asked + kept_said, len(kept_asked), level)


def _equality_keys(texts: list[_Text]) -> list[tuple[int, int]]:
    """(kind, hash) of a question, a question and its answer, or a whole conversation."""
    if not texts[-1].words:  # an answer of signs alone
        texts = [*texts[:-1], _Text(texts[-1].raw, comparable(texts[-1].raw))]
    forms = {
        "exact": [text.raw for text in texts],
        "normalized": [text.words for text in texts],
        "spacing": [text.tight for text in texts],
        "particle": [without_particles(text.words) for text in texts],
    }
    if len(texts) == 2:
        forms["swapped"] = sorted(forms["spacing"])
    return [(KINDS.index(kind), stable_hash(kind, *form)) for kind, form in forms.items()]


def _shingles(texts: list[_Text]) -> Hashes:
    """Distinct n-grams of the texts, none across two of them."""
    spelled = [jamo(text.tight) for text in texts]
    hashes = [shingle_hashes(text, size=SHINGLE_LETTERS) for text in spelled if text]
    return np.unique(np.concatenate(hashes)) if hashes else np.array([], dtype=np.uint64)


def _level(count: int) -> int:
    return next((level for level in range(LEVELS) if count <= FULL * STEP**level), LEVELS)


def _sample(shingles: Hashes, level: int) -> Hashes:
    """Those whose hash STEP ** level divides.

    Which are kept depends on the shingle alone. So of two rows of different levels, both have kept all of
    theirs that the higher level keeps.
    """
    return shingles[shingles % np.uint64(STEP**level) == 0]
