"""The corpus section: sources and rejections, splits, tasks, mix, wordings and variants, texts, tokens."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from eval.report.drawing import figures
from eval.report.drawing.svg import Figure
from hunmin.schema import Histogram, Stats

SPLITS = {"train": "train", "val": "validation", "heldout": "held-out"}
# What the page shows as stats.json has it.
AS_IT_IS = (
    *("same_prompt", "contamination", "flags", "personal_data", "unrendered", "epochs", "seq_len"),
    *("mix", "wordings", "variants", "diversity", "tokenizer", "vocab_size"),
)

Section = dict[str, Any]


def section(stats: Stats, *, ledger: pa.Table, heldout: pa.Table) -> Section:
    """What came in and what was left out, splits, tasks, mix, wordings and variants, texts, tokens."""
    train = ledger.filter(pc.field("split") == "train")
    tokens = [task["tokens"] for task in stats["tasks"].values()]
    total, most = sum(tokens) or 1, max(tokens, default=0) or 1
    return {
        "sources": stats["sources"],
        "rejections": _rejections(stats),
        "duplicates": _duplicates(stats),
        "splits": {SPLITS.get(split, split): found for split, found in stats["splits"].items()},
        "shared_families": shared_families(ledger, heldout),
        "tasks": [
            {"name": name, "share": task["tokens"] / total, "bar": task["tokens"] / most, **task}
            for name, task in stats["tasks"].items()
        ],
        "rendered_rows": train.num_rows,
        "languages": shares(train["language"]),
        "licences": shares(train["licence"]),
        "synthetic": _share_true(train["synthetic"]),
        "axes": _axes(stats),
        "wrappers": _wrappers(stats),
        "figures": [
            _length_figure(stats["row_tokens"], "row-tokens", "Tokens per row"),
            _length_figure(stats["trained_tokens"], "trained-tokens", "Trained (answer) tokens per row"),
        ],
    } | {name: stats[name] for name in AS_IT_IS}


def shared_families(ledger: pa.Table, heldout: pa.Table) -> int:
    """How many families have rows in more than one split."""
    asked = heldout.select(["family_id"])
    asked = asked.append_column("split", pa.repeat(pa.scalar("heldout"), asked.num_rows))
    placed = pa.concat_tables([ledger.select(["family_id", "split"]), asked])
    splits = placed.group_by("family_id").aggregate([("split", "count_distinct")])
    return sum(count > 1 for count in splits["split_count_distinct"].to_pylist())


def shares(column: pa.ChunkedArray) -> list[tuple[str, int, float]]:
    """Values with count and share, commonest first."""
    found = [(item["values"] or "unknown", item["counts"]) for item in column.value_counts().to_pylist()]
    return [(value, count, count / len(column)) for value, count in _commonest(found)]


def _commonest(counts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(counts, key=lambda item: (-item[1], item[0]))


def _share_true(column: pa.ChunkedArray) -> float:
    return column.to_pylist().count(True) / len(column) if len(column) else 0.0


def _rejections(stats: Stats) -> list[Section]:
    """Each reason with its count and the first records it hit, the commonest first."""
    reasons, examples = _commonest(stats["rejected"].items()), stats["rejected_examples"]
    return [{"reason": one, "count": n, "examples": examples.get(one, [])} for one, n in reasons if n]


def _duplicates(stats: Stats) -> dict[str, int]:
    """Over all sources."""
    by_source = stats["duplicates"].values()
    return {kind: sum(found.get(kind, 0) for found in by_source) for kind in ("duplicate", "near_duplicate")}


def _axes(stats: Stats) -> list[Section]:
    """Pairs on each axis, the most first."""
    axes = _commonest(stats["wordings"]["axes"].items())
    total, most = sum(count for _, count in axes) or 1, max((count for _, count in axes), default=0) or 1
    return [
        {"name": name, "pairs": count, "share": count / total, "bar": count / most} for name, count in axes
    ]


def _wrappers(stats: Stats) -> list[tuple[str, int]]:
    """Rows by what stood around them, over all sources, the commonest first."""
    counts: Counter[str] = Counter()
    for source in stats["variants"].values():
        counts.update(source["wrappers"])
    return _commonest(counts.items())


def _length_figure(lengths: Histogram, name: str, title: str) -> Figure | None:
    edges, counts = lengths["edges"], lengths["counts"]
    if not sum(counts):
        return None
    top = max(range(len(counts)), key=counts.__getitem__)
    return figures.histogram(
        edges,
        counts,
        name=f"fig-{name}",
        title=title,
        description=f"{sum(counts):,} rows; the fullest bin is {edges[top]:,} to {edges[top + 1] - 1:,} "
        f"tokens, with {counts[top]:,} rows.",
        x_label="tokens",
        y_label="rows",
    )
