"""The corpus section: sources with their accounts, rejections, splits, tasks, languages, lengths."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from data_pipeline.schema import Histogram, Stats
from eval.report import figures
from eval.report.svg import Figure

SPLITS = {"train": "train", "val": "validation", "heldout": "held-out"}

Section = dict[str, Any]


def section(stats: Stats, *, ledger: pa.Table, heldout: pa.Table, rejected: pa.Table) -> Section:
    """Sources with their accounts, rejections, splits, tasks, languages, lengths."""
    train = ledger.filter(pc.field("split") == "train")
    tokens = [task["tokens"] for task in stats["tasks"].values()]
    total, most = sum(tokens) or 1, max(tokens, default=0) or 1
    return {
        "sources": stats["sources"],
        "rejections": _rejections(stats, rejected),
        "splits": {SPLITS.get(split, split): found for split, found in stats["splits"].items()},
        "shared_families": shared_families(ledger, heldout),
        "unrendered": stats["unrendered"],
        "tasks": [
            {"name": name, "share": task["tokens"] / total, "bar": task["tokens"] / most, **task}
            for name, task in stats["tasks"].items()
        ],
        "rendered_rows": train.num_rows,
        "languages": shares(train["language"]),
        "licences": shares(train["licence"]),
        "synthetic": _share_true(train["synthetic"]),
        "reworded": train.num_rows - train["wording_id"].null_count,
        "wordings": len(set(train["wording_id"].drop_null().to_pylist())),
        "chars_per_token": stats["chars_per_token"],
        "vocab_size": stats["vocab_size"],
        "seq_len": stats["seq_len"],
        "epochs": stats["epochs"],
        "figures": [
            _length_figure(stats["row_tokens"], "row-tokens", "Tokens per row"),
            _length_figure(stats["trained_tokens"], "trained-tokens", "Trained (answer) tokens per row"),
        ],
    }


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
    ordered = sorted(found, key=lambda item: (-item[1], item[0]))
    return [(value, count, count / len(column)) for value, count in ordered]


def _share_true(column: pa.ChunkedArray) -> float:
    return column.to_pylist().count(True) / len(column) if len(column) else 0.0


def _rejections(stats: Stats, rejected: pa.Table) -> list[Section]:
    """Each reason with its count and the first record it hit, in the order of the files."""
    order = [("source", "ascending"), ("file", "ascending"), ("record", "ascending")]
    first: dict[str, Section] = {}
    for row in rejected.sort_by([*order, ("sub_record", "ascending")]).to_pylist():
        first.setdefault(row["reason"], row)
    reasons = sorted(stats["rejected"].items(), key=lambda item: (-item[1], item[0]))
    return [{"reason": name, "count": count, "example": first.get(name)} for name, count in reasons if count]


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
