"""Every record accounted for, in DuckDB: what is refused and why, what is rendered, where it lies.

Tables live in a file and joins spill to disk, so memory does not grow with the corpus. Every question has one
answer whatever the order in which parts came: rows are ordered by `ord`, ties never decided by arrival.

Tables: `rows` (a line a record, no texts), `unread` (source, key: a line for each key of a record that no
reader knows), `refused` (ord, reason, detail; once per ord), view `alive` (the rest), `jobs` (ord, epoch,
repeat: what is to be rendered), `renders` (what came of it), `placed` (its pack).
`turn = 0` picks one line of each (ord, epoch, repeat) of `renders`: a rendered one where there is any.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from data_pipeline.build.work_folder import ROW_BITS, first_ord

PLAIN = "hive_partitioning = false"  # a run folder named language=ko is no column
# What rows.parquet and the rules need of a record; texts and keys stay in the parts.
LIGHT = (
    "ord, row_id, source, file, record, sub_record, family_id, task, domain, language, licence, synthetic, "
    "weight, transforms, flags, split, text_key, prompt_key, answer_key, row_hash, num_variants, "
    "num_answer_chars, short_answer, asked_key, asked_language, said_language, reason, detail"
)


class RowDatabase:
    """The database of one build; `con` is for rules that join by themselves."""

    def __init__(self, folder: Path, *, memory_mb: int = 256):
        path = folder / "database.duckdb"
        path.unlink(missing_ok=True)  # made anew from the parts at every start: it costs a scan
        self.con = duckdb.connect(str(path))
        self.con.execute(
            f"SET memory_limit='{memory_mb}MB'; SET threads=2; SET preserve_insertion_order=false"
        )
        self.con.execute("SET temp_directory=?", [str(folder / "spill")])
        self.con.execute("CREATE TABLE refused (ord BIGINT, reason VARCHAR, detail VARCHAR)")

    def close(self) -> None:
        """Let go of the file."""
        self.con.close()

    def load_rows(self, parts: Sequence[Path]) -> None:
        """Take in what was read; what the reader or a row's own check refused is refused."""
        self._create_from_parquet("rows", LIGHT, parts)
        self._create_from_parquet("unread", "source, unnest(unread_keys) AS key", parts)
        self.con.execute("INSERT INTO refused SELECT ord, reason, detail FROM rows WHERE reason IS NOT NULL")
        self.con.execute("ALTER TABLE rows DROP reason; ALTER TABLE rows DROP detail")
        self.con.execute("CREATE VIEW alive AS SELECT * FROM rows ANTI JOIN refused USING (ord)")
        # What the mix could take from: those that it did not take are refused after all the others.
        self.con.execute(
            "CREATE VIEW eligible AS SELECT * FROM rows "
            "ANTI JOIN (SELECT ord FROM refused WHERE reason <> 'over_mix') USING (ord)"
        )

    def view_of_parts(self, name: str, columns: str, parts: Sequence[Path]) -> None:
        """A view over the parts' own columns, of the rows that are alive whenever it is read.

        Those that are refused are left out, not those that are alive looked up: there are fewer.
        """
        listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in parts)
        self.con.execute(
            f"CREATE OR REPLACE TEMP VIEW {name} AS "
            f"SELECT {columns} FROM read_parquet([{listed}], {PLAIN}) ANTI JOIN refused USING (ord)"
        )

    def load_renders(self, parts: Sequence[Path]) -> None:
        """Take in what was rendered, refused renderings with their reason."""
        self._create_from_parquet("renders", "*", parts)

    def _create_from_parquet(self, table: str, columns: str, parts: Sequence[Path]) -> None:
        self.con.execute(
            f"CREATE TABLE {table} AS SELECT {columns} FROM read_parquet(?, {PLAIN})",
            [[str(path) for path in parts]],
        )

    def refuse(self, query: str, parameters: Sequence[Any] = ()) -> int:
        """Refuse what a query over `alive` selects as (ord, reason, detail); how many."""
        return self.number(f"INSERT INTO refused {query}", parameters)

    def number(self, query: str, parameters: Sequence[Any] = ()) -> int:
        """The single number that a query gives."""
        ((found,),) = self.con.execute(query, list(parameters)).fetchall()
        return int(found or 0)

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The lines of a small result."""
        cursor = self.con.execute(query, list(parameters))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, line, strict=True)) for line in cursor.fetchall()]

    def stream(self, query: str) -> Iterator[tuple[Any, ...]]:
        """The lines of a large result, fetched as they are needed."""
        cursor = self.con.cursor().execute(query)
        while lines := cursor.fetchmany(10_000):
            yield from lines

    def counts(self, query: str, parameters: Sequence[Any] = ()) -> dict[str, int]:
        """Name -> number of a query with two columns, the most frequent first, then by name."""
        found = self.con.execute(query, list(parameters)).fetchall()
        return {name: int(count) for name, count in sorted(found, key=lambda item: (-item[1], item[0]))}

    def arrays(self, query: str, parameters: Sequence[Any] = ()) -> dict[str, np.ndarray]:
        """The columns of a result as arrays."""
        found = self.con.execute(query, list(parameters)).fetchnumpy()
        return {name: np.asarray(column) for name, column in found.items()}

    def batches(
        self, query: str, parameters: Sequence[Any] = (), *, size: int = 65_536
    ) -> Iterator[pa.RecordBatch]:
        """A large result in batches of `size` rows, in the query's order."""
        reader = self.con.sql(query, params=list(parameters)).to_arrow_reader(size)
        yield from reader

    def ranges(self, *, size: int = 65_536) -> list[str]:
        """Conditions on `ord` that cut the corpus into runs of about `size` records, in canonical order.

        A table that is written run by run needs a sort of a run, not of all wide lines.
        """
        runs: list[list[int]] = []  # first ord, ord behind the last, records
        for part, count in self.con.execute(
            "SELECT ord >> ?, count(*) FROM rows GROUP BY 1 ORDER BY 1", [ROW_BITS]
        ).fetchall():
            if runs and runs[-1][2] + count <= size:
                runs[-1][1:] = [first_ord(part + 1), runs[-1][2] + count]
            else:
                runs.append([first_ord(part), first_ord(part + 1), count])
        return [f"ord >= {start} AND ord < {stop}" for start, stop, _ in runs]

    def copy(self, query: str, path: Path, parameters: Sequence[Any] = ()) -> None:
        """Write a result of any size to a Parquet file, in the query's order."""
        self.con.execute(
            f"COPY ({query}) TO ? (FORMAT parquet, ROW_GROUP_SIZE 65536)", [*parameters, str(path)]
        )

    def insert(self, table: str, data: pa.Table) -> None:
        """Append rows, columns by name."""
        self.con.register("incoming", data)
        self.con.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")
        self.con.unregister("incoming")
