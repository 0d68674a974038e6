"""Near duplicates, over all rows (of one row: dedup/signatures.py): LSH bands joined by DuckDB, out of core.

The rule. Rows with the same signature are one text; it belongs to the family of its first row. Texts are
taken in canonical order (`ord`); one is dropped if it is near to an earlier kept text of another family, and
the earliest such text wins. So every loser's winner is kept, and variants inside a family are never compared.

Texts answered by no more than a label are near only where their content words are equal: one word makes
them another question. Not so between held-out and other rows: there, nearly the same is a leak.

A bucket of boilerplate must not be compared all against all. Texts of a bucket are compared with its first
one, whatever is near goes, then with the first 4 of those that are left, then 16, then 64: work grows with
the number of texts, and within a bucket of more than 64 different texts a pair behind the 64th may be missed.
"""

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data_pipeline.dedup.signatures import NUM_PERM, band_keys, banding, similarity

REPRESENTATIVES = (1, 4, 16, 64)  # of a bucket, in each round
_FETCH = 10_000  # lines at a time


def make_near_table(con: duckdb.DuckDBPyConnection, relation: str, *, threshold: float) -> None:
    """Write the temporary table near_losers(ord, winner_ord, similarity), a line per losing row.

    A family without a declared key has one text, so it is lost or kept as a whole. A declared one (a passage
    with ten questions) loses only the rows that are near to another family's.

    Args:
        con: an open connection; its memory_limit and temp_directory bound the work.
        relation: a table or view with ord BIGINT (distinct), family_id and split VARCHAR, and NEAR_COLUMNS.
        threshold: least similarity of both halves, in (0, 1].
    """
    con.create_function("near_keys", _keys_function(threshold), ["UINTEGER[]"], "UBIGINT[]", type="arrow")  # type: ignore[arg-type]
    con.create_function("near_similarity", _similarities, ["UINTEGER[]", "UINTEGER[]"], "FLOAT", type="arrow")  # type: ignore[arg-type]
    try:
        _make_texts(con, relation)
        _make_bands(con, relation, threshold=threshold)
        con.execute("CREATE OR REPLACE TEMP TABLE near_edges (text BIGINT, earlier BIGINT, similarity FLOAT)")
        con.execute(
            "CREATE OR REPLACE TEMP TABLE near_dropped (text BIGINT, winner BIGINT, similarity FLOAT)"
        )
        for representatives in REPRESENTATIVES:
            _make_pairs(con, bands=banding(threshold)[0], representatives=representatives)
            if _add_edges(con, relation, threshold=threshold):
                _resolve(con)
        _make_losers(con, relation)
    finally:
        for name in ("near_keys", "near_similarity"):
            con.remove_function(name)
        for name in ("rows", "texts", "bands", "pairs", "compared", "edges", "dropped", "copies"):
            con.execute(f"DROP TABLE IF EXISTS near_{name}")


def _keys_function(threshold: float):
    def near_keys(signatures: pa.Array) -> pa.Array:
        keys = band_keys(_values(signatures), threshold=threshold)
        starts = np.arange(0, keys.size + 1, keys.shape[1], dtype=np.int32)
        return pa.ListArray.from_arrays(pa.array(starts), pa.array(keys.ravel()))

    return near_keys


def _similarities(one: pa.Array, other: pa.Array) -> pa.Array:
    return pa.array(similarity(_values(one), _values(other)))


def _values(column: pa.Array) -> npt.NDArray[np.uint32]:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column.flatten().to_numpy(zero_copy_only=False).reshape(-1, NUM_PERM)


def _make_texts(con: duckdb.DuckDBPyConnection, relation: str) -> None:
    """near_rows(ord, first): the text of each row, named by its first row. near_texts: a line per text.

    Signatures, 512 bytes each, stay where they are: a table of them all would not fit.
    """
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE near_rows AS
        WITH signs AS (SELECT ord, hash(signature, near_words) AS sign FROM {relation})
        SELECT ord, first
        FROM signs JOIN (SELECT sign, min(ord) AS first FROM signs GROUP BY sign) USING (sign)
        """
    )
    # Numbered from 0 in canonical order: the index of the arrays in _resolve.
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE near_texts AS
        SELECT row_number() OVER (ORDER BY ord) - 1 AS text, ord FROM near_rows WHERE ord = first
        """
    )


def _make_bands(con: duckdb.DuckDBPyConnection, relation: str, *, threshold: float) -> None:
    """near_bands(text, b0, b1, ...): a column a band, so that a band is read without the others."""
    columns = ", ".join(f"keys[{i + 1}] AS b{i}" for i in range(banding(threshold)[0]))
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE near_bands AS
        SELECT text, {columns}
        FROM (SELECT text, near_keys(signature) AS keys FROM {relation} JOIN near_texts USING (ord))
        """
    )


def _make_pairs(con: duckdb.DuckDBPyConnection, *, bands: int, representatives: int) -> None:
    """near_pairs(text, earlier): texts that are left, with the first few of each of their buckets."""
    con.execute("CREATE OR REPLACE TEMP TABLE near_pairs (text BIGINT, earlier BIGINT)")
    for band in range(bands):
        con.execute(
            f"""
            INSERT INTO near_pairs
            WITH alive AS (
                SELECT text, b{band} AS bucket FROM near_bands ANTI JOIN near_dropped USING (text)
            ), shared AS (
                SELECT text, bucket, row_number() OVER (PARTITION BY bucket ORDER BY text) AS place FROM alive
                SEMI JOIN (SELECT bucket FROM alive GROUP BY bucket HAVING count(*) > 1) USING (bucket)
            )
            SELECT l.text, e.text FROM shared e JOIN shared l USING (bucket)
            WHERE e.place <= {representatives} AND e.place < l.place
            """
        )


def _add_edges(con: duckdb.DuckDBPyConnection, relation: str, *, threshold: float) -> bool:
    """Add the pairs at the threshold to near_edges; whether there are any."""
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE near_compared AS
        SELECT text, family_id, signature, near_words, split = 'heldout' AS heldout
        FROM {relation} JOIN (
            SELECT text, ord FROM near_texts
            SEMI JOIN (SELECT text FROM near_pairs UNION SELECT earlier FROM near_pairs) USING (text)
        ) USING (ord)
        """
    )
    added = con.execute(
        f"""
        INSERT INTO near_edges
        WITH pairs AS (SELECT DISTINCT text, earlier FROM near_pairs), compared AS (
            SELECT p.text, p.earlier, near_similarity(l.signature, e.signature) AS similarity FROM pairs p
            JOIN near_compared l ON l.text = p.text JOIN near_compared e ON e.text = p.earlier
            WHERE l.family_id <> e.family_id
            AND NOT coalesce(l.near_words <> e.near_words AND l.heldout = e.heldout, false)
        ) SELECT * FROM compared WHERE similarity >= {threshold}::FLOAT
        """
    ).fetchone()
    return bool(added and added[0])


def _resolve(con: duckdb.DuckDBPyConnection) -> None:
    """near_dropped anew: walk the texts in order; near to one that is kept, dropped; else kept.

    12 bytes a text of memory, over the whole corpus.
    """
    counted = con.execute("SELECT count(*) FROM near_texts").fetchone()
    winner = np.full(counted[0] if counted else 0, -1, dtype=np.int64)
    alike = np.zeros(len(winner), dtype=np.float32)
    edges = con.execute("SELECT text, earlier, similarity FROM near_edges ORDER BY text, earlier")
    while lines := edges.fetchmany(_FETCH):
        for text, earlier, value in lines:
            if winner[text] < 0 and winner[earlier] < 0:
                winner[text], alike[text] = earlier, value
    lost = np.flatnonzero(winner >= 0)
    table = pa.table({"text": lost, "winner": winner[lost], "similarity": alike[lost]})
    con.register("near_lost", table)
    con.execute("CREATE OR REPLACE TEMP TABLE near_dropped AS SELECT * FROM near_lost")
    con.unregister("near_lost")


def _make_losers(con: duckdb.DuckDBPyConnection, relation: str) -> None:
    """From texts to rows: those of a dropped text, and those of a kept text that are of another family.

    Most rows are the first and only one of a kept text: they are left out before anything wide is joined.
    """
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE near_copies AS
        WITH dropped AS (
            SELECT ord AS first, winner, similarity FROM near_dropped JOIN near_texts USING (text)
        )
        SELECT n.ord, n.first, winner, similarity FROM near_rows n LEFT JOIN dropped d ON d.first = n.first
        WHERE n.ord <> n.first OR winner IS NOT NULL
        """
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE near_losers AS
        WITH copies AS (
            SELECT c.ord, coalesce(w.ord, c.first) AS winner_ord, coalesce(c.similarity, 1.0) AS similarity
            FROM near_copies c LEFT JOIN near_texts w ON w.text = c.winner
        ), families AS (
            SELECT ord, family_id FROM {relation}
            SEMI JOIN (SELECT ord FROM copies UNION SELECT winner_ord FROM copies) USING (ord)
        )
        SELECT c.ord, winner_ord, similarity FROM copies c
        JOIN families own ON own.ord = c.ord JOIN families theirs ON theirs.ord = winner_ord
        WHERE theirs.family_id <> own.family_id
        """
    )
