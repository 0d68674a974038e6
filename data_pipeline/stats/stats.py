"""data/stats.json: what came in, what was kept, what the packs hold. Counted in the database, once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from data_pipeline.augment.mix import SourcePlan
from data_pipeline.config import DataConfig, SourceConfig
from data_pipeline.database.row_database import RowDatabase
from data_pipeline.stats.mix_and_variants import TRAINED, epoch_tasks, mix_stats, variant_stats, wording_stats
from data_pipeline.stats.part_counts import PartCounts
from data_pipeline.stats.sources_compared import languages_of
from data_pipeline.tasks.tasks import Task
from hunmin.safety import personal_data
from hunmin.schema import (
    SCHEMA_VERSION,
    ContaminationStats,
    Histogram,
    RejectExample,
    SamePromptStats,
    SharedTexts,
    SourceStats,
    SplitStats,
    Stats,
    TaskStats,
    WeightStats,
)

EXAMPLES_PER_REASON = 3
DETAIL_CHARS = 200  # of an example; longer details are cut


@dataclass(frozen=True)
class Decided:
    """What the rules over the whole corpus found."""

    same_prompt: dict[str, int]  # prompts that have several answers, and their rows
    leaks: dict[str, int]  # held-out rows in the train split, by kind; only where the config allows them
    mix: dict[str, SourcePlan]  # what an epoch takes from each source
    shared_texts: list[SharedTexts] = field(default_factory=list)


def summarize(
    database: RowDatabase,
    config: DataConfig,
    decided: Decided,
    *,
    dialects: Mapping[str, list[str]],
    vocab_size: int,
    tasks: Mapping[str, Task],
    tally: PartCounts,
) -> Stats:
    """Everything counted."""
    present = database.rows("SELECT DISTINCT task FROM alive ORDER BY task")
    found = Stats(
        schema_version=SCHEMA_VERSION,
        sources={source.name: _source(database, source, dialects[source.name]) for source in config.sources},
        rejected=database.counts("SELECT reason, count(*) FROM refused GROUP BY 1"),
        rejected_examples=_rejected_examples(database),
        duplicates=_duplicates(database),
        shared_texts=decided.shared_texts,
        flags=database.counts(
            "SELECT flag, count(*) FROM (SELECT unnest(flags) AS flag FROM alive) GROUP BY 1"
        ),
        personal_data=database.counts(
            "SELECT substr(done, 8), count(*) FROM (SELECT unnest(transforms) AS done FROM alive) "
            "WHERE starts_with(done, 'masked:') GROUP BY 1"
        ),
        same_prompt=SamePromptStats(
            prompts=decided.same_prompt["prompts"], rows=decided.same_prompt["rows"], rule=config.same_prompt
        ),
        contamination=ContaminationStats(
            leaks=dict(sorted(decided.leaks.items())), allowed=config.allow_contamination
        ),
        unrendered=database.counts(
            "SELECT reason, count(*) FROM renders SEMI JOIN alive USING (ord) "
            "WHERE reason IS NOT NULL GROUP BY 1"
        ),
        tasks={line["task"]: _task(database, line["task"]) for line in present},
        splits={split: _split(database, split, config.seq_len) for split in ("train", "val", "heldout")},
        row_tokens=_histogram(database, "num_tokens"),
        trained_tokens=_histogram(database, "num_trained_tokens"),
        wordings=wording_stats(database, tasks),
        variants=variant_stats(database, [source.name for source in config.sources]),
        mix=mix_stats(database, decided.mix),
        epoch_tasks=epoch_tasks(database, config.epochs),
        diversity={task: texts.summary() for task, texts in sorted(tally.texts.items())},
        tokenizer={language: counts.summary() for language, counts in sorted(tally.tokens.items())},
        vocab_size=vocab_size,
        seq_len=config.seq_len,
        epochs=config.epochs,
    )
    weights, left_out = _weights(database), _left_out(database)
    if weights["rendered_rows"]:
        found["weights"] = weights
    if left_out:
        found["left_out"] = left_out
    return found


def _source(database: RowDatabase, source: SourceConfig, dialect: list[str]) -> SourceStats:
    rejected = database.counts(
        "SELECT reason, count(*) FROM refused JOIN rows USING (ord) WHERE source = ? GROUP BY 1",
        [source.name],
    )
    (read,) = database.rows(
        "SELECT count(DISTINCT file) AS files, count(*) AS records FROM rows WHERE source = ?", [source.name]
    )
    return SourceStats(
        **read,
        kept=read["records"] - sum(rejected.values()),
        rejected=rejected,
        licence=source.licence,
        dialect=dialect,
        languages=languages_of(database, source.name),
        unread_keys=database.counts(
            "SELECT key, count(*) FROM unread WHERE source = ? GROUP BY 1", [source.name]
        ),
    )


def _task(database: RowDatabase, task: str) -> TaskStats:
    answers = database.rows(
        "SELECT short_answer, count(*) AS n FROM alive WHERE task = ? AND split = 'train' "
        "AND short_answer IS NOT NULL GROUP BY 1 ORDER BY n DESC, min(ord) LIMIT 1",
        [task],
    )
    trained = _tokens(
        database,
        "placed JOIN renders USING (ord, epoch, repeat, turn)",
        "task = ? AND split = 'train'",
        [task],
    )
    return TaskStats(
        rows=database.counts("SELECT split, count(*) FROM alive WHERE task = ? GROUP BY 1", [task]),
        **trained,
        majority_answer=answers[0]["short_answer"] if answers else "",
    )


def _tokens(database: RowDatabase, relation: str, where: str, parameters: list[Any]) -> dict[str, int]:
    (found,) = database.rows(
        "SELECT coalesce(sum(num_tokens), 0)::BIGINT AS tokens, "
        f"coalesce(sum(num_trained_tokens), 0)::BIGINT AS trained_tokens FROM {relation} WHERE {where}",
        parameters,
    )
    return found


def _split(database: RowDatabase, split: str, seq_len: int) -> SplitStats:
    (members,) = database.rows(
        "SELECT count(*) AS rows, count(DISTINCT family_id) AS families FROM alive WHERE split = ?", [split]
    )
    relation = "renders" if split == "heldout" else "placed JOIN renders USING (ord, epoch, repeat, turn)"
    tokens = _tokens(database, relation, "split = ? AND reason IS NULL", [split])
    packs = database.number(
        "SELECT count(DISTINCT (epoch, pack)) FROM placed JOIN renders USING (ord, epoch, repeat, turn) "
        "WHERE split = ?",
        [split],
    )
    found = SplitStats(
        **members,
        packs=packs,
        **tokens,
        fill=round(tokens["tokens"] / (packs * seq_len), 6) if packs else 0.0,
    )
    (rendered,) = database.rows(
        "SELECT count(*) AS n, coalesce(max(turn), 0) AS last FROM placed JOIN renders "
        "USING (ord, epoch, repeat, turn) WHERE split = ?",
        [split],
    )
    return {**found, "rendered_rows": rendered["n"]} if rendered["last"] else found


def _weights(database: RowDatabase) -> WeightStats:
    (found,) = database.rows(
        "SELECT count(*) FILTER (weight <> 1) AS rendered_rows, min(weight) AS min, max(weight) AS max, "
        "fsum(weight::DOUBLE * num_trained_tokens) AS weighted_tokens "
        f"FROM renders WHERE {TRAINED}"
    )
    return WeightStats(**found)


def _left_out(database: RowDatabase) -> dict[str, int]:
    """thoughts, tools -> rendered rows of train, over all epochs, that the template leaves without them."""
    marks = {"thoughts": "thought_left_out:", "tools": "tools_left_out"}
    counted = {
        kind: database.number(
            f"SELECT count(*) FROM renders WHERE {TRAINED} AND "
            f"len(list_filter(transforms, lambda one: starts_with(one, '{mark}'))) > 0"
        )
        for kind, mark in marks.items()
    }
    return {kind: count for kind, count in counted.items() if count}


def _histogram(database: RowDatabase, column: str) -> Histogram:
    """Of the placed rows; bins double from 16."""
    found = database.rows(
        f"SELECT CASE WHEN {column} < 16 THEN 0 ELSE floor(log2({column} / 16))::INTEGER + 1 END AS bin, "
        "count(*) AS n FROM placed JOIN renders USING (ord, epoch, repeat, turn) GROUP BY 1"
    )
    counts = {line["bin"]: line["n"] for line in found}
    last = max(counts, default=0)
    return Histogram(
        edges=[0, *(16 * 2**number for number in range(last + 1))],
        counts=[counts.get(number, 0) for number in range(last + 1)],
    )


def _rejected_examples(database: RowDatabase) -> dict[str, list[RejectExample]]:
    """By reason, the first records that it hit; what is personal in the details is masked."""
    lines = database.rows(
        f"""
        SELECT reason, row_id, detail FROM refused JOIN rows USING (ord) SEMI JOIN (
            SELECT unnest(min(ord, {EXAMPLES_PER_REASON})) AS ord FROM refused GROUP BY reason
        ) USING (ord) ORDER BY reason, ord
        """
    )
    out: dict[str, list[RejectExample]] = {}
    for line in lines:
        detail, _ = personal_data.mask(line["detail"] or "")
        if len(detail) > DETAIL_CHARS:
            detail = detail[:DETAIL_CHARS].rstrip() + "…"
        out.setdefault(line["reason"], []).append(RejectExample(where=line["row_id"], detail=detail))
    return out


def _duplicates(database: RowDatabase) -> dict[str, dict[str, int]]:
    """By source, its rows that said the same as another row, or nearly."""
    lines = database.rows(
        "SELECT source, reason, count(*) AS n FROM refused JOIN rows USING (ord) "
        "WHERE reason IN ('duplicate', 'near_duplicate') GROUP BY 1, 2 ORDER BY 1, 2"
    )
    out: dict[str, dict[str, int]] = {}
    for line in lines:
        out.setdefault(line["source"], {})[line["reason"]] = line["n"]
    return out
