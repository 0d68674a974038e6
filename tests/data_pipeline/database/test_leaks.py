"""Containment of many pairs at once, against sets; the gate's rules: tests/data_pipeline/dedup."""

import numpy as np
import pyarrow as pa

from data_pipeline.database.leaks import found_halves

LISTS = pa.list_(pa.uint64())


def found(train: list[list[int]], heldout: list[list[int]], asked: list[int]) -> list[list[int]]:
    return found_halves(
        pa.array(train, LISTS), pa.array(heldout, LISTS), pa.array(asked, pa.int32())
    ).to_pylist()


def test_halves_are_found_as_sets_are_intersected() -> None:
    draw = np.random.default_rng(0)
    vocabulary = draw.integers(0, 1 << 63, 400, dtype=np.uint64)
    train, heldout, asked, expected = [], [], [], []
    for _ in range(2_048):  # a whole vector of DuckDB
        there, wanted = (
            draw.choice(vocabulary, draw.integers(0, 40), replace=False).tolist() for _ in range(2)
        )
        half = int(draw.integers(0, len(wanted) + 1))
        train.append(sorted(there))
        heldout.append([*sorted(wanted[:half]), *sorted(wanted[half:])])
        asked.append(half)
        expected.append([len({*there} & {*wanted[:half]}), len({*there} & {*wanted[half:]})])
    assert found(train, heldout, asked) == expected
    assert sum(map(sum, expected)) > 1_000


def test_a_shingle_is_found_in_its_own_pair_alone() -> None:
    largest = (1 << 63) - 1
    assert found([[7 << 40, largest], []], [[largest], [7 << 40]], [0, 1]) == [[0, 1], [0, 0]]
    assert found([[], []], [[5 << 30], []], [1, 0]) == [[0, 0], [0, 0]]
