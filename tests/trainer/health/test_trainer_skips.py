import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from plain_loop import job_in, work_of, write_data
from rank_helpers import run_ranks

from hunmin.errors import GateError
from hunmin.models.config import ModelConfig
from trainer.checkpoint.checkpoint import TrainState
from trainer.engine.outcome import is_spike
from trainer.health.skips import MIN_STEPS, WINDOW, count_update, loss_ceiling
from trainer.objectives.sft import SFT

MODEL = ModelConfig.model_validate(
    {"from_scratch": {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "vocab_size": 512}}
)
count = partial(count_update, loss=2.0, is_spike=False, max_skipped=2)


def test_skipped_updates_are_capped() -> None:
    state = count(TrainState(), applied=True)
    for _ in range(2):
        state = count(state, applied=False)
    assert (state.step, state.num_updates) == (3, 1)
    assert count(state, applied=True).num_skipped_in_a_row == 0
    with pytest.raises(GateError, match=r"step 4: 3 updates in a row .* the gradient is not finite"):
        count(state, applied=False)


def test_a_spike_is_told_by_the_median_of_recent_losses() -> None:
    recent = [1.0, 9.0] + [2.0] * MIN_STEPS
    ceiling = loss_ceiling(recent, max_rise=4.0)
    assert ceiling == 6
    assert loss_ceiling(recent[: MIN_STEPS - 1], max_rise=4.0) == math.inf, "too early to say"
    assert loss_ceiling(recent, max_rise=None) == math.inf
    losses = torch.tensor([5.9, 6.1, math.nan, math.inf], dtype=torch.float64)
    assert is_spike(losses, ceiling).tolist() == [False, True, False, False], "the gradient tells the others"
    assert not is_spike(losses, math.inf).any()


def test_losses_of_skipped_updates_are_not_ordinary() -> None:
    state = TrainState(recent_losses=[1.0] * WINDOW)
    assert count(state, loss=3.0, applied=True).recent_losses == (*[1.0] * (WINDOW - 1), 3.0)
    skipped = count_update(state, loss=9.0, applied=False, is_spike=True, max_skipped=2)
    assert skipped.recent_losses == (1.0,) * WINDOW


def spiking_step(root: Path) -> dict[str, Any]:
    """A step that would be a spike after others at zero loss, then the same one as an ordinary step."""
    from trainer import loop
    from trainer.engine.ranks import join_ranks

    job = job_in(root, model=MODEL, global_batch_size=4)
    with join_ranks(timeout_s=60) as me:
        engine, _ = loop.set_up(job, me)
        before = {(kind, name): values.clone() for kind, name, _, values in engine.slices()}
        calm = TrainState(recent_losses=[0.0] * WINDOW)
        spike = loop.update_weights(
            engine, work_of(job, me), 1e-3, objective=SFT, state=calm, max_loss_rise=4.0, me=me
        )
        kept = all(torch.equal(before[kind, name], values) for kind, name, _, values in engine.slices())
        after = loop.update_weights(
            engine, work_of(job, me), 1e-3, objective=SFT, state=calm, max_loss_rise=None, me=me
        )
        return {"spike": spike, "kept": kept, "after": after}


def test_all_ranks_skip_a_spike_and_go_on(tmp_path: Path) -> None:
    write_data(tmp_path)
    found = run_ranks(spiking_step, 2, tmp_path)
    for one in found:
        assert one["spike"].is_spike
        assert not one["spike"].applied
        assert one["kept"], "weights and moments stay"
        assert one["after"].applied
        assert math.isfinite(one["after"].grad_norm), "nothing of the skipped gradient is left"
    assert found[0]["spike"].loss == found[1]["spike"].loss > 4.0
