"""Each family on two real ranks: its files read, packed rows as alone, a step, and an export that loads.

Docs list these families (docs/training.md). One start of the ranks serves all of them; a step of three packs
on two ranks leaves one micro-batch without a row, in which most experts get no token.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from family_models import FAMILIES, write_family
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
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from hunmin.errors import InputError
from hunmin.models.config import ModelConfig
from trainer.checkpoint import checkpoint
from trainer.checkpoint.checkpoint import Checkpoint
from trainer.job import Job, begin_training, finish_training
from trainer.metrics import metrics_log
from trainer.model.folder_weights import FolderWeights
from trainer.model.packed_model import build

pytestmark = pytest.mark.slow
REFUSED = {
    "qwen3_next": "can't keep packed sequences apart without `flash-linear-attention`. Install",
}
RANDOM = {"phimoe": "draws the experts of a token at random in training: no two passes have one gradient"}
ROUTER_LOSS = {"router_aux_loss_coef": 0.5}
# The family, and what its run sets beside the defaults.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in FAMILIES if name not in REFUSED | RANDOM},
    "mixtral with router loss": ("mixtral", ROUTER_LOSS),
    "qwen3_moe with router loss": ("qwen3_moe", ROUTER_LOSS),
    "qwen3_moe recomputed": ("qwen3_moe", {"activation_checkpointing": True}),
}


def job_of(root: Path, case: str) -> Job:
    family, settings = CASES[case]
    job = job_in(
        root,
        model=ModelConfig.model_validate({"path": str(root / "models" / family)}),
        global_batch_size=4,
        num_steps=1,
        learning_rate=1e-2,
        warmup_ratio=0.0,
        **settings,
    )
    return replace(job, out_dir=root / case / "train")


def train_all(root: Path) -> dict[str, tuple[Gradients, float]]:
    from trainer.loop import train

    found = {}
    for case in CASES:
        job = job_of(root, case)
        found[case] = engine_gradients(job, 2)
        train(job)
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("round-trip")
    write_data(root, num_packs=3)
    for family in {family for family, _ in CASES.values()}:
        write_family(family, root / "models" / family)
    return root


@pytest.fixture(scope="module")
def trained(root: Path) -> dict[str, tuple[Gradients, float, Any]]:
    """Gradients of the first step, its loss, and the stage, which is at its end."""
    stages = {case: begin_training(job_of(root, case))[0] for case in CASES}
    found = run_ranks(train_all, 2, root, timeout_s=900)[0]
    return {case: (*found[case], stages[case]) for case in CASES}


def of_language_model(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.replace(".language_model", ""): tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize("case", CASES)
def test_gradient_equals_the_stock_model_row_by_row(root: Path, trained: Any, case: str) -> None:
    family, settings = CASES[case]
    rows = rows_of(packs_of(root, 0, global_batch_size=4))
    found, losses = [], []
    for dtype in (torch.float64, torch.float32):
        model = plain_model(root / "models" / family, dtype, attention="eager")
        losses.append(plain_loss(model, rows, router_loss_coef=settings.get("router_aux_loss_coef", 0.0)))
        found.append(of_language_model(gradients_of(model)))
    exact, plain = found
    ours, loss, _ = trained[case]
    assert relative_error(ours, exact) <= 2 * relative_error(plain, exact)
    assert abs(loss / losses[0] - 1) <= 1e-6
    if settings == ROUTER_LOSS:
        without, _, _ = trained[family]
        assert relative_error(without, exact) > 1e-2, "the router loss must matter, or equality says little"


@pytest.mark.parametrize("case", CASES)
def test_the_export_loads_with_equal_logits(root: Path, trained: Any, case: str) -> None:
    family, settings = CASES[case]
    job, stage = job_of(root, case), trained[case][-1]
    finish_training(job, stage)
    saved = Checkpoint(checkpoint.folder_of(job.checkpoints, 1))
    stock: Any = AutoModelForCausalLM.from_pretrained(root / "models" / family)
    moved = 0
    for name, parameter in of_language_model(dict(stock.named_parameters())).items():
        if name in saved.shapes:
            moved += not torch.equal(parameter.data, saved.full(name))
            parameter.data.copy_(saved.full(name))
    assert moved == len(saved.shapes)
    exported: Any = AutoModelForCausalLM.from_pretrained(job.out_dir / "export")
    ids = torch.arange(40)[None]
    with torch.no_grad():
        assert torch.equal(exported(ids).logits, stock(ids).logits)

    before = load_file(root / "models" / family / "model.safetensors")
    after = load_file(job.out_dir / "export/model.safetensors")
    assert {name: tensor.shape for name, tensor in after.items()} == {
        name: tensor.shape for name, tensor in before.items()
    }
    layout = FolderWeights(job.out_dir / "export").layout
    constant = [file for name in layout.constants for file in layout.group_of(name).files]
    for name in (*layout.kept, *constant):
        assert torch.equal(after[name], before[name]), name
    (line,) = (line for line in metrics_log.read_lines(job.metrics_file) if line["kind"] == "train")
    assert ("router_loss" in line) == (settings == ROUTER_LOSS)


@pytest.mark.parametrize("family", REFUSED)
def test_what_cannot_be_trained_here_is_refused_by_its_reason(tmp_path: Path, family: str) -> None:
    folder = write_family(family, tmp_path)
    cpu, weights = torch.device("cpu"), FolderWeights(folder)
    model = build(folder, device=cpu, dtype=torch.float32)
    for name, parameter in model.lm.named_parameters():
        parameter.data = weights.read(name, 0, parameter.numel()).reshape(parameter.shape)
    with pytest.raises(InputError, match=REFUSED[family]):
        model.check(cpu)
