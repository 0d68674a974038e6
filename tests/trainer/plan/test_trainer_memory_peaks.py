"""The estimate's peaks against what real steps of the real engine hold, each switch on and off."""

from pathlib import Path
from typing import Any

import pytest
import torch
from measured_memory import PHASES, LiveBytes, config_of, measure
from memory_shapes import SHAPES
from rank_helpers import run_ranks
from torch import nn
from torch.profiler import ProfilerActivity, profile

from trainer.config import TrainConfig
from trainer.engine.ranks import dtype_of
from trainer.plan import memory

TOLERANCE = 0.1
EXACT = 0.03  # in the optimizer's step, where only states and their copies are left


def estimate(shape: dict[str, Any], measured: list[dict[str, Any]]) -> memory.Memory:
    """With the targets and squares of the largest micro-batch that was measured."""
    train = TrainConfig.model_validate(shape["train"])
    zero = train.zero.model_copy(update=dict.fromkeys(shape["offload"], True))
    tokens = shape["seq_len"] * train.packs_at_once / train.sequence_parallel_size
    return memory.estimate(
        config_of(shape),
        seq_len=shape["seq_len"],
        micro_batch_size=train.packs_at_once,
        world_size=shape["world_size"],
        dtype=dtype_of(train.precision, "cpu"),
        trained_share=max(one["targets"] for one in measured) / tokens,
        sum_of_squares=max(one["squares"] for one in measured),
        train=train.model_copy(update={"zero": zero}),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_peaks_are_what_the_engine_holds(name: str, tmp_path: Path) -> None:
    shape = SHAPES[name]
    measured = run_ranks(measure, shape["world_size"], tmp_path / "job", shape)
    loss, update, saving = (max(one["peaks"][phase] for one in measured) for phase in PHASES)
    guess = estimate(shape, measured)
    at_update = sum(getattr(guess, part) for part in (*memory.HELD, *memory.PHASES[-1]))
    assert guess.in_one == pytest.approx(max(loss, update), rel=TOLERANCE)
    assert guess.in_one + guess.saved_copies == pytest.approx(saving, rel=TOLERANCE)
    assert at_update == pytest.approx(update, rel=EXACT)


def test_the_measure_counts_what_the_allocator_gives() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(64, 256)

    def step() -> None:
        model = nn.Sequential(nn.Linear(256, 512), nn.GELU(), nn.Linear(512, 256))
        model(inputs).logsumexp(-1).sum().backward()

    with LiveBytes() as live:
        step()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        step()
    held = peak = 0
    kineto: Any = seen.profiler
    for event in kineto.kineto_results.events():
        held += event.nbytes() if event.name() == "[memory]" else 0
        peak = max(peak, held)
    assert live.peak == pytest.approx(peak, rel=0.02)
    assert live.held < 1000, "what the step made is gone"
