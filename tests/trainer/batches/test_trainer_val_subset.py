"""Validation costs at most its share: how many packs that pays for, and which."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rank_helpers import make_packs, write_split

from hunmin.section import content_of
from trainer.batches.packs import PackFolder, Segments
from trainer.batches.val_subset import affordable_packs, choose_packs, main_tasks, val_subset
from trainer.config import TrainConfig


def config(**settings: Any) -> TrainConfig:
    return TrainConfig.model_validate(settings)


def segments_of(packs: list[dict[int, int]]) -> Segments:
    """Packs as {task: tokens}."""
    rows = [(pack, task, tokens) for pack, held in enumerate(packs) for task, tokens in held.items()]
    of_pack, tasks, tokens = np.array(rows).T
    return Segments(of_pack.astype(np.int64), tasks.astype(np.int32), tokens.astype(np.int32))


def test_what_a_share_pays_for() -> None:
    """1,000 steps of 16 packs cost 48,000 forwards; 5 % are 2,400, shared by 20 validations."""
    run: dict[str, Any] = {"epoch_sizes": (16_000,), "num_steps": 1000}
    assert affordable_packs(config(), **run) == 120
    assert affordable_packs(config(val_interval=1000), **run) == 2400
    assert affordable_packs(config(val_share=0.1), **run) == 240
    assert affordable_packs(config(lora={}), **run) == 80, (
        "with adapters a training costs two forwards a pack"
    )
    assert affordable_packs(config(), epoch_sizes=(8,), num_steps=1) == 1, "8 packs, however large the batch"
    assert affordable_packs(config(), epoch_sizes=(40, 40), num_steps=8) == int(0.15 * 128), (
        "3 of 5 steps more"
    )


packs_of_tasks = st.lists(
    st.dictionaries(st.integers(0, 4), st.integers(1, 50), min_size=1, max_size=3), min_size=1, max_size=60
)


@given(packs_of_tasks, st.integers(0, 60), st.integers(0, 2**31))
def test_a_subset_has_its_size_and_every_task(packs: list[dict[int, int]], count: int, seed: int) -> None:
    segments = segments_of(packs)
    chosen = choose_packs(segments, num_packs=len(packs), count=min(count, len(packs)), seed=seed)
    assert sorted(set(chosen.tolist())) == chosen.tolist()
    assert {task for pack in chosen for task in packs[pack]} == {task for held in packs for task in held}
    num_tasks = len({task for held in packs for task in held})
    assert min(count, len(packs)) <= len(chosen) <= max(min(count, len(packs)), num_tasks)
    again = choose_packs(segments, num_packs=len(packs), count=min(count, len(packs)), seed=seed)
    assert again.tolist() == chosen.tolist()


@given(packs_of_tasks)
def test_the_main_task_has_most_tokens(packs: list[dict[int, int]]) -> None:
    wanted = [min(held, key=lambda task: (-held[task], task)) for held in packs]
    assert main_tasks(segments_of(packs), num_packs=len(packs)).tolist() == wanted


def test_tasks_keep_their_shares_and_the_seed_draws() -> None:
    packs = [{0: 9, 1: 1}] * 600 + [{1: 9, 2: 1}] * 300 + [{2: 9}] * 99 + [{3: 9}]
    chosen = choose_packs(segments_of(packs), num_packs=1000, count=100, seed=0)
    main = main_tasks(segments_of(packs), num_packs=1000)[chosen]
    for task, share in enumerate((60, 30, 10, 1)):
        assert abs(int((main == task).sum()) - share) <= 2
    other = choose_packs(segments_of(packs), num_packs=1000, count=100, seed=1)
    assert len(np.intersect1d(chosen, other)) < 40, "by chance about ten are the same"


def test_a_validation_below_the_share_asks_all(tmp_path: Path) -> None:
    tables: list[pa.Table] = [make_packs(10, seq_len=32, seed=0)]
    write_split(tmp_path / "val", tables, split="val", seq_len=32)
    packs = PackFolder(tmp_path / "val")

    def asked(**settings: Any) -> int:
        run = config(global_batch_size=10, val_interval=10, **settings)
        return len(val_subset(packs, run, epoch_sizes=(1000,), num_steps=100, seed=0))

    assert asked() == 10
    assert asked(val_share=0.02) == 6
    assert asked(val_share=1e-4) == 1, "one pack has both tasks, or it would be two"
    assert asked(val_share=None) == 10


def test_the_default_leaves_the_hashes_of_earlier_runs(tmp_path: Path) -> None:
    assert "val_share" not in content_of(config())
    assert content_of(config(val_share=None))["val_share"] is None
    with pytest.raises(ValueError, match="val_share"):
        config(val_share=0)
