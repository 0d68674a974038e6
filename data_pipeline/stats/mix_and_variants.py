"""What augmentation and mix came to: pairs per wording, variants per source, shares planned and realised."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from data_pipeline.augment.mix import SourcePlan, report_shares
from data_pipeline.database.row_database import RowDatabase
from data_pipeline.tasks.tasks import Task
from hunmin.schema import EpochTask, SourceShares, VariantStats, WordingStats

# Lines of `renders` that stand in the train split's packs; and of them one a row, epoch and repeat.
TRAINED = "split = 'train' AND reason IS NULL"
TRAINED_ROWS = f"{TRAINED} AND turn = 0"
SHARE_DIGITS = 6


def wording_stats(database: RowDatabase, tasks: Mapping[str, Task]) -> WordingStats:
    """Pairs per wording and per axis, and the wordings of the corpus' tasks that paired with nothing."""
    pairs = database.counts(
        f"SELECT wording_id, count(*) FROM renders WHERE {TRAINED_ROWS} AND wording_id IS NOT NULL GROUP BY 1"
    )
    present = database.rows("SELECT DISTINCT task FROM alive ORDER BY task")
    axis_of = {
        f"{name}/{wording.id}": wording.axis
        for name in (line["task"] for line in present)
        if name in tasks
        for wording in tasks[name].wordings
        if not wording.heldout
    }
    axes: Counter[str] = Counter(dict.fromkeys(axis_of.values(), 0))
    for name, count in pairs.items():
        axes[axis_of[name]] += count
    return WordingStats(
        pairs=pairs,
        axes=dict(sorted(axes.items())),
        never_paired=[name for name in axis_of if name not in pairs],
    )


def variant_stats(database: RowDatabase, sources: Sequence[str]) -> dict[str, VariantStats]:
    """By source, in this order, for how many of its rendered train rows each kind of variant was drawn."""
    kinds = {
        "wording": "wording_id IS NOT NULL",
        "rewording": "len(list_filter(transforms, lambda one: starts_with(one, 'reworded:'))) > 0",
        "role": _wrapped("starts_with(one, 'role:')"),
        "few_shot": _wrapped("starts_with(one, 'few_shot:')"),
        "chain_of_thought": _wrapped("one = 'chain_of_thought'"),
    }
    counted = ", ".join(f"count(*) FILTER ({inside}) AS {kind}" for kind, inside in kinds.items())
    lines = database.rows(
        f"SELECT source, count(*) AS rows, {counted} FROM renders WHERE {TRAINED_ROWS} GROUP BY 1"
    )
    out: dict[str, VariantStats] = {}
    for line in sorted(lines, key=lambda line: sources.index(line["source"])):
        wrappers = database.counts(
            f"SELECT wrapper, count(*) FROM renders WHERE {TRAINED_ROWS} AND source = ? "
            "AND wrapper IS NOT NULL GROUP BY 1",
            [line["source"]],
        )
        shares = {kind: round(line[kind] / line["rows"], SHARE_DIGITS) for kind in kinds}
        out[line["source"]] = VariantStats(rows=line["rows"], **shares, wrappers=wrappers)
    return out


def _wrapped(condition: str) -> str:
    """SQL: one part of the wrapper's name is so."""
    parts = "string_split(coalesce(wrapper, ''), '+')"
    return f"len(list_filter({parts}, lambda one: {condition})) > 0"


def mix_stats(database: RowDatabase, plan: Mapping[str, SourcePlan]) -> dict[str, SourceShares]:
    """Each source's part of the train split, planned and realised.

    A row of several variants (augment.materialize: all) counts once, with the tokens of all of them: the plan
    speaks of rows. It was made before anybody knew which rows would not fit into seq_len; those that did not
    in any epoch are left out of it here as they are in the packs, and stand among the rejected.

    A source's mean tokens are those of all its rows, whether or not the mix took them: the tokens of the rows
    that were taken, each counted once, over the characters of their answers, times the mean characters of
    all its rows' answers. Where all were taken, that is their mean; else an estimate.
    """
    taken = database.rows(
        f"""
        WITH averages AS (
            SELECT ord, source, any_value(num_variants) AS variants, any_value(num_answer_chars) AS chars,
                   count(*) FILTER (turn = 0) AS renders, sum(num_trained_tokens) AS tokens,
                   sum(num_trained_tokens) * any_value(num_variants) / count(*) FILTER (turn = 0)
                       AS mean_tokens
            FROM (SELECT ord, turn, split, reason, num_trained_tokens FROM renders) JOIN (
                SELECT ord, source, num_variants, num_answer_chars FROM alive
            ) USING (ord)
            WHERE {TRAINED} GROUP BY ord, source
        )
        SELECT source, round(fsum(renders / variants))::BIGINT AS rows, sum(tokens)::BIGINT AS tokens,
               fsum(mean_tokens) AS mean_tokens, sum(chars)::BIGINT AS chars
        FROM averages GROUP BY 1
        """
    )
    means = {
        line["source"]: line["chars"] / line["n"]
        for line in database.rows(
            "SELECT source, sum(num_answer_chars)::BIGINT AS chars, count(*) AS n FROM eligible "
            "WHERE split = 'train' GROUP BY 1"
        )
    }
    shares = report_shares(
        _fitting(database, plan),
        rows={line["source"]: line["rows"] for line in taken},
        tokens={line["source"]: line["tokens"] for line in taken},
        mean_tokens={
            line["source"]: line["mean_tokens"] / max(line["chars"], 1) * means[line["source"]]
            for line in taken
        },
    )
    return {
        name: SourceShares(**{what: round(share, SHARE_DIGITS) for what, share in found.items()})  # type: ignore[arg-type]
        for name, found in shares.items()
    }


def epoch_tasks(database: RowDatabase, num_epochs: int) -> list[dict[str, EpochTask]]:
    """Each epoch's rows and trained tokens by task; a row of several variants counts for each."""
    lines = database.rows(
        f"""
        SELECT epoch, task, count(*) FILTER (turn = 0) AS planned,
               count(*) FILTER ({TRAINED_ROWS}) AS realised,
               coalesce(sum(num_trained_tokens) FILTER ({TRAINED}), 0)::BIGINT AS tokens
        FROM (SELECT ord, epoch, turn, split, reason, num_trained_tokens FROM renders WHERE split = 'train')
        JOIN (SELECT ord, task FROM rows) USING (ord) GROUP BY 1, 2 ORDER BY 1, 2
        """
    )
    out: dict[int, dict[str, EpochTask]] = {epoch: {} for epoch in range(num_epochs)}
    for line in lines:
        out.setdefault(line["epoch"], {})[line["task"]] = EpochTask(
            planned_rows=line["planned"], realised_rows=line["realised"], trained_tokens=line["tokens"]
        )
    return list(out.values())


def _fitting(database: RowDatabase, plan: Mapping[str, SourcePlan]) -> dict[str, SourcePlan]:
    """The plan without the share of each source's rows that could not be rendered."""
    lines = database.rows(
        f"""
        SELECT source, count(*) AS taken, count(*) FILTER (fits) AS fitting FROM (
            SELECT source, bool_or({TRAINED}) AS fits FROM renders WHERE split = 'train' GROUP BY source, ord
        ) GROUP BY 1
        """
    )
    ratio = {line["source"]: Fraction(line["fitting"], line["taken"]) for line in lines}
    return {
        name: replace(share, rows_per_epoch=round(share.rows_per_epoch * ratio.get(name, Fraction(1))))
        for name, share in plan.items()
    }
