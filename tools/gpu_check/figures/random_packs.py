"""Packs of random ids whose rows are as long as those of a real corpus, packed as the data stage packs.

rows.txt: 256 rows, evenly by length, of the 4,535 of a public corpus (GPTeacher's code instructions, MIT) in
ChatML by SmolLM2's tokenizer: tokens, and how many of them, the last ones, are trained; mean 132 and 85.
Another corpus: the ledger of its data stage, `data/rows.parquet`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_pipeline.packing.best_fit import assign_packs
from hunmin.errors import InputError
from hunmin.schema import IGNORE_INDEX, PACKS
from hunmin.shards import shard_name, write_shard

SHIPPED = Path(__file__).with_name("rows.txt")
COLUMNS = ("num_tokens", "num_trained_tokens")


def read_rows(path: Path) -> np.ndarray:
    """Tokens and trained tokens of each row, int64 (rows, 2), of lines or of a ledger.

    Raises:
        InputError: the file has no such rows.
    """
    try:
        if path.suffix == ".parquet":
            table = pq.read_table(path, columns=list(COLUMNS))
            rows = np.stack([table.column(name).to_numpy() for name in COLUMNS], axis=1)
        else:
            lines = path.read_text(encoding="utf-8").splitlines()
            rows = np.array([line.split() for line in lines], np.int64)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path}: {error}; needs lines of two numbers, or a ledger data/rows.parquet"
        ) from error
    if rows.ndim != 2 or rows.shape[1] != 2 or not (rows[:, 0] > rows[:, 1]).all():
        raise InputError(f"{path}: needs rows of two numbers, tokens and fewer trained ones")
    return rows.astype(np.int64)


def write_packs(
    folder: Path, rows: np.ndarray, *, num_packs: int, seq_len: int, vocab_size: int, seed: int = 0
) -> None:
    """At least `num_packs` packs as a split's shard; rows are drawn with replacement, longer ones cut."""
    rng = np.random.default_rng(seed)
    tokens = np.minimum(rows[:, 0], seq_len)
    trained = np.minimum(rows[:, 1], tokens - 1)
    drawn = rng.integers(len(rows), size=int(1.1 * num_packs * seq_len / tokens.mean()) + 1)
    packing = assign_packs(tokens[drawn], seq_len=seq_len)
    packs = [
        _pack(tokens[drawn[mine]], trained[drawn[mine]], rng=rng, vocab_size=vocab_size)
        for mine in (np.flatnonzero(packing.pack == index) for index in range(packing.num_packs))
    ]
    metadata: Any = {
        "schema_version": 1,
        "split": "train",
        "epoch": 0,
        "seq_len": seq_len,
        "tasks": ["random"],
        "tokenizer_sha256": "none",
        "template_sha256": "none",
    }
    folder.mkdir(parents=True)
    write_shard(folder / shard_name(0), pa.Table.from_pylist(packs, schema=PACKS), metadata)


def _pack(
    tokens: np.ndarray, trained: np.ndarray, *, rng: np.random.Generator, vocab_size: int
) -> dict[str, Any]:
    ids = rng.integers(vocab_size, size=int(tokens.sum()))
    to_end = np.repeat(tokens.cumsum(), tokens) - np.arange(len(ids))  # 1 at the last token of a row
    return {
        "input_ids": ids.tolist(),
        "labels": np.where(to_end <= np.repeat(trained, tokens), ids, IGNORE_INDEX).tolist(),
        "seq_lengths": tokens.tolist(),
        "rows": list(range(len(tokens))),
        "tasks": [0] * len(tokens),
    }
