"""The objectives: what they minimise is what their paper says, on tokens small enough to do by hand."""

from pathlib import Path

import pytest
import torch

from hunmin.models.config import ModelConfig
from trainer.config import TrainConfig, stage_inputs
from trainer.objectives import Scored, make_objective

CONFIG = TrainConfig.model_validate({})


def test_sft_is_the_weighted_cross_entropy_and_so_is_its_gradient(tmp_path: Path) -> None:
    torch.manual_seed(0)
    logits_NV = torch.randn(7, 11, requires_grad=True)
    targets_N = torch.randint(11, (7,))
    weights_N = torch.rand(7, dtype=torch.float64)
    none = torch.zeros(7, dtype=torch.int64)
    log_probs_N = -torch.nn.functional.cross_entropy(logits_NV, targets_N, reduction="none")
    part = make_objective(CONFIG, data_dir=tmp_path).minimise(Scored(log_probs_N, weights_N, none, none))
    (ours,) = torch.autograd.grad(part.loss, logits_NV)

    exact_NV = logits_NV.detach().double().requires_grad_()
    exact = torch.nn.functional.cross_entropy(exact_NV, targets_N, reduction="none") @ weights_N
    (wanted,) = torch.autograd.grad(exact, exact_NV)
    assert part.value == pytest.approx(float(exact), rel=1e-6)
    assert float((ours - wanted).norm() / wanted.norm()) < 3e-7
    assert part.logged == ()


def test_a_micro_batch_without_a_target_adds_nothing(tmp_path: Path) -> None:
    empty = torch.zeros(0, requires_grad=True)
    ids = torch.zeros(0, dtype=torch.int64)
    part = make_objective(CONFIG, data_dir=tmp_path).minimise(
        Scored(empty, torch.zeros(0).double(), ids, ids)
    )
    assert part.value == 0
    part.loss.backward()  # collective in training: every rank needs a graph


def test_a_field_that_came_later_does_not_make_old_trainings_run_again(tmp_path: Path) -> None:
    model = ModelConfig.model_validate({"from_scratch": {}})

    def config_sha256(**values: object) -> str:
        config = TrainConfig.model_validate(values)
        return stage_inputs(config, model=model, seed=0, base=tmp_path, data_sha256="d").config_sha256

    # Of the config classes before `objective` was one of its fields.
    assert (
        config_sha256()
        == config_sha256(objective="sft")
        == "01048b9fb7bd6cc1ca4a594b1de9fd6ec33833626a839b13da8d2f7574c057d6"
    )
