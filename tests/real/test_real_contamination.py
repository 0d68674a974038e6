"""The gate on real corpora: seeded leaks are found, and what is found without seeds are copies.

A leak that `find_leaks` reports is judged by other means than its own: difflib aligns the letters of the two
rows. It stands if most of the held-out row lies in the train row, or most of one long half.
"""

import random
from collections import Counter
from difflib import SequenceMatcher
from pathlib import Path

import pytest

from data_pipeline.config import SourceConfig
from data_pipeline.database.leaks import find_leaks
from data_pipeline.dedup.spellings import squeezed, words_of
from data_pipeline.rows.identity import family_id
from data_pipeline.rows.normalize_rows import normalize_draft
from data_pipeline.sources import expand, read
from hunmin.hashing import stable_hash
from launcher.config import load
from tests.data_pipeline.dedup.leak_seeds import (
    MAKERS,
    Draft,
    connect,
    gate_table,
    near_duplicates,
    near_table,
    seeds,
    texts_of,
)

CORPUS = Path(__file__).parent / "corpus.yaml"
# Requests and what they come down to; one-word changes of one another in great number.
REQUESTS = {
    "name": "requests",
    "format": "table",
    "path": "ko/sae4k/sae4k_v1.txt",
    "header": ["q", "a", "type"],
    "delimiter": "tab",
    "columns": {"input": "q", "answer": "a"},
}
HELDOUT = 0.1


@pytest.fixture(scope="module")
def rows(shared_data: Path) -> list[tuple[str, Draft]]:
    """(family, row) of all sources, without equal texts and near duplicates."""
    config, base = load(CORPUS, [])
    sources = [(source, base) for source in config.data.sources]
    sources.append((SourceConfig.model_validate(REQUESTS), shared_data))
    found: dict[tuple[str, ...], tuple[str, Draft]] = {}
    for source, folder in sources:
        for unit in expand(source, index=0, base=folder):
            for draft in read(unit, source):
                if "reason" not in draft:
                    draft, _ = normalize_draft(draft)
                    found.setdefault(tuple(texts_of(draft)), (family_id(draft), draft))
    rows = list(found.values())
    con = connect(r=near_table(rows))
    lost = {near.loser_ord for near in near_duplicates(con, "r", threshold=0.8)}
    assert 0 < len(lost) < 0.02 * len(rows)
    return [row for i, row in enumerate(rows) if i not in lost]


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKERS)
def test_seeded_leaks_are_found(kind: str, rows: list[tuple[str, Draft]]) -> None:
    chance = random.Random(0)
    drafts = [draft for _, draft in rows]
    if kind == "swapped":
        drafts = [d for d in drafts if d["source"] in ("jhe", "park") and d["language"] == "ko"]
    pairs = seeds(kind, chance.sample(drafts, min(len(drafts), 5000)), chance, 1000)
    con = connect(
        train=gate_table(copy for _, copy in pairs),
        heldout=gate_table((one for one, _ in pairs), first=10_000),
    )
    kinds = Counter(leak.kind for leak in find_leaks(con, "train", "heldout"))
    print(f"{kind}: {kinds}")
    assert kinds.total() >= 990


@pytest.mark.slow
def test_what_is_found_in_clean_corpora_are_copies(rows: list[tuple[str, Draft]]) -> None:
    sides: dict[bool, list[Draft]] = {False: [], True: []}
    for family, draft in rows:
        sides[stable_hash("side", family) < HELDOUT * 2**64].append(draft)
    train, heldout = sides[False], sides[True]
    con = connect(train=gate_table(train), heldout=gate_table(heldout, first=len(train)))
    found = list(find_leaks(con, "train", "heldout"))
    false = []
    for leak in found:
        one, other = heldout[leak.heldout_ord - len(train)], train[leak.train_ord]
        if not is_copy(one, other):
            false.append((leak.kind, leak.score, texts_of(one), texts_of(other)))
    by_source = Counter((leak.kind, heldout[leak.heldout_ord - len(train)]["source"]) for leak in found)
    print(f"{len(found)} of {len(heldout)} held-out rows: {by_source}")
    print(*false, sep="\n")
    assert len(false) <= 0.001 * len(heldout)


def is_copy(one: Draft, other: Draft) -> bool:
    there = squeezed(words_of(" ".join(texts_of(other))))
    halves = []
    for text in filter(None, (squeezed(words_of(text)) for text in texts_of(one))):
        blocks = SequenceMatcher(None, text, there, autojunk=False).get_matching_blocks()
        halves.append((sum(block.size for block in blocks if block.size > 1), len(text)))
    whole = sum(same for same, _ in halves) >= 0.6 * sum(length for _, length in halves)
    each = all(same >= 0.3 * length for same, length in halves)
    long = any(length >= 80 and same >= 0.75 * length for same, length in halves)
    return (whole and each) or long
