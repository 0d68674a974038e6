"""Every trained token has a source: random tokens of real packs, re-tokenized from their source files."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest

from data_pipeline.build.context import BuildContext
from data_pipeline.tasks.tasks import load_tasks
from hunmin.section import resolve_path
from hunmin.shards import read_shards
from launcher.config import load
from launcher.inspect.origin import origin_of
from launcher.inspect.rebuild import rebuild_segments
from launcher.inspect.trace_token import require_same_ids

NUM_TOKENS = 10_000
SEED = 20_240


class Packed(NamedTuple):
    """A segment as it was packed."""

    ids: list[int]
    labels: list[int]


def segments(folder: Path) -> Iterator[tuple[int, list[int], list[int]]]:
    """(row, ids, labels) of every segment of a split."""
    for shard in read_shards(folder):
        for batch in shard.to_batches():
            for pack in batch.to_pylist():
                start = 0
                for row, length in zip(pack["rows"], pack["seq_lengths"], strict=True):
                    span = slice(start, start + length)
                    yield row, pack["input_ids"][span], pack["labels"][span]
                    start += length


def drawn_tokens(data: Path) -> tuple[dict[int, Packed], dict[int, list[int]]]:
    """Packed segments by row, and NUM_TOKENS positions drawn evenly from all tokens, by row."""
    packed = {
        row: Packed(ids, labels) for split in ("train", "val") for row, ids, labels in segments(data / split)
    }
    rows = sorted(packed)
    ends = np.cumsum([len(packed[row].ids) for row in rows])
    chosen: dict[int, list[int]] = {}
    for token in sorted(random.Random(SEED).sample(range(int(ends[-1])), NUM_TOKENS)):
        at = int(np.searchsorted(ends, token, side="right"))
        first = int(ends[at]) - len(packed[rows[at]].ids)
        chosen.setdefault(rows[at], []).append(token - first)
    return packed, chosen


@pytest.mark.slow
def test_random_tokens_come_from_their_source(real_run: Path) -> None:
    config, base = load(real_run / "config.yaml", [])
    tasks = load_tasks(resolve_path(config.data.tasks, base) if config.data.tasks else None)
    build = BuildContext(config.data, tasks, config.seed, base, real_run / "data")
    packed, chosen = drawn_tokens(real_run / "data")
    lines = pq.read_table(real_run / "data" / "rows.parquet").to_pylist()
    checked = 0
    parts: dict[str, int] = {}
    for rebuilt in rebuild_segments(build, [lines[row] for row in chosen]):
        row = rebuilt.line["row"]
        require_same_ids(rebuilt, packed[row].ids, packed[row].labels)
        for token in chosen[row]:
            assert rebuilt.input_ids[token] == packed[row].ids[token]
            origin = origin_of(build, rebuilt, token)
            assert 0 <= origin.start <= origin.end <= len(origin.text)
            parts[origin.part] = parts.get(origin.part, 0) + 1
            checked += 1
    assert checked == NUM_TOKENS
    assert {"template", "input", "answer", "wording", "example", "role", "message"} <= set(parts), parts
