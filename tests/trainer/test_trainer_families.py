"""Each family of models, full and with adapters, on real ranks against the stock model, row by row."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from family_models import write_family
from plain_loop import (
    Gradients,
    engine_gradients,
    gradients_of,
    job_in,
    packs_of,
    plain_loss,
    plain_model,
    relative_error,
    rows_of,
    write_data,
)
from rank_helpers import run_ranks
from transformers import AutoModelForCausalLM

from hunmin.models.config import ModelConfig
from trainer.checkpoint import checkpoint
from trainer.checkpoint.checkpoint import Checkpoint
from trainer.job import begin_training, finish_training
from trainer.metrics import metrics_log
from trainer.model import lora
from trainer.model.folder_weights import FolderWeights

DENSE = ("llama", "qwen2", "qwen3", "mistral", "gemma2", "gemma3")
STEP = {"global_batch_size": 4, "micro_batch_size": 1}


@pytest.fixture(scope="module", params=DENSE)
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, and a model of the family whose weights are loud enough to tell a wrong one."""
    root = tmp_path_factory.mktemp(request.param)
    write_data(root, num_packs=4)
    write_family(request.param, root / "model")
    return root


def model_of(root: Path) -> ModelConfig:
    return ModelConfig.model_validate({"path": str(root / "model")})


def family_gradients(root: Path, settings: dict[str, Any]) -> tuple[Gradients, float]:
    return engine_gradients(job_in(root, model=model_of(root), **STEP, **settings), 2)


def test_gradient_equals_the_stock_model_row_by_row(root: Path) -> None:
    rows = rows_of(packs_of(root, 0, global_batch_size=4))
    assert max(len(row.ids) for row in rows) > 20
    # Gemma 2 caps its scores, which stock SDPA leaves out.
    models = [
        plain_model(root / "model", dtype, attention="eager") for dtype in (torch.float64, torch.float32)
    ]
    losses = [plain_loss(model, rows) for model in models]
    exact, plain = map(gradients_of, models)
    ours, loss = run_ranks(family_gradients, 2, root, {})[0]
    assert relative_error(ours, exact) <= 2 * relative_error(plain, exact)
    assert abs(loss / losses[0] - 1) <= 1e-6


LORA = {"lora": {"rank": 4, "alpha": 8, "target_modules": "all-linear"}}


def train_with_adapters(root: Path) -> None:
    from trainer.loop import train

    train(job_with_adapters(root))


def job_with_adapters(root: Path) -> Any:
    return job_in(
        root, model=model_of(root), num_steps=3, learning_rate=1e-2, max_loss_rise=None, **STEP, **LORA
    )


def plain_adapters(root: Path) -> tuple[list[float], Gradients]:
    """peft's own model, trained row by row from the same first values: losses, and adapters at the end."""
    import peft

    from trainer.engine.learning_rate import learning_rate

    job = job_with_adapters(root)
    base = plain_model(root / "model", torch.float32, attention="eager")
    model: Any = peft.get_peft_model(
        base, peft.LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    adapters = {
        lora.file_name(name.removeprefix("base_model.model.")): parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    fresh = lora.FreshAdapters({name: tuple(p.shape) for name, p in adapters.items()}, seed=job.seed)
    for name, parameter in adapters.items():
        parameter.data = fresh.read(name, 0, parameter.numel()).reshape(parameter.shape)
    optimizer = torch.optim.AdamW(adapters.values(), lr=1e-2, weight_decay=job.config.weight_decay)
    losses = []
    for step in range(3):
        optimizer.param_groups[0]["lr"] = learning_rate(step, num_steps=3, config=job.config)
        losses.append(plain_loss(model, rows_of(packs_of(root, step, global_batch_size=4))))
        torch.nn.utils.clip_grad_norm_(adapters.values(), job.config.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
    return losses, {name: parameter.detach() for name, parameter in adapters.items()}


def test_adapters_train_as_peft_does_and_leave_merged(root: Path) -> None:
    job = job_with_adapters(root)
    stage, _ = begin_training(job)
    run_ranks(train_with_adapters, 2, root)

    wanted_losses, wanted = plain_adapters(root)
    lines = [line for line in metrics_log.read_lines(job.metrics_file) if line["kind"] == "train"]
    assert [line["loss"] for line in lines] == pytest.approx(wanted_losses, rel=1e-5)
    saved = Checkpoint(checkpoint.folder_of(job.checkpoints, 3))
    assert saved.shapes.keys() == wanted.keys(), "adapters alone are saved"
    for name, values in wanted.items():
        assert float((saved.full(name) - values).norm() / values.norm().clamp(min=1e-6)) < 2e-3, name

    manifest = finish_training(job, stage)
    exported = AutoModelForCausalLM.from_pretrained(job.out_dir / "export")
    stock = dict(plain_model(root / "model", torch.float32, attention="eager").named_parameters())
    moved = 0
    for name, parameter in exported.named_parameters():
        layer = name.removesuffix(".weight")
        if layer + lora.A in saved.shapes:
            moved += 1
            delta = 2.0 * saved.full(layer + lora.B) @ saved.full(layer + lora.A)
            assert torch.equal(parameter.data, stock[name].data + delta), name
            assert delta.abs().max() > 0
        else:
            assert torch.equal(parameter.data, stock[name].data), name
    assert moved == 14
    shapes = FolderWeights(root / "model").shapes
    assert manifest.counts["num_parameters"] == sum(map(math.prod, shapes.values()))
    assert manifest.counts["num_trained_parameters"] == sum(map(math.prod, saved.shapes.values()))
