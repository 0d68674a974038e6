"""bf16 forward and backward over fp32 master weights: its error, and that nothing but it is in bf16."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_loop import (
    engine_gradients,
    gradients_of,
    job_in,
    packs_of,
    plain_loss,
    plain_model,
    relative_error,
    rows_of,
    write_root,
)
from rank_helpers import run_ranks

from hunmin.models.config import ModelConfig
from trainer.checkpoint import checkpoint
from trainer.checkpoint.checkpoint import Checkpoint
from trainer.metrics import metrics_log

MODEL = ModelConfig.model_validate(
    {"from_scratch": {"hidden_size": 48, "num_layers": 3, "num_heads": 4, "vocab_size": 512}}
)
STEP: dict[str, Any] = {"global_batch_size": 8, "micro_batch_size": 1, "precision": "bf16"}
NUM_STEPS = 20
EPS = torch.finfo(torch.bfloat16).eps  # 2^-7: a rounding errs by at most half of it


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_root(tmp_path_factory.mktemp("bf16"), MODEL)


def bf16_gradients(root: Path) -> Any:
    return engine_gradients(job_in(root, model=MODEL, **STEP), 4)


def test_gradient_errs_no_more_than_bf16_alone(root: Path) -> None:
    rows = rows_of(packs_of(root, 0, global_batch_size=8))
    # The same weights, rounded once, in exact arithmetic: what is left is the error of computing in bf16.
    exact_model = plain_model(root / "train/base", torch.bfloat16).double()
    exact_loss = plain_loss(exact_model, rows)
    plain = plain_model(root / "train/base", torch.bfloat16)
    plain_loss(plain, rows)
    own_error = relative_error(gradients_of(plain), gradients_of(exact_model))
    ours, loss = run_ranks(bf16_gradients, 2, root)[0]
    error = relative_error(ours, gradients_of(exact_model))
    print(f"bf16: {error:.2e}; plain bf16 {own_error:.2e}")
    assert error <= own_error, "ours accumulates and reduces in fp32, the plain loop in bf16"
    assert error <= 2 * EPS
    assert abs(loss / exact_loss - 1) <= EPS


def run(root: Path, precision: str) -> None:
    from trainer.loop import train

    train(run_job(root, precision))


def run_job(root: Path, precision: str) -> Any:
    return job_in(
        root,
        model=MODEL,
        **{**STEP, "precision": precision},
        num_steps=NUM_STEPS,
        learning_rate=3e-3,
        save_interval=NUM_STEPS,
    )


def test_masters_stay_fp32_and_the_curve_stays_near(root: Path) -> None:
    curves = {}
    for precision in ("fp32", "bf16"):
        run_ranks(run, 2, root, precision)
        job = run_job(root, precision)
        lines = metrics_log.read_lines(job.metrics_file)
        curves[precision] = np.array([line["loss"] for line in lines if line["kind"] == "train"])
        saved = Checkpoint(checkpoint.folder_of(job.checkpoints, NUM_STEPS))
        assert saved.ranks["dtype"] == {"fp32": "float32", "bf16": "bfloat16"}[precision]
        values = saved.full("model.layers.0.mlp.up_proj.weight")
        assert not torch.equal(values, values.bfloat16().float()), "fp32 between steps"
        for path in (job.metrics_file, *job.checkpoints.rglob("*")):
            if path.is_file():
                path.unlink()
    difference = np.abs(curves["bf16"] - curves["fp32"])
    print(f"largest difference of the curves: {difference.max():.2e}")
    assert curves["fp32"][-1] < curves["fp32"][0] - 0.1
    assert difference.max() <= EPS * curves["fp32"][0]
    assert difference.max() > 0
