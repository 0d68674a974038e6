import datasets
import pyarrow as pa
import pytest

from hunmin.errors import ArtifactError
from hunmin.schema import IGNORE_INDEX, PACKS, WEIGHTED_PACKS, PackMetadata
from hunmin.shards import read_shard, read_shards, shard_metadata, write_shard

METADATA = PackMetadata(
    schema_version=1,
    split="train",
    epoch=0,
    seq_len=8,
    tasks=["번역", "chat"],
    tokenizer_sha256="a",
    template_sha256="b",
)
X = IGNORE_INDEX
GOOD = {
    "input_ids": [[1, 2, 3, 4, 5], [6, 7, 8]],
    "labels": [[X, 2, X, X, 5], [X, X, 8]],
    "seq_lengths": [[2, 3], [3]],
    "rows": [[10, 11], [12]],
    "tasks": [[0, 1], [1]],
}


def table(**changes: list) -> pa.Table:
    return pa.Table.from_pydict(GOOD | changes, schema=WEIGHTED_PACKS if "weights" in changes else PACKS)


def test_what_is_written_is_read_and_opens_in_datasets(tmp_path) -> None:
    path = tmp_path / "shard-00000.arrow"
    write_shard(path, table(), METADATA)
    (read,) = read_shards(tmp_path)
    assert read.to_pydict() == GOOD
    assert shard_metadata(read) == METADATA
    assert datasets.Dataset.from_file(str(path))[0]["input_ids"] == [1, 2, 3, 4, 5]
    assert [p.name for p in tmp_path.iterdir()] == ["shard-00000.arrow"]


def test_weights_are_a_column_where_there_are_some(tmp_path) -> None:
    path = tmp_path / "shard-00000.arrow"
    write_shard(path, table(weights=[[0.5, 2.0], [1.0]]), METADATA)
    assert read_shard(path).to_pydict() == GOOD | {"weights": [[0.5, 2.0], [1.0]]}
    assert datasets.Dataset.from_file(str(path))[0]["weights"] == [0.5, 2.0]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"weights": [[1.0], [1.0]]}, "pack 0: weights do not match"),
        ({"weights": [[1.0, 2.0], [0.0]]}, "pack 1: a weight that is not positive"),
        ({"weights": [[1.0, float("nan")], [1.0]]}, "pack 0: a weight that is not positive and finite"),
        ({"weights": [[1.0, 2.0], [float("inf")]]}, "pack 1: a weight that is not positive and finite"),
        ({"labels": [[X, 2, X, X], [X, X, 8]]}, "differ in length"),
        ({"seq_lengths": [[2, 2], [3]]}, "do not sum"),
        ({"seq_lengths": [[5, 0], [3]]}, "an empty segment"),
        ({"rows": [[10], [12]]}, "do not match"),
        ({"tasks": [[0, 1], [2]]}, "pack 1: an unknown task"),
        ({"labels": [[X, 3, X, X, 5], [X, X, 8]]}, "pack 0: a label differs"),
        ({"labels": [[X, 2, 3, X, 5], [X, X, 8]]}, "first token of a segment"),
        (
            {
                "input_ids": [[1] * 9, [6, 7, 8]],
                "labels": [[X] * 9, [X, X, 8]],
                "seq_lengths": [[4, 5], [3]],
            },
            "not between 1 and 8",
        ),
    ],
)
def test_each_invariant_is_checked_before_writing(tmp_path, changes: dict, rule: str) -> None:
    with pytest.raises(ArtifactError, match=rule):
        write_shard(tmp_path / "shard-00000.arrow", table(**changes), METADATA)
    assert list(tmp_path.iterdir()) == []


def test_a_cut_file_is_no_shard(tmp_path) -> None:
    path = tmp_path / "shard-00000.arrow"
    write_shard(path, table(), METADATA)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ArtifactError, match="rebuild with"):
        read_shard(path)
