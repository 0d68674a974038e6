"""Recomputation changes what is kept, never a bit of a gradient; under ZeRO-3, on two ranks."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from plain_loop import Gradients, engine_gradients, job_in, work_of, write_root
from rank_helpers import run_ranks
from torch.utils._python_dispatch import TorchDispatchMode

from hunmin.errors import ConfigError
from hunmin.models.config import ModelConfig
from trainer.checkpoint.checkpoint import TrainState
from trainer.config import TrainConfig
from trainer.model import recompute
from trainer.objectives.sft import SFT

MODES = ("none", "selective", "all")
MODEL = ModelConfig.model_validate(
    {"from_scratch": {"hidden_size": 48, "num_layers": 3, "num_heads": 4, "vocab_size": 512}}
)


class Counted(TorchDispatchMode):
    """How often each operation ran."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def gradients_and_calls(root: Path, settings: dict[str, Any]) -> dict[str, tuple[Gradients, Counter[str]]]:
    from trainer import loop
    from trainer.engine.ranks import join_ranks

    found = {}
    for mode in MODES:
        job = job_in(root, model=MODEL, global_batch_size=4, activation_checkpointing=mode, **settings)
        gradients, _ = engine_gradients(job, 2)
        with join_ranks(timeout_s=60) as me:
            engine, _ = loop.set_up(job, me)
            with Counted() as counted:
                loop.update_weights(
                    engine,
                    work_of(job, me),
                    0.0,
                    objective=SFT,
                    state=TrainState(),
                    max_loss_rise=None,
                    me=me,
                )
        found[mode] = gradients, counted.calls
    return found


@pytest.mark.parametrize("settings", [{}, {"lora": {"rank": 4}}, {"precision": "bf16"}], ids=str)
def test_gradients_are_equal_to_the_bit(tmp_path: Path, settings: dict[str, Any]) -> None:
    root = write_root(tmp_path / "root", MODEL, num_packs=4)
    for found in run_ranks(gradients_and_calls, 2, root, settings):
        plain, _ = found["none"]
        for mode in MODES[1:]:
            assert all(torch.equal(found[mode][0][name], plain[name]) for name in plain), mode
        products = {mode: found[mode][1]["mm"] for mode in MODES}
        assert products["none"] == products["selective"] < products["all"], "no product is computed twice"
        norms = {mode: found[mode][1]["rsqrt"] for mode in MODES}
        assert norms["none"] < norms["selective"] == norms["all"]


def test_true_and_false_mean_what_they_did() -> None:
    told = {
        value: TrainConfig.model_validate({"activation_checkpointing": value}).recompute
        for value in (True, False, *MODES)
    }
    assert told == {True: "all", False: "none", **{mode: mode for mode in MODES}}


def test_a_model_that_cannot_recompute_is_refused() -> None:
    model: Any = type("Rigid", (), {"supports_gradient_checkpointing": False})()
    recompute.enable(model, "none")
    with pytest.raises(ConfigError, match="transformers cannot recompute Rigid"):
        recompute.enable(model, "selective")
