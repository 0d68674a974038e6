"""data/stats.json: what came in, what was kept, what the packs hold."""

from collections import Counter
from itertools import pairwise
from typing import Any

from data_pipeline.config import DataConfig
from data_pipeline.schema import SCHEMA_VERSION, Histogram, SourceStats, SplitStats, Stats, TaskStats

Row = dict[str, Any]


def summarize(
    config: DataConfig,
    *,
    origins: list[Row],
    renders: list[Row],
    rows: list[Row],
    dialects: dict[str, list[str]],
    vocab_size: int,
) -> Stats:
    """Count everything once.

    Args:
        config: the data section.
        origins: every record read, refused ones with a reason.
        renders: every rendering tried.
        rows: the ledger.
        dialects: per source, what was declared or detected.
        vocab_size: of the tokenizer.
    """
    kept = [origin for origin in origins if origin["reason"] is None]
    refused = [origin for origin in origins if origin["reason"] is not None]
    return Stats(
        schema_version=SCHEMA_VERSION,
        sources={
            source.name: _source(source.name, source.licence, origins, dialects) for source in config.sources
        },
        rejected=dict(Counter(row["reason"] for row in refused).most_common()),
        unrendered=_unrendered(kept, renders),
        tasks={task: _task(task, kept, rows) for task in sorted({row["task"] for row in kept})},
        splits={
            split: _split(split, kept, renders, rows, config.seq_len) for split in ("train", "val", "heldout")
        },
        row_tokens=_histogram([row["num_tokens"] for row in rows]),
        trained_tokens=_histogram([row["num_trained_tokens"] for row in rows]),
        chars_per_token=_chars_per_token(kept, renders),
        vocab_size=vocab_size,
        seq_len=config.seq_len,
        epochs=config.epochs,
    )


def _unrendered(kept: list[Row], renders: list[Row]) -> dict[str, int]:
    ids = {row["row_id"] for row in kept}
    refused = (r["reason"] for r in renders if r["reason"] is not None and r["row_id"] in ids)
    return dict(Counter(refused).most_common())


def _source(name: str, licence: str, origins: list[Row], dialects: dict[str, list[str]]) -> SourceStats:
    own = [origin for origin in origins if origin["source"] == name]
    reasons = Counter(origin["reason"] for origin in own if origin["reason"] is not None)
    return SourceStats(
        files=len({origin["file"] for origin in own}),
        records=len(own),
        kept=len(own) - reasons.total(),
        rejected=dict(reasons.most_common()),
        licence=licence,
        dialect=dialects[name],
    )


def _task(task: str, kept: list[Row], rows: list[Row]) -> TaskStats:
    train = [row for row in rows if row["task"] == task and row["split"] == "train"]
    answers = Counter(
        row["short_answer"]
        for row in kept
        if row["task"] == task and row["split"] == "train" and row["short_answer"] is not None
    )
    return TaskStats(
        rows=dict(Counter(row["split"] for row in kept if row["task"] == task)),
        tokens=sum(row["num_tokens"] for row in train),
        trained_tokens=sum(row["num_trained_tokens"] for row in train),
        majority_answer=answers.most_common(1)[0][0] if answers else "",
    )


def _split(split: str, kept: list[Row], renders: list[Row], rows: list[Row], seq_len: int) -> SplitStats:
    own = [row for row in rows if row["split"] == split]
    if split == "heldout":
        asked = [r for r in renders if r["split"] == split and r["reason"] is None]
        tokens, trained = sum(r["num_tokens"] for r in asked), sum(r["num_trained_tokens"] for r in asked)
    else:
        tokens, trained = sum(r["num_tokens"] for r in own), sum(r["num_trained_tokens"] for r in own)
    packs = len({(row["epoch"], row["pack"]) for row in own})
    members = [row for row in kept if row["split"] == split]
    return SplitStats(
        rows=len(members),
        families=len({row["family_id"] for row in members}),
        packs=packs,
        tokens=tokens,
        trained_tokens=trained,
        fill=round(tokens / (packs * seq_len), 6) if packs else 0.0,
    )


def _histogram(lengths: list[int]) -> Histogram:
    longest = max(lengths, default=1)
    edges = [0, *(16 * 2**i for i in range(20) if 16 * 2**i < 2 * max(longest, 8) + 1)]
    counts = [sum(low <= n < high for n in lengths) for low, high in pairwise(edges)]
    return Histogram(edges=edges, counts=counts)


def _chars_per_token(kept: list[Row], renders: list[Row]) -> dict[str, float]:
    language = {row["row_id"]: row["language"] for row in kept}
    chars: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    for render in renders:
        if render["reason"] is None and render["row_id"] in language:
            chars[language[render["row_id"]]] += render["num_chars"]
            tokens[language[render["row_id"]]] += render["num_tokens"]
    return {name: round(chars[name] / tokens[name], 4) for name in sorted(tokens)}
