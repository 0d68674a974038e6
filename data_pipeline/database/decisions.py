"""Decisions that need the whole corpus: duplicates, what leaks, what an epoch renders."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa

from data_pipeline.augment.curriculum import draw_kept_rows, shares_of_epoch
from data_pipeline.augment.few_shot import MAX_EXAMPLES
from data_pipeline.augment.mix import SourcePlan, draw_copies, plan_mix
from data_pipeline.build.prepared_rows import rows_at
from data_pipeline.build.work_folder import WorkFolder
from data_pipeline.config import DataConfig
from data_pipeline.database import leak_list
from data_pipeline.database.leaks import find_leaks
from data_pipeline.database.near_join import make_near_table
from data_pipeline.database.row_database import RowDatabase
from data_pipeline.dedup.leak_keys import GATE_COLUMNS
from data_pipeline.dedup.same_prompt import kept_answers
from hunmin.errors import ConfigError, GateError
from hunmin.progress import say

MAX_EXAMPLE_CHARS = 500  # of an answer that is shown as an example


def refuse_duplicates(database: RowDatabase) -> int:
    """Every row that says the same as an earlier one, to the letter but for case, width and white space."""
    return database.refuse(
        """
        WITH first AS (
            SELECT text_key, min(ord) AS ord, arg_min(row_id, ord) AS row_id
            FROM alive GROUP BY text_key HAVING count(*) > 1
        )
        SELECT alive.ord, 'duplicate', 'of ' || first.row_id
        FROM alive JOIN first USING (text_key) WHERE alive.ord <> first.ord
        """
    )


def refuse_near_duplicates(database: RowDatabase, *, parts: list[Path], threshold: float) -> int:
    """Every row that is near to a kept row of an earlier family; see near_join.py."""
    database.view_of_parts("near_input", "ord, family_id, signature, near_words, split", parts)
    make_near_table(database.con, "near_input", threshold=threshold)
    return database.refuse(
        """
        SELECT near_losers.ord, 'near_duplicate', format('of {} (similarity {:.2f})', rows.row_id, similarity)
        FROM near_losers JOIN rows ON rows.ord = winner_ord
        """
    )


def judge_same_prompts(database: RowDatabase, config: DataConfig) -> dict[str, int]:
    """Refuse rows by data.same_prompt where one prompt has several answers; how many of both there are."""
    database.con.execute(
        """
        CREATE TABLE same_prompt AS
        SELECT prompt_key, answer_key, ord FROM alive SEMI JOIN (
            SELECT prompt_key FROM alive GROUP BY 1 HAVING count(DISTINCT answer_key) > 1
        ) USING (prompt_key)
        """
    )
    found = {
        "prompts": database.number("SELECT count(DISTINCT prompt_key) FROM same_prompt"),
        "rows": database.number("SELECT count(*) FROM same_prompt"),
    }
    if config.same_prompt != "keep_all":
        detail = f"one prompt, several answers; data.same_prompt is {config.same_prompt}"
        for losers in _losers(database, config):
            database.insert(
                "refused",
                pa.table(
                    {"ord": losers, "reason": ["same_prompt"] * len(losers), "detail": [detail] * len(losers)}
                ),
            )
    return found


def _losers(database: RowDatabase, config: DataConfig) -> Iterator[list[int]]:
    lines = database.stream("SELECT prompt_key, answer_key, ord FROM same_prompt ORDER BY prompt_key, ord")
    for _, group in groupby(lines, key=itemgetter(0)):
        members = list(group)
        keep = kept_answers([answer for _, answer, _ in members], config.same_prompt)
        if not all(keep):
            yield [place for (_, _, place), stays in zip(members, keep, strict=True) if not stays]


def refuse_heldout_families(database: RowDatabase, config: DataConfig) -> int:
    """Rows of other tasks that share their family with a held-out task's: they would leak it."""
    tasks = list(config.split.heldout_tasks)
    return database.refuse(
        """
        SELECT ord, 'heldout_family', 'family ' || family_id FROM alive
        WHERE task NOT IN (SELECT unnest(?::VARCHAR[]))
          AND family_id IN (SELECT family_id FROM alive WHERE task IN (SELECT unnest(?::VARCHAR[])))
        """,
        [tasks, tasks],
    )


def gate_contamination(
    database: RowDatabase, config: DataConfig, *, parts: list[Path], work: WorkFolder, out_dir: Path
) -> dict[str, int]:
    """Let no held-out row pass that stands in the train or validation split too; leaks by kind.

    All of them are written to a file first (leak_list.py), whether or not they are allowed.

    Raises:
        GateError: there are some, and the config does not allow them; lists them.
    """
    columns = ", ".join(["ord", "split", "task", *(name for name, _ in GATE_COLUMNS)])
    database.view_of_parts("gate_input", columns, parts)
    for name, inside in (("gate_trained", "<> 'heldout'"), ("gate_asked_rows", "= 'heldout'")):
        database.con.execute(
            f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM gate_input WHERE split {inside}"
        )
    leaks = list(find_leaks(database.con, "gate_trained", "gate_asked_rows"))
    path = out_dir / leak_list.FILE
    path.unlink(missing_ok=True)  # of a start before this one
    if leaks:
        shown = leak_list.write_leaks(leaks, path, rows_at=partial(rows_at, work))
        reason = config.allow_contamination
        if reason is None:
            raise GateError(leak_list.readable_leaks(leaks, shown, path=path))
        say(f"data: {len(leaks)} held-out rows stand in the train split too ({path}), allowed: {reason}")
    return dict(Counter(leak.kind for leak in leaks))


def refuse_unrendered(database: RowDatabase) -> int:
    """Every row that could not be rendered in any epoch, with the first refusal."""
    return database.refuse(
        """
        SELECT ord, arg_min(reason, (epoch, repeat, turn)), arg_min(detail, (epoch, repeat, turn))
        FROM renders GROUP BY ord HAVING count(*) FILTER (reason IS NULL) = 0
        """
    )


def plan_jobs(database: RowDatabase, config: DataConfig, *, seed: int) -> dict[str, SourcePlan]:
    """The table `jobs`: train rows as often as the mix says, validation and held-out rows once.

    A row of several variants (augment.materialize: all) is rendered once for each of them. Train rows that no
    epoch takes are refused.
    """
    present = database.counts("SELECT source, count(*) FROM alive WHERE split = 'train' GROUP BY 1")
    plan = plan_mix(present, config.sources, config.mix)
    database.con.execute(
        "CREATE TEMP TABLE taken AS SELECT ord, 0::INTEGER AS epoch, 1::INTEGER AS copies FROM alive "
        "WHERE split <> 'train'"
    )
    for source, share in plan.items():
        if share.rows_per_epoch == present.get(source, 0):
            database.con.execute(
                f"INSERT INTO taken SELECT ord, unnest(range({config.epochs})), 1 FROM alive "
                "WHERE source = ? AND split = 'train'",
                [source],
            )
        else:
            _take(database, source, share.rows_per_epoch, epochs=config.epochs, seed=seed)
    if config.mix.curriculum:
        plan = _apply_curriculum(database, config, plan, seed=seed)
    database.con.execute(
        "CREATE TABLE jobs AS SELECT ord, epoch, unnest(range(copies * num_variants))::INTEGER AS repeat "
        "FROM taken JOIN rows USING (ord)"
    )
    database.refuse(
        "SELECT ord, 'over_mix', 'no epoch takes it of source ' || source "
        "FROM alive ANTI JOIN jobs USING (ord)"
    )
    for source in [name for name, share in plan.items() if present.get(name) and not share.rows_per_epoch]:
        say(f"data: the mix takes no row of source {source}: its share of data.mix.rows is below one row")
    return plan


def _apply_curriculum(
    database: RowDatabase, config: DataConfig, plan: dict[str, SourcePlan], *, seed: int
) -> dict[str, SourcePlan]:
    """Take out of `taken` what an epoch's stage leaves out; the plan by what is left, over all epochs.

    Raises:
        ConfigError: a stage leaves an epoch without a row.
    """
    database.con.execute("CREATE TEMP TABLE left_out (ord BIGINT, epoch INTEGER)")
    for epoch in range(config.epochs):
        shares = shares_of_epoch(config.mix.curriculum, epoch)
        assert shares is not None, "the stages fill the epochs"
        tasks = database.counts(
            "SELECT task, count(*) FROM taken JOIN alive USING (ord) WHERE split = 'train' AND epoch = ? "
            "GROUP BY 1",
            [epoch],
        )
        if not any(tasks.get(task, 0) * share >= 0.5 for task, share in shares.items()):
            raise ConfigError(
                f"data.mix.curriculum leaves epoch {epoch} without a row: of {', '.join(shares)} there are "
                "too few; raise their shares, or name other tasks"
            )
        for task in sorted(tasks):
            ords = database.arrays(
                "SELECT ord FROM taken JOIN alive USING (ord) "
                "WHERE split = 'train' AND epoch = ? AND task = ? ORDER BY num_answer_chars, row_hash, ord",
                [epoch, task],
            )["ord"]
            out = ords[~draw_kept_rows(len(ords), shares.get(task, 0.0), seed=seed, task=task, epoch=epoch)]
            database.insert("left_out", pa.table({"ord": out, "epoch": np.full(len(out), epoch, np.int32)}))
    database.con.execute(
        "DELETE FROM taken USING left_out WHERE taken.ord = left_out.ord AND taken.epoch = left_out.epoch "
        "AND taken.ord IN (SELECT ord FROM alive WHERE split = 'train')"
    )
    rows = database.counts(
        "SELECT source, sum(copies)::BIGINT FROM taken JOIN alive USING (ord) "
        "WHERE split = 'train' GROUP BY 1"
    )
    total = sum(rows.values())
    return {
        name: replace(share, rows_per_epoch=rows.get(name, 0), share=rows.get(name, 0) / total)
        for name, share in plan.items()
    }


def _take(database: RowDatabase, source: str, rows_per_epoch: int, *, epochs: int, seed: int) -> None:
    """Some of a source's rows, or some of them several times, evenly over the lengths of answers."""
    ords = database.arrays(
        "SELECT ord FROM alive WHERE source = ? AND split = 'train' ORDER BY num_answer_chars, row_hash, ord",
        [source],
    )["ord"]
    for epoch in range(epochs):
        often = draw_copies(len(ords), rows_per_epoch, seed=seed, source=source, epoch=epoch)
        chosen = often > 0
        epoch_column = np.full(int(chosen.sum()), epoch, np.int32)
        database.insert(
            "taken", pa.table({"ord": ords[chosen], "epoch": epoch_column, "copies": often[chosen]})
        )


def example_places(database: RowDatabase) -> list[int]:
    """Where the rows lie that few-shot prompts may show: of each task some with short answers, by hash.

    Of equal answers (labels) the first, then of each the second ...: a rare label is shown too.
    """
    return [
        line["ord"]
        for line in database.rows(
            """
            SELECT ord FROM (
                SELECT ord, task, row_hash,
                       row_number() OVER (PARTITION BY task, answer_key ORDER BY row_hash, ord) AS nth
                FROM alive WHERE split = 'train' AND num_answer_chars <= ?
            )
            QUALIFY row_number() OVER (PARTITION BY task ORDER BY nth, row_hash, ord) <= ? ORDER BY ord
            """,
            [MAX_EXAMPLE_CHARS, MAX_EXAMPLES],
        )
    ]
