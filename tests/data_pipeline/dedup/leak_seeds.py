"""Leaks made on purpose: a copy of a row, changed in one way, and the DuckDB tables to look for them in."""

import random
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from data_pipeline.database.leaks import MIN_SHINGLES, SHORT
from data_pipeline.database.near_join import make_near_table
from data_pipeline.dedup.leak_keys import GATE_COLUMNS, SHINGLE_LETTERS, gate_columns
from data_pipeline.dedup.signatures import NEAR_COLUMNS, near_columns
from data_pipeline.dedup.spellings import jamo, squeezed, words_of

Draft = Any

# By what a particle is replaced; "": left out.
PARTICLES = dict(
    zip("은는이가을를에의도와과", ["이", "가", "은", "도", "은", "도", "에서", "", "는", "", ""], strict=True)
)
HANGUL_WORD = re.compile(r"[가-힣]+")


def row(asked: str, answer: str, *, label: str | None = None, instruction: str | None = None) -> Draft:
    fields = {"instruction": instruction, "input": asked, "answer": answer, "label": label, "rationale": None}
    return {"fields": fields, "messages": None, "family_key": None, "task": "any"}


class NearDuplicate(NamedTuple):
    """A row that is one too many, and the kept row that it is near to."""

    loser_family: str
    winner_family: str
    similarity: float
    loser_ord: int
    winner_ord: int


def near_duplicates(
    con: duckdb.DuckDBPyConnection, relation: str, *, threshold: float
) -> list[NearDuplicate]:
    """What make_near_table finds, by loser_ord, with families."""
    make_near_table(con, relation, threshold=threshold)
    found = con.execute(
        f"""
        SELECT l.family_id, w.family_id, n.similarity, n.ord, n.winner_ord FROM near_losers n
        JOIN {relation} l ON l.ord = n.ord JOIN {relation} w ON w.ord = n.winner_ord ORDER BY n.ord
        """
    )
    return [NearDuplicate(*line) for line in found.fetchall()]


def talk(*texts: str) -> Draft:
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]
    return row("", "") | {"messages": messages}


def texts_of(draft: Draft) -> list[str]:
    if draft["messages"]:
        return [m["content"] for m in draft["messages"]]
    fields = draft["fields"]
    return [fields["input"] or fields["instruction"] or "", *([] if fields["label"] else [fields["answer"]])]


def with_texts(draft: Draft, texts: list[str]) -> Draft:
    if draft["messages"]:
        turns = zip(draft["messages"], texts, strict=True)
        return draft | {"messages": [m | {"content": text} for m, text in turns]}
    fields = draft["fields"]
    name = "input" if fields["input"] else "instruction"
    answer = fields["answer"] if fields["label"] else texts[1]
    return draft | {"fields": fields | {name: texts[0], "answer": answer}}


def each(change: Callable[[str, random.Random], str]) -> Callable[[Draft, random.Random], Draft]:
    return lambda draft, chance: with_texts(draft, [change(text, chance) for text in texts_of(draft)])


def _written_otherwise(text: str, chance: random.Random) -> str:
    wide = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
    changes: list[Callable[[str], str]] = [
        lambda s: s.swapcase() + " !!",
        lambda s: s.translate(wide) + "!",
        lambda s: unicodedata.normalize("NFD", s) + " ...",
        lambda s: "«" + s.replace(",", "").rstrip(".") + "»",
    ]
    return chance.choice(changes)(text)


def _spaced_otherwise(text: str, chance: random.Random) -> str:
    joined = "".join(" " if c == " " and chance.random() < 0.5 else "" if c == " " else c for c in text)
    words = HANGUL_WORD.findall(joined)
    longest = max(words, key=len, default="")
    at = joined.find(longest) + len(longest) // 2
    return joined[:at] + " " + joined[at:] if len(longest) > 1 else joined


def _other_particles(text: str, chance: random.Random) -> str:
    def change(match: re.Match[str]) -> str:
        stem, last = match[0][:-1], match[0][-1]
        if len(stem) < 2 or last not in PARTICLES or stem.endswith("라") or chance.random() < 0.3:
            return match[0]
        return stem + chance.choice(["", PARTICLES[last]])

    return re.sub(r"[가-힣]+(?=[\s.,?!]|$)", change, text)


def _other_words(draft: Draft, chance: random.Random) -> Draft:
    """One word in twelve is another, of all the row's texts of eight words and more."""
    texts = texts_of(draft)
    places = [(i, m) for i, text in enumerate(texts) for m in re.finditer(r"\S+", text) if _is_long(text)]
    chosen = chance.sample(places, max(1, len(places) // 12))
    for i, match in sorted(chosen, key=lambda place: -place[1].start()):
        other = chance.choice(["무엇", "거기서", "something", "elsewhere", "아마도", "quite"])
        texts[i] = texts[i][: match.start()] + other + texts[i][match.end() :]
    return with_texts(draft, texts)


def _is_long(text: str) -> bool:
    return len(text.split()) >= 8


def _swap(draft: Draft, chance: random.Random) -> Draft:
    del chance
    asked, answer = texts_of(draft)
    return with_texts(draft, [answer, asked])


def in_longer_text(draft: Draft, chance: random.Random, others: list[Draft]) -> Draft:
    """The same with other texts before and behind what is asked, and behind the answer."""
    before, behind, end = (texts_of(other)[0][:100] for other in chance.choices(others, k=3))
    texts = texts_of(draft)
    texts[0] = f"{before}\n{texts[0]}\n{behind}"
    if len(texts) > 1 and chance.random() < 0.5 and len(texts[-1]) > 20:
        texts[-1] += f"\n{end}"
    return with_texts(draft, texts)


def seeds(kind: str, drafts: list[Draft], chance: random.Random, count: int) -> list[tuple[Draft, Draft]]:
    """(held-out row, the leaked copy in train): copies that differ, of rows that say enough for the kind.

    Args:
        kind: of MAKERS.
        drafts: to draw from, with repeats if they are fewer than `count`.
        chance: the random numbers.
        count: how many pairs.
    """
    eligible = [draft for draft in drafts if _says_enough(draft, kind)]
    assert eligible, f"no row is good for {kind}"
    found: list[tuple[Draft, Draft]] = []
    while len(found) < count:
        draft = chance.choice(eligible)
        copy = in_longer_text(draft, chance, drafts) if kind == "longer" else MAKERS[kind](draft, chance)
        if kind == "exact" or texts_of(copy) != texts_of(draft):
            found.append((draft, copy))
    return found


MAKERS: dict[str, Callable[[Draft, random.Random], Draft]] = {
    "exact": lambda draft, chance: draft,
    "normalized": each(_written_otherwise),
    "spacing": each(_spaced_otherwise),
    "particle": each(_other_particles),
    "swapped": _swap,
    "edited": _other_words,
    "longer": lambda draft, chance: draft,  # see in_longer_text
}
KIND_FOUND = {
    "edited": "ngram",
    "longer": "ngram",
}  # others are found under their own name, or a stronger one


def _says_enough(draft: Draft, kind: str) -> bool:
    keys = gate_keys(draft)
    texts = texts_of(draft)
    if kind == "swapped" and (len(texts) != 2 or draft["messages"]):
        return False
    if kind in ("spacing", "particle") and not all(len(HANGUL_WORD.findall(text)) > 2 for text in texts):
        return False
    if kind == "particle" and not any(
        word[-1] in PARTICLES and len(word) > 2 for text in texts for word in text.split()
    ):
        return False
    if kind in ("edited", "longer"):
        enough = len(keys["gate_shingles"]) * 2 ** keys["gate_level"] >= (
            SHORT if kind == "edited" else MIN_SHINGLES
        )
        halves = min(len(jamo(squeezed(words_of(text)))) for text in texts) >= SHINGLE_LETTERS
        return enough and halves and (kind == "longer" or any(map(_is_long, texts)))
    return keys["gate_judged"]


GATE_SCHEMA = pa.schema([("ord", pa.int64()), ("task", pa.string()), *GATE_COLUMNS])
NEAR_SCHEMA = pa.schema(
    [("family_id", pa.string()), ("split", pa.string()), ("ord", pa.int64()), *NEAR_COLUMNS]
)


def gate_keys(draft: Draft) -> dict[str, Any]:
    """The gate's columns of one row."""
    (keys,) = pa.table(gate_columns([draft])).to_pylist()
    return keys


def gate_table(drafts: Iterable[Draft], *, first: int = 0) -> pa.Table:
    drafts = list(drafts)
    columns = {"ord": range(first, first + len(drafts)), "task": [draft["task"] for draft in drafts]}
    return pa.table(columns | gate_columns(drafts), schema=GATE_SCHEMA)


def near_table(rows: Iterable[tuple[str, Draft]], *, heldout: Collection[str] = ()) -> pa.Table:
    """Rows with their families, all of the train split but for the held-out families."""
    rows = list(rows)
    columns = {
        "family_id": [family for family, _ in rows],
        "split": ["heldout" if family in heldout else "train" for family, _ in rows],
        "ord": range(len(rows)),
    }
    return pa.table(columns | near_columns([draft for _, draft in rows]), schema=NEAR_SCHEMA)


def connect(**tables: pa.Table) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config={"threads": 1})
    for name, table in tables.items():
        con.register(name, table)
    return con
