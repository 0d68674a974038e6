"""The contamination gate, the part that looks at all rows: which held-out rows stand in the train split too.

Equal keys first, then containment: the share of a held-out row's shingles that one train row has. Joins run
in DuckDB, out of core, and nothing grows with train rows times held-out rows. Of equal keys the first train
row counts. For containment only train rows are compared that share some of the held-out row's rarest
shingles, of those that no more than MAX_ROWS train rows have; set phrases and templates find nobody.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data_pipeline.dedup.leak_keys import KINDS, STEP, TURN

MIN_SHINGLES = 48  # of a held-out row, before sampling; fewer say nothing about containment
MIN_CONTAINMENT = 0.72  # of question and answer together ...
MIN_HALF = 0.35  # ... and of each
# A short sentence with another word is another sentence, so it must be found whole but for its ends:
SHORT = 100  # shingles
MIN_SHORT_CONTAINMENT = 0.9
LONG_HALF = 200  # shingles of a question or answer that is a leak by itself: a passage, a program ...
MIN_LONG = 0.8  # ... and how much of it must be found
RAREST = 32  # of a held-out row's shingles: by these it is looked for
MAX_ROWS = 100  # train rows that may have such a shingle
MIN_RARE = 2  # of them that a train row must have to be compared
# Where only a sample of the shingles is known, chance has its share, so more is asked:
MIN_SAMPLED = 12  # shingles of the held-out row in the sample
MIN_SAMPLED_CONTAINMENT = 0.8
MIN_SAMPLED_HALF = 4  # shingles of a half; fewer say nothing about it
OTHER_TASK = "other_task"  # kind of a leak from the rows of another task: not with this answer
MAX_SHINGLES = 4_000_000  # of held-out rows, looked for at a time: what a join holds in memory
_FETCH = 10_000
_PAIR_BITS = 11  # of DuckDB's vectors, which have 2,048 lines


class Leak(NamedTuple):
    """A held-out row, and the first of the train rows that give it away in the strongest way."""

    kind: str  # of leak_keys.KINDS, or OTHER_TASK
    train_ord: int
    heldout_ord: int
    score: float  # share of the held-out text that was found; 1 for equal keys


def find_leaks(con: duckdb.DuckDBPyConnection, train: str, heldout: str) -> Iterator[Leak]:
    """At most one leak a held-out row, by heldout_ord: the strongest kind, the highest score, the first row.

    Rows of the same task come first. Where only another task's rows have the text, the kind is OTHER_TASK.

    Args:
        con: an open connection; its memory_limit and temp_directory bound the work.
        train: a table or view with `ord` BIGINT, `task` VARCHAR and leak_keys.GATE_COLUMNS: the rows that are
            trained on, and those that training is steered by (validation).
        heldout: the same of the held-out rows.
    """
    lists, pair = "UBIGINT[]", "INTEGER[2]"
    con.create_function("gate_found", found_halves, [lists, lists, "INTEGER"], pair, type="arrow")  # type: ignore[arg-type]
    try:
        _make_equal(con, train, heldout)
        con.execute(
            "CREATE OR REPLACE TEMP TABLE gate_contained "
            "(train_ord BIGINT, heldout_ord BIGINT, score DOUBLE, same_task BOOLEAN)"
        )
        for some in _runs(con, heldout):
            with _as_written(con):
                _make_candidates(con, train, some)
            _add_contained(con, train, some)
        found = con.execute(
            f"""
            SELECT kind, train_ord, heldout_ord, score, same_task FROM (
                SELECT kind, train_ord, heldout_ord, 1.0 AS score, same_task FROM gate_equal UNION ALL
                SELECT {KINDS.index("ngram")}, train_ord, heldout_ord, score, same_task FROM gate_contained
            )
            QUALIFY row_number() OVER (
                PARTITION BY heldout_ord ORDER BY NOT same_task, kind, score DESC, train_ord
            ) = 1
            ORDER BY heldout_ord
            """
        )
        while lines := found.fetchmany(_FETCH):
            for kind, train_ord, heldout_ord, score, same_task in lines:
                yield Leak(KINDS[kind] if same_task else OTHER_TASK, train_ord, heldout_ord, score)
    finally:
        con.remove_function("gate_found")
        for name in ("equal", "wanted", "common", "rare", "candidates", "train", "heldout", "contained"):
            con.execute(f"DROP TABLE IF EXISTS gate_{name}")


def _make_equal(con: duckdb.DuckDBPyConnection, train: str, heldout: str) -> None:
    """gate_equal(kind, train_ord, heldout_ord, same_task): rows with an equal key of a kind."""
    keys = "SELECT ord, task, gate_judged, unnest(gate_kinds) AS kind, unnest(gate_hashes) AS hash FROM"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE gate_equal AS
        WITH asked AS (SELECT * FROM ({keys} {heldout}) WHERE gate_judged AND kind < {TURN}), given AS (
            SELECT kind, hash, task, min(ord) AS ord
            FROM (SELECT ord, task, (kind % {TURN})::TINYINT AS kind, hash FROM ({keys} {train}))
            SEMI JOIN asked USING (kind, hash) GROUP BY ALL
        )
        SELECT kind, given.ord AS train_ord, asked.ord AS heldout_ord, given.task = asked.task AS same_task
        FROM asked JOIN given USING (kind, hash)
        """
    )


@contextmanager
def _as_written(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Inside, a join makes its table of its right side.

    DuckDB takes a list that is unnested for one value, and would make the table of all train rows' shingles.
    """
    con.execute("SET disabled_optimizers = 'build_side_probe_side'")
    try:
        yield
    finally:
        con.execute("RESET disabled_optimizers")


def _runs(con: duckdb.DuckDBPyConnection, heldout: str) -> Iterator[str]:
    """The held-out rows cut into runs of about MAX_SHINGLES shingles, which are looked for at a time."""
    ((shingles,),) = con.execute(f"SELECT sum(len(gate_shingles))::BIGINT FROM {heldout}").fetchall()
    count = max(1, math.ceil((shingles or 0) / MAX_SHINGLES))
    for number in range(count):
        yield f"(SELECT * FROM {heldout} WHERE hash(ord) % {count} = {number})"


def _make_candidates(con: duckdb.DuckDBPyConnection, train: str, heldout: str) -> None:
    """gate_candidates(train_ord, heldout_ord): pairs that share some of the latter's rarest shingles."""
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE gate_wanted AS
        SELECT ord, unnest(gate_shingles) AS shingle FROM {heldout}
        WHERE len(gate_shingles) * {STEP} ** gate_level >= {MIN_SHINGLES}
        """
    )
    # Step by step: what one statement holds at a time is what must fit.
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE gate_common AS
        SELECT shingle, count(*) AS rows FROM (SELECT unnest(gate_shingles) AS shingle FROM {train})
        SEMI JOIN gate_wanted USING (shingle) GROUP BY shingle HAVING count(*) <= {MAX_ROWS}
        """
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE gate_rare AS
        SELECT ord, shingle FROM gate_wanted JOIN gate_common USING (shingle)
        QUALIFY row_number() OVER (PARTITION BY ord ORDER BY rows, shingle) <= {RAREST}
        """
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE gate_candidates AS
        WITH posted AS (
            SELECT * FROM (SELECT ord, unnest(gate_shingles) AS shingle FROM {train})
            SEMI JOIN gate_rare USING (shingle)
        )
        SELECT posted.ord AS train_ord, gate_rare.ord AS heldout_ord
        FROM posted JOIN gate_rare USING (shingle)
        GROUP BY ALL HAVING count(*) >= {MIN_RARE}
        """
    )


def _add_contained(con: duckdb.DuckDBPyConnection, train: str, heldout: str) -> None:
    """Add to gate_contained: pairs of which the train row holds most of the other.

    The higher level of the two rows counts: what it keeps, both have kept.
    """
    # The rows of pairs alone: a join over all rows' lists of shingles would not fit.
    for side, relation in (("train", train), ("heldout", heldout)):
        con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE gate_{side} AS
            SELECT ord, task, gate_level, gate_asked, gate_shingles
            FROM {relation} SEMI JOIN (SELECT {side}_ord AS ord FROM gate_candidates) USING (ord)
            """
        )
    con.execute(
        f"""
        INSERT INTO gate_contained
        WITH pairs AS (
            SELECT train_ord, heldout_ord, t.task = h.task AS same_task,
                   greatest(t.gate_level, h.gate_level)::UBIGINT AS level,
                   h.gate_shingles[:h.gate_asked] AS asked_list,
                   h.gate_shingles[h.gate_asked + 1:] AS said_list,
                   gate_found(t.gate_shingles, h.gate_shingles, h.gate_asked) AS found,
                   found[1] AS asked, found[2] AS said
            FROM gate_candidates
            JOIN gate_train t ON t.ord = train_ord JOIN gate_heldout h ON h.ord = heldout_ord
        ), counted AS (
            SELECT train_ord, heldout_ord, same_task, level, asked, said,
                   {_sampled("asked")}, {_sampled("said")}
            FROM pairs
        )
        SELECT train_ord, heldout_ord, (asked + said) / (all_asked + all_said) AS score, same_task
        FROM counted
        WHERE ({_whole()} AND {_half("asked")} AND {_half("said")})
           OR {_long_half("asked")} OR {_long_half("said")}
        """
    )


def found_halves(train: pa.Array, heldout: pa.Array, asked: pa.Array) -> pa.Array:
    """How many shingles of each held-out row its train row has, of what is asked and of what is answered.

    All pairs at once, each shingle under the number of its pair and by the first 53 bits of its hash: two of
    a pair that agree in those and not in the rest are one in 10^9 pairs or fewer.

    Args:
        train: (pairs,) lists of distinct uint64, at most 2 ** _PAIR_BITS pairs.
        heldout: (pairs,) such lists, those of what is asked first.
        asked: (pairs,) how many those are.

    Returns:
        (pairs, 2) int32.
    """
    # They lie in two runs that rise already, which a stable sort merges in a tenth of the time.
    there, _ = _in_pairs(train)
    there.sort(kind="stable")
    wanted, starts = _in_pairs(heldout)
    places = np.searchsorted(there, wanted)
    found = np.zeros(len(wanted) + 1, np.int32)  # how many of those before are found
    if len(there):
        np.cumsum(there[np.minimum(places, len(there) - 1)] == wanted, out=found[1:])
    ends = np.stack([starts[:-1], starts[:-1] + asked.to_numpy(zero_copy_only=False), starts[1:]])
    return pa.FixedSizeListArray.from_arrays(pa.array(np.diff(found[ends], axis=0).T.ravel()), 2)


def _in_pairs(shingles: pa.Array) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The shingles of all pairs under their pair's number; where each pair's begin and end."""
    if isinstance(shingles, pa.ChunkedArray):
        shingles = shingles.combine_chunks()
    counts = np.diff(shingles.offsets.to_numpy())
    assert len(counts) <= 1 << _PAIR_BITS, f"{len(counts)} pairs at once"
    pairs = np.arange(len(counts), dtype=np.uint64) << np.uint64(64 - _PAIR_BITS)
    # Of 63 bits (leak_keys.py); a sample has zeros at the end of them.
    values = shingles.flatten().to_numpy() >> np.uint64(_PAIR_BITS - 1)
    return np.repeat(pairs, counts) | values, np.concatenate(([0], np.cumsum(counts)))


def _sampled(half: str) -> str:
    # No power: that is a DOUBLE, and so would the remainder be, which has no room for 64 bits.
    return f"len(list_filter({half}_list, lambda x: x & ((1::UBIGINT << level) - 1) = 0)) AS all_{half}"


def _whole() -> str:
    every = "all_asked + all_said"
    sampled = f"{every} >= {MIN_SAMPLED} AND score >= {MIN_SAMPLED_CONTAINMENT}"
    return (
        f"(CASE WHEN level > 0 THEN {sampled} "
        f"WHEN {every} < {SHORT} THEN score >= {MIN_SHORT_CONTAINMENT} ELSE score >= {MIN_CONTAINMENT} END)"
    )


def _half(half: str) -> str:
    # Few sampled shingles say nothing; unsampled ones do, even one: that is a short answer, equal or not.
    return f"({half} >= {MIN_HALF} * all_{half} OR (level > 0 AND all_{half} < {MIN_SAMPLED_HALF}))"


def _long_half(half: str) -> str:
    return f"(all_{half} * {STEP} ** level >= {LONG_HALF} AND {half} >= {MIN_LONG} * all_{half})"
