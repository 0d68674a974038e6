"""The contamination gate, the part that looks at one row: the keys by which a held-out text is known again.

Compared is what a row's source wrote: what is asked and what is answered. Never wordings, task definitions or
bare labels: a row with a label is compared by what it asks alone, any other by both.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data_pipeline.dedup.shingles import Hashes, shingle_hashes, turns_of
from data_pipeline.dedup.spellings import jamo, squeezed, without_particles, words_of
from hunmin.hashing import stable_hash
from hunmin.language.script import comparable
from hunmin.rows import DraftRow, Row

# Strongest first; a held-out row is reported under the first that holds.
KINDS = ("exact", "normalized", "spacing", "particle", "swapped", "ngram")
TURN = 16  # added to the kind of a key that stands for one turn of several

SHINGLE_LETTERS = 6
MIN_PAIR_LETTERS = 24  # of question and answer together; Hangul counts by jamo, so about 10 syllables
MIN_ASKED_LETTERS = 32  # where the question alone decides
FULL = 512  # a row of so many shingles keeps all; a longer one a half, a quarter ... of them
STEP = 2
LEVELS = 20  # 512 * 2 ** 20 letters
_FULL_AT = FULL * STEP ** np.arange(LEVELS)  # at most so many shingles at each level

GATE_COLUMNS = [
    ("gate_judged", pa.bool_()),  # says enough to be called a leak by equal keys
    ("gate_kinds", pa.list_(pa.int8())),  # index into KINDS, plus TURN
    ("gate_hashes", pa.list_(pa.uint64())),  # of the same length
    ("gate_shingles", pa.list_(pa.uint64())),  # sampled, distinct: of what is asked, then of what is answered
    ("gate_asked", pa.int32()),  # how many of them are of what is asked
    ("gate_level", pa.int8()),  # kept were those divisible by STEP ** level
]


class _Text(NamedTuple):
    raw: str
    words: str

    @property
    def tight(self) -> str:
        return squeezed(self.words)


def gate_columns(drafts: Sequence[DraftRow | Row]) -> dict[str, pa.Array]:
    """GATE_COLUMNS of normalized rows: what of them is compared between train and held-out.

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
    judged: list[bool] = []
    keys: list[list[tuple[int, int]]] = []
    spelled: list[tuple[int, int, str]] = []  # row, half, letters
    for row, draft in enumerate(drafts):
        turns = [[_Text(text, words_of(text)) for text in texts] for texts in turns_of(draft)]
        if not draft["messages"] and draft["fields"]["label"]:
            turns = [texts[:1] for texts in turns]
        letters = [
            (row, min(half, 1), jamo(text.tight)) for texts in turns for half, text in enumerate(texts)
        ]
        total = sum(len(text) for _, _, text in letters)
        judged.append(total >= (MIN_ASKED_LETTERS if len(letters) == 1 else MIN_PAIR_LETTERS))
        keys.append(_equality_keys([text for texts in turns for text in texts]))
        if len(turns) > 1:
            keys[-1] += [(kind + TURN, key) for texts in turns for kind, key in _equality_keys(texts)]
        spelled += (one for one in letters if one[2])
    shingles, counts, asked, levels = _sampled_shingles(spelled, num_rows=len(drafts))
    num_keys = [len(of_row) for of_row in keys]
    kinds = pa.array([kind for of_row in keys for kind, _ in of_row], pa.int8())
    hashes = pa.array([key for of_row in keys for _, key in of_row], pa.uint64())
    return {
        "gate_judged": pa.array(judged, pa.bool_()),
        "gate_kinds": _lists(kinds, num_keys),
        "gate_hashes": _lists(hashes, num_keys),
        "gate_shingles": _lists(pa.array(shingles), counts),
        "gate_asked": pa.array(asked, pa.int32()),
        "gate_level": pa.array(levels, pa.int8()),
    }


def _lists(values: pa.Array, counts: Sequence[int] | npt.NDArray[np.int64]) -> pa.ListArray:
    return pa.ListArray.from_arrays(np.concatenate(([0], np.cumsum(counts))).astype(np.int32), values)


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


def _sampled_shingles(
    spelled: list[tuple[int, int, str]], *, num_rows: int
) -> tuple[Hashes, npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Distinct n-grams of the rows' texts, none across two texts, each row's sampled by its level.

    Those whose hash STEP ** level divides are kept: which, depends on the shingle alone. So of two rows of
    different levels, both have kept all of theirs that the higher level keeps.

    Args:
        spelled: (row, 0 for what is asked or 1 for what is answered, text) in the order of rows; no text is
            empty.

    Returns:
        The hashes of all rows, of each row those of what is asked first; how many a row has; how many of
        them are asked; the levels. An n-gram of both halves is one of what is asked.
    """
    hashes, starts = shingle_hashes([text for _, _, text in spelled], size=SHINGLE_LETTERS)
    windows = np.diff(starts)
    rows = np.repeat(np.array([row for row, _, _ in spelled], dtype=np.int64), windows)
    halves = np.repeat(np.array([half for _, half, _ in spelled], dtype=np.uint64), windows)
    ends = np.searchsorted(rows, np.arange(num_rows + 1))  # where each row's begin
    marked = hashes << np.uint64(1) | halves  # 63 bits say which n-gram, the last one whose
    for start, end in pairwise(ends):
        marked[start:end].sort()
    shingles, halves = marked >> np.uint64(1), marked & np.uint64(1)
    distinct = np.ones(len(shingles), dtype=bool)
    distinct[1:] = (shingles[1:] != shingles[:-1]) | (rows[1:] != rows[:-1])
    levels = np.searchsorted(_FULL_AT, np.bincount(rows[distinct], minlength=num_rows))
    kept = distinct & (shingles % (np.uint64(STEP) ** levels.astype(np.uint64))[rows] == 0)
    shingles, rows, halves = shingles[kept], rows[kept], halves[kept]
    order = np.argsort(2 * rows + halves.astype(np.int64), kind="stable")
    asked = np.bincount(rows[halves == 0], minlength=num_rows)
    return shingles[order], np.bincount(rows, minlength=num_rows), asked, levels
