"""While the base comes from the hub, no rank is taken for hanging, neither who loads nor who waits for it."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rank_helpers import run_ranks

from hunmin.progress import Heartbeat
from trainer import loop
from trainer.engine.ranks import join_ranks


def prepare() -> tuple[Path, int]:
    """Rank 0 sees files grow for two seconds; rank 1 has the folder at once. Beats that each rank hears."""
    beats: list[float] = []
    job: Any = SimpleNamespace(
        data_dir=Path("data"),
        out_dir=Path("train"),
        model=SimpleNamespace(from_scratch=None, remakes_vocabulary=False),
    )
    with join_ranks(timeout_s=60) as me, pytest.MonkeyPatch.context() as patch:

        def base_folder(job: Any, *, alive: Heartbeat) -> Path:
            for _ in range(20 if me.is_first else 0):
                time.sleep(0.1)
                alive()
            return Path("base")

        patch.setattr(loop, "base_folder", base_folder)
        patch.setattr(loop, "check_vocab", lambda folder, tokenizer_dir: None)
        folder = loop.prepare_base(job, me, alive=lambda: beats.append(time.monotonic()))
    return folder, len(beats)


def test_every_rank_hears_that_the_base_comes() -> None:
    (first, beats), (second, waited) = run_ranks(prepare, 2)
    assert (first, second) == (Path("base"), Path("base"))
    assert min(beats, waited) >= 3, "of a second each, and of the ends"
