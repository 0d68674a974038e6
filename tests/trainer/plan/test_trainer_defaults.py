"""What a machine chooses by memory, what it warns of, and what it refuses with what would fit."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rank_helpers import run_ranks
from transformers import LlamaConfig

from hunmin.errors import GateError
from hunmin.section import content_of
from tools.gpu_check.check_job import SMALL, make_job
from trainer.batches.packs import PackFolder
from trainer.config import TrainConfig
from trainer.engine.ranks import Rank
from trainer.job import Job
from trainer.plan.defaults import (
    GIB,
    HEADROOM,
    MICRO_BATCH_TOKENS,
    Room,
    Training,
    choose,
    chosen,
    least_room,
    room_of,
    warnings,
)
from trainer.plan.remedies import misfit, require_fit

MODEL_8B = LlamaConfig(
    vocab_size=128_256,
    hidden_size=4096,
    intermediate_size=14_336,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=8,
)
H200 = Room(139 * GIB, 1024 * GIB)


def training(**changes: Any) -> Training:
    told: dict[str, Any] = {
        "model": MODEL_8B,
        "seq_len": 2048,
        "world_size": 8,
        "device_type": "cuda",
        "keeps_scores": False,
    }
    return Training(**told | changes)


def train(**keys: Any) -> TrainConfig:
    return TrainConfig.model_validate({"global_batch_size": 128} | keys)


def peak(config: TrainConfig, where: Training) -> int:
    return where.memory(config).peak


def test_a_gpu_takes_a_full_micro_batch_where_it_fits() -> None:
    found = choose(train(), training(), H200)
    assert found.packs_at_once * 2048 == MICRO_BATCH_TOKENS
    assert peak(found, training()) <= HEADROOM * 139 * GIB


@pytest.mark.parametrize(("gib", "recompute"), [(139, "none"), (50, "selective"), (35, "all")])
def test_less_memory_means_recomputation_before_tiny_micro_batches(gib: int, recompute: str) -> None:
    found = choose(train(), training(), Room(gib * GIB, 1024 * GIB))
    assert found.recompute == recompute
    assert found.packs_at_once * 2048 >= MICRO_BATCH_TOKENS / 2
    assert peak(found, training()) <= HEADROOM * gib * GIB


def test_where_nothing_fits_the_least_is_chosen_and_refused() -> None:
    tiny = Room(GIB, GIB)
    found = choose(train(), training(), tiny)
    assert (found.packs_at_once, found.recompute) == (1, "all")
    with pytest.raises(GateError, match="needs"):
        require_fit(found, training(), tiny)


def test_what_is_set_stays() -> None:
    found = choose(train(micro_batch_size=3, activation_checkpointing=True), training(), H200)
    assert (found.packs_at_once, found.recompute) == (3, "all")
    assert chosen(train(micro_batch_size=3), found) == {"activation_checkpointing": "all"}


def test_a_cpu_and_an_unknown_gpu_choose_one_pack() -> None:
    for where, room in ((training(device_type="cpu"), Room(10**15)), (training(), Room(None))):
        found = choose(train(), where, room)
        assert (found.packs_at_once, found.recompute) == (1, "none")


def test_micro_batches_of_a_step_are_of_like_size() -> None:
    found = choose(train(global_batch_size=40), training(), H200)  # 5 packs a rank, 4 would fit
    assert found.packs_at_once == 3, "2 micro-batches of 3 and 2, not of 4 and 1"


@pytest.mark.parametrize("value", [None, False])
def test_a_choice_leaves_the_content_as_it_was(value: bool | None) -> None:
    content = content_of(train(activation_checkpointing=value))
    assert content["micro_batch_size"] == 1
    assert content["activation_checkpointing"] is False
    assert content_of(train(activation_checkpointing=True))["activation_checkpointing"] is True


def test_a_refusal_names_what_would_fit_in_order() -> None:
    config = train(micro_batch_size=8, activation_checkpointing=False)
    where, room = training(), Room(100 * GIB, 1024 * GIB)
    said = misfit(config, where, room)
    assert said is not None
    assert said.startswith(f"a rank needs {peak(config, where) / GIB:.1f} GiB of its GPU")
    assert "which has 100.0 GiB" in said
    order = ["train.micro_batch_size=", "train.activation_checkpointing=all", "train.sequence_parallel_size="]
    places = [said.index(key) for key in order]
    assert places == sorted(places)


def test_the_number_of_ranks_is_the_smallest_that_fits() -> None:
    config = train(micro_batch_size=1, activation_checkpointing=True)
    where, room = training(world_size=1), Room(40 * GIB, GIB)
    said = misfit(config, where, room)
    assert said is not None
    ranks = int(said.split("cluster.num_workers=")[1].split()[0])
    fits = [room.fits(training(world_size=n).memory(config), device_type="cuda") for n in (ranks - 1, ranks)]
    assert fits == [False, True]
    assert "offload" not in said, "the host has no room for it"


def test_offload_is_named_where_the_host_has_room() -> None:
    config = train(micro_batch_size=1, activation_checkpointing=True)
    said = misfit(config, training(world_size=1), Room(40 * GIB, 500 * GIB))
    assert said is not None
    assert "train.zero.offload_optimizer=true" in said


def test_changes_that_only_fit_together_are_named_together() -> None:
    config = train(micro_batch_size=16, max_logits_mb=16384)
    alone = [peak(config.model_copy(update=one), training()) for one in ({"micro_batch_size": 1},)]
    room = Room(min(alone) - GIB, GIB)
    said = misfit(config, training(world_size=8), room)
    assert said is not None
    assert "train.activation_checkpointing=all" in said


def test_a_cpu_is_asked_for_one_memory_and_without_offload() -> None:
    where = training(device_type="cpu", world_size=1)
    config = train(zero={"offload_optimizer": True})
    need = where.memory(config)
    assert need.in_host == ()
    assert misfit(config, where, Room(need.in_one)) is None
    said = misfit(config, where, Room(need.in_one - 1))
    assert said is not None
    assert "offload" not in said
    assert "num_workers" not in said


def test_a_refusal_can_be_switched_off(capfd: pytest.CaptureFixture[str]) -> None:
    require_fit(train(must_fit=False), training(), Room(GIB, GIB))
    told = capfd.readouterr()
    assert "It goes on" in told.out + told.err


def test_memory_that_is_told_goes_before_the_machines() -> None:
    cpu = torch.device("cpu")
    assert room_of(train(memory_gb=2), device=cpu, neighbours=4) == Room(2 * GIB)
    assert room_of(train(), device=None, neighbours=4) == Room(None)
    one, four = (room_of(train(), device=cpu, neighbours=n).device for n in (1, 4))
    assert one is not None
    assert four == one // 4


def test_ranks_agree_on_the_least_room() -> None:
    class Ranks(Rank):
        def gather(self, values):  # type: ignore[no-untyped-def]
            return np.array([list(values), [7.0, math.inf]])

    me = Ranks(0, 2, torch.device("cpu"), num_threads=1)
    assert least_room(Room(9, None), me) == Room(7, None)


def test_idle_ranks_are_told_with_a_size_that_fills_them() -> None:
    (said,) = warnings(train(global_batch_size=16, micro_batch_size=2), training(world_size=12))
    assert "33% of their work is on empty packs" in said
    assert "a train.global_batch_size of 24" in said
    assert not warnings(train(global_batch_size=24, micro_batch_size=2), training(world_size=12))
    (said,) = warnings(train(global_batch_size=24), training(world_size=12), num_packs=3)
    assert "get 3: 75%" in said


def test_a_micro_batch_too_small_for_zeros_traffic_is_told() -> None:
    small = train(global_batch_size=128, micro_batch_size=1)
    (said,) = warnings(small, training(seq_len=512))
    assert "512 tokens" in said
    assert "16 times a step" in said
    assert "(up to 16)" in said
    assert not warnings(small, training(seq_len=512, device_type="cpu"))


def on_ranks(root: Path) -> dict[str, Any]:
    """What a rank refuses, and what it goes on with where that is switched off. On a CPU."""
    from trainer import loop
    from trainer.engine.ranks import join_ranks

    with join_ranks(timeout_s=60) as me:
        if me.is_first:
            make_job(root, sizes=SMALL, seq_len=64, global_batch_size=2)
        me.barrier()
        job = make_job(root, sizes=SMALL, seq_len=64, global_batch_size=2)
        base, packs = loop.prepare_base(job, me), PackFolder(job.data_dir / "train")

        def fitted(**keys: Any) -> tuple[Job, Rank]:
            config = TrainConfig.model_validate(job.config.model_dump() | keys)
            return loop.fit_to_machine(replace(job, config=config), me, base=base, packs=packs)

        with pytest.raises(GateError) as refusal:
            fitted(memory_gb=1e-3)
        goes_on, rank = fitted(memory_gb=1e-3, must_fit=False)
        return {
            "refusal": str(refusal.value),
            "size": goes_on.config.micro_batch_size,
            "recorded": rank.description,
            "neighbours": me.neighbours,
        }


def test_ranks_refuse_before_they_build_the_model_and_record_what_was_chosen(tmp_path: Path) -> None:
    for found in run_ranks(on_ranks, 2, tmp_path):
        assert found["refusal"].startswith("a rank needs ")
        assert "has 1.0 MiB" in found["refusal"]
        assert found["size"] == 1
        assert found["recorded"]["micro_batch_size"] == 1
        assert found["recorded"]["activation_checkpointing"] == "none"
        assert found["neighbours"] == 2
