import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.stats.distinct_count import DistinctCount

HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=40).map(lambda values: np.array(values, np.uint64))


def seen(*groups: np.ndarray, size: int = 8) -> DistinctCount:
    sketch = DistinctCount(size=size)
    for group in groups:
        sketch.add(group)
    return sketch


@given(HASHES, HASHES)
def test_any_order_of_parts_gives_one_sketch(a: np.ndarray, b: np.ndarray) -> None:
    one, other, merged = seen(a, b), seen(b, a), seen(a)
    merged.merge(seen(b))
    assert one.smallest.tolist() == other.smallest.tolist() == merged.smallest.tolist()
    assert one.smallest.tolist() == sorted({*a.tolist(), *b.tolist()})[:8]


@given(HASHES)
def test_few_are_counted_exactly(values: np.ndarray) -> None:
    assert seen(values, values, size=41).estimate() == len(set(values.tolist()))


@given(HASHES)
def test_text_and_back(values: np.ndarray) -> None:
    back = DistinctCount.from_text(seen(values).to_text(), size=8)
    assert back.smallest.tolist() == seen(values).smallest.tolist()
    assert back.estimate() == seen(values).estimate()


def test_many_are_counted_within_four_standard_errors() -> None:
    values = np.random.default_rng(0).integers(0, 2**64, 300_000, np.uint64)
    sketch = DistinctCount()
    for part in np.split(values, 30):
        sketch.add(np.concatenate([part, part]))
    assert abs(sketch.estimate() / 300_000 - 1) < 4 / np.sqrt(4096)
