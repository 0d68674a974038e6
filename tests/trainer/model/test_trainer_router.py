"""The router loss of each packed row, as transformers has it of the row alone."""

from pathlib import Path
from typing import Any

import pytest
import torch
from family_models import FAMILIES, write_family
from transformers import AutoModelForCausalLM
from transformers.models.qwen3_moe.modeling_qwen3_moe import load_balancing_loss_func

from hunmin.errors import ConfigError
from trainer.batches.targets import next_token_targets
from trainer.config import TrainConfig
from trainer.model.packed_model import build
from trainer.model.router import expert_blocks, router_losses

CPU = torch.device("cpu")
LENGTHS = [5, 1, 9]


def bounds(lengths: list[int]) -> torch.Tensor:
    return torch.tensor([0, *lengths]).cumsum(0).int()


def test_each_row_is_that_of_transformers_alone() -> None:
    torch.manual_seed(0)
    layers = [torch.randn(sum(LENGTHS), 6, requires_grad=True) for _ in range(3)]
    ours_S = router_losses(layers, bounds(LENGTHS), top_k=2)
    alone = [
        load_balancing_loss_func(parts, num_experts=6, top_k=2)
        for parts in zip(*(layer.split(LENGTHS) for layer in layers), strict=True)
    ]
    theirs_S = torch.stack([loss for loss in alone if isinstance(loss, torch.Tensor)])
    torch.testing.assert_close(ours_S, theirs_S)
    factors_S = torch.tensor([0.5, 0.2, 0.3])
    ours, theirs = (torch.autograd.grad((x * factors_S).sum(), layers) for x in (ours_S, theirs_S))
    for mine, stock in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, stock)


def test_even_use_is_top_k_and_one_expert_for_all_is_the_number_of_experts() -> None:
    """By hand: four tokens, four experts, one each; then all to one, with all the probability."""
    even_TE = torch.eye(4) * 1e-4
    assert router_losses([even_TE], bounds([4]), top_k=1).item() == pytest.approx(1.0, abs=1e-3)
    one_TE = torch.zeros(4, 4)
    one_TE[:, 2] = 100.0
    assert router_losses([one_TE], bounds([4]), top_k=1).item() == pytest.approx(4.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family("qwen3_moe", tmp_path_factory.mktemp("router"))


def config(**settings: Any) -> TrainConfig:
    return TrainConfig.model_validate(settings)


def router_losses_of(folder: Path, settings: TrainConfig) -> torch.Tensor:
    model = build(folder, device=CPU, dtype=torch.float32, config=settings)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    model.train()
    ids = torch.arange(sum(LENGTHS))
    positions = torch.cat([torch.arange(length) for length in LENGTHS])
    cu_seqlens = bounds(LENGTHS)
    model(ids, positions, cu_seqlens, *next_token_targets(ids, cu_seqlens), LENGTHS)
    return model.router_losses_N


def test_each_trained_token_has_its_rows_loss_times_the_weight(folder: Path) -> None:
    torch.manual_seed(0)
    once = router_losses_of(folder, config(router_aux_loss_coef=1.0))
    torch.manual_seed(0)
    half = router_losses_of(folder, config(router_aux_loss_coef=0.5))
    torch.testing.assert_close(half, once / 2)
    assert len(once) == 4 + 0 + 8, "nothing predicts a row's first token"
    assert len({round(value, 5) for value in once.tolist()}) == 2


def test_the_models_own_config_decides_where_ours_does_not(folder: Path, tmp_path: Path) -> None:
    assert not len(router_losses_of(folder, config())), "output_router_logits is false"
    asks = write_family("qwen3_moe", tmp_path, output_router_logits=True, router_aux_loss_coef=0.25)
    torch.manual_seed(0)
    own = router_losses_of(asks, config())
    torch.manual_seed(0)
    declared = router_losses_of(folder, config(router_aux_loss_coef=0.25))
    assert torch.equal(own, declared)
    assert not len(router_losses_of(asks, config(router_aux_loss_coef=0.0)))


@pytest.mark.parametrize(
    ("family", "settings", "message"),
    [
        ("llama", {}, "LlamaForCausalLM has no router loss; set it to 0"),
        ("qwen3_moe", {"activation_checkpointing": True}, "recomputed layers"),
        ("qwen3_moe", {"sequence_parallel_size": 2}, "see parts of a row"),
    ],
)
def test_a_router_loss_that_cannot_be_trained_is_refused(
    tmp_path: Path, family: str, settings: dict[str, Any], message: str
) -> None:
    folder = write_family(family, tmp_path)
    with pytest.raises(ConfigError, match=message):
        build(folder, device=CPU, dtype=torch.float32, config=config(router_aux_loss_coef=0.1, **settings))


def test_blocks_with_experts_are_found() -> None:
    with torch.device("meta"):
        models = {name: AutoModelForCausalLM.from_config(FAMILIES[name]) for name in ("glm4_moe", "qwen3")}
    assert expert_blocks(models["glm4_moe"]) == ["model.layers.1.mlp"]
    assert expert_blocks(models["qwen3"]) == []
