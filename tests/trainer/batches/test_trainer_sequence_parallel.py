"""Two ranks that share the tokens of a pack compute what one computes: losses, gradients, targets."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from plain_loop import (
    engine_gradients,
    gradients_of,
    job_in,
    packs_of,
    plain_loss,
    plain_model,
    relative_error,
    rows_of,
    write_root,
)
from rank_helpers import run_ranks

from hunmin.errors import ConfigError
from hunmin.models.config import ModelConfig
from hunmin.schema import IGNORE_INDEX
from trainer.batches.packs import Pack, join
from trainer.batches.sequence_parallel import own_targets, padded, shard
from trainer.batches.targets import next_token_targets
from trainer.metrics import metrics_log

SEQ_LEN = 8192
MODEL = ModelConfig.model_validate(
    {"from_scratch": {"hidden_size": 32, "num_layers": 2, "num_heads": 4, "vocab_size": 512}}
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packs of 8,192 tokens, a segment of up to 4,096 among them."""
    return write_root(tmp_path_factory.mktemp("sequence"), MODEL, num_packs=2, seq_len=SEQ_LEN)


def shared_gradients(root: Path) -> Any:
    job = job_in(root, model=MODEL, global_batch_size=1, sequence_parallel_size=2)
    return engine_gradients(job, 1)


@pytest.mark.slow
def test_a_pack_of_8192_tokens_over_two_ranks_is_one_rank_s(root: Path) -> None:
    rows = rows_of(packs_of(root, 0, global_batch_size=1))
    assert sum(len(row.ids) for row in rows) > SEQ_LEN - 8
    assert max(len(row.ids) for row in rows) > 1000
    exact, plain = (plain_model(root / "train/base", dtype) for dtype in (torch.float64, torch.float32))
    exact_loss = plain_loss(exact, rows)
    plain_loss(plain, rows)
    own_error = relative_error(gradients_of(plain), gradients_of(exact))
    found, loss = run_ranks(shared_gradients, 2, root)[0]
    error = relative_error(found, gradients_of(exact))
    print(f"two ranks share a pack: {error:.2e}; plain fp32 {own_error:.2e}")
    assert error <= 2 * own_error
    assert abs(loss / exact_loss - 1) <= 1e-6


def whole_run(root: Path, sequence_parallel_size: int) -> None:
    from trainer.loop import train

    settings = {"global_batch_size": 2, "num_steps": 2, "val_interval": 1, "learning_rate": 1e-3}
    train(job_in(root, model=MODEL, sequence_parallel_size=sequence_parallel_size, num_samples=1, **settings))


def test_a_run_of_four_ranks_in_two_groups_is_that_of_two_ranks(tmp_path: Path) -> None:
    from rank_helpers import make_data

    make_data(tmp_path / "a/data")
    make_data(tmp_path / "b/data")
    run_ranks(whole_run, 2, tmp_path / "a", 1)
    run_ranks(whole_run, 4, tmp_path / "b", 2)
    a, b = (metrics_log.read_lines(tmp_path / name / "train/metrics.jsonl") for name in "ab")
    for one, other in zip(a, b, strict=True):
        assert one["kind"] == other["kind"]
        if one["kind"] == "samples":
            assert one == other
            continue
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-5)
        assert other["num_valid_tokens"] == one["num_valid_tokens"]


def too_many(root: Path, sequence_parallel_size: int) -> str:
    from trainer import loop
    from trainer.engine.ranks import join_ranks

    job = job_in(root, model=MODEL, sequence_parallel_size=sequence_parallel_size)
    try:
        with join_ranks(timeout_s=60, sequence_parallel_size=sequence_parallel_size) as me:
            loop.set_up(job, me)
    except ConfigError as error:
        return str(error)
    return "accepted"


def test_sizes_that_do_not_divide_are_one_line(root: Path) -> None:
    assert "does not divide 2 ranks" in run_ranks(too_many, 2, root, 3)[0]


segments = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=6)


@given(segments, st.integers(1, 4))
def test_slices_hold_every_target_once(lengths: list[tuple[int, int]], size: int) -> None:
    labels = np.concatenate(
        [np.r_[np.full(max(0, n - k), IGNORE_INDEX), np.arange(min(n, k))] for n, k in lengths]
    ).astype(np.int32)
    count = np.array([n for n, _ in lengths], np.int32)
    ids, tasks = np.arange(len(labels), dtype=np.int32), np.zeros(len(count), np.int32)
    batch = join([Pack(ids, labels, count, tasks, np.arange(len(count)), np.ones(len(count)))])
    whole = padded(batch, size)
    assert len(whole.weights) == len(whole.tasks)
    positions, targets = next_token_targets(batch.labels, batch.cu_seqlens)
    assert len(whole.input_ids) % size == 0
    parts = [shard(batch, index=index, size=size) for index in range(size)]
    assert torch.equal(torch.cat([part.input_ids for part in parts]), whole.input_ids)
    width = len(whole.input_ids) // size
    found = [own_targets(whole.labels, whole.cu_seqlens, index=index, size=size) for index in range(size)]
    assert torch.equal(torch.cat([part[0] for part in found]), torch.arange(len(targets)))
    assert torch.equal(torch.cat([part[1] + index * width for index, part in enumerate(found)]), positions)
    assert torch.equal(torch.cat([part[2] for part in found]), targets)
