"""The ZeRO-3 engine's gradients and a run's losses, against a plain PyTorch loop over the rows alone."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
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
    work_of,
    write_root,
)
from rank_helpers import run_ranks

from hunmin.models.config import ModelConfig
from trainer.config import TrainConfig
from trainer.engine.learning_rate import learning_rate

NUM_STEPS = 20
RUN: dict[str, Any] = {"global_batch_size": 4, "num_steps": NUM_STEPS, "learning_rate": 2e-3}
# More than the ten packs there are: on four ranks that accumulate, some micro-batches are empty.
GLOBAL_BATCH_SIZE = 16
MODEL = ModelConfig.model_validate(
    {"from_scratch": {"hidden_size": 48, "num_layers": 3, "num_heads": 4, "vocab_size": 512}}
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_root(tmp_path_factory.mktemp("gradients"), MODEL)


@lru_cache
def plain_gradient(root: Path, dtype: torch.dtype, weighting: str = "token") -> tuple[Gradients, float]:
    model = plain_model(root / "train/base", dtype)
    loss = plain_loss(model, rows_of(packs_of(root, 0, global_batch_size=GLOBAL_BATCH_SIZE)), weighting)
    return gradients_of(model), loss


def plain_run(root: Path) -> list[float]:
    config = TrainConfig(**RUN)
    model = plain_model(root / "train/base", torch.float32)
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=config.learning_rate,
        betas=config.betas,
        eps=config.eps,
    )
    losses = []
    for step in range(NUM_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, num_steps=NUM_STEPS, config=config)
        losses.append(plain_loss(model, rows_of(packs_of(root, step, global_batch_size=4))))
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
    return losses


# Ours, on real ranks.


def gradients_by_accum(
    root: Path, world_size: int, accums: tuple[int, ...], settings: dict[str, Any]
) -> dict[int, tuple[Gradients, float]]:
    found = {}
    for accum in accums:
        size = GLOBAL_BATCH_SIZE // world_size // accum
        job = job_in(
            root, model=MODEL, global_batch_size=GLOBAL_BATCH_SIZE, micro_batch_size=size, **settings
        )
        found[accum] = engine_gradients(job, accum)
    return found


def engine_run(root: Path, settings: dict[str, Any] | None = None) -> list[float]:
    from trainer import loop
    from trainer.metrics import metrics_log

    job = job_in(root, model=MODEL, **(RUN | (settings or {})))
    loop.train(job)
    return [line["loss"] for line in metrics_log.read_lines(job.metrics_file)]


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_gradient_equals_plain_loop(root: Path, world_size: int) -> None:
    exact, exact_loss = plain_gradient(root, torch.float64)
    plain, _ = plain_gradient(root, torch.float32)
    own_error = relative_error(plain, exact)
    found = run_ranks(gradients_by_accum, world_size, root, world_size, (1, 2, 4), {})[0]
    for accum, (ours, loss) in found.items():
        error = relative_error(ours, exact)
        print(f"world {world_size}, accum {accum}: {error:.2e}; plain fp32 {own_error:.2e}")
        assert error <= 2 * own_error
        assert relative_error(ours, plain) <= 5e-6
        assert abs(loss / exact_loss - 1) <= 1e-6


@pytest.mark.parametrize(
    "settings",
    [
        {"loss_weighting": "sample"},
        {"loss_weighting": "task"},
        {"activation_checkpointing": True},
        {"activation_checkpointing": "selective"},
        {"max_logits_mb": 1},
    ],
    ids=str,
)
def test_gradient_of_each_choice(root: Path, settings: dict[str, Any]) -> None:
    weighting = settings.get("loss_weighting", "token")
    exact, exact_loss = plain_gradient(root, torch.float64, weighting)
    plain, _ = plain_gradient(root, torch.float32, weighting)
    by_token, _ = plain_gradient(root, torch.float64)
    ours, loss = run_ranks(gradients_by_accum, 2, root, 2, (2,), settings)[0][2]
    assert relative_error(ours, exact) <= 2 * relative_error(plain, exact)
    assert abs(loss / exact_loss - 1) <= 1e-6
    if weighting != "token":
        assert relative_error(ours, by_token) > 1e-3, "the choice must matter on these rows"


def empty_micro_batches(root: Path) -> int:
    from trainer.engine.ranks import join_ranks

    with join_ranks(timeout_s=60) as me:
        job = job_in(root, model=MODEL, global_batch_size=GLOBAL_BATCH_SIZE)
        return sum(not len(weights_N) for _, weights_N, *_ in work_of(job, me).micro_batches)


def test_four_ranks_have_empty_micro_batches(root: Path) -> None:
    assert sum(run_ranks(empty_micro_batches, 4, root)) == GLOBAL_BATCH_SIZE - 10


def test_twenty_steps_stay_with_plain_loop(root: Path) -> None:
    losses = run_ranks(engine_run, 2, root)[0]
    wanted = plain_run(root)
    assert len(losses) == NUM_STEPS
    assert wanted[-1] < wanted[0] - 0.05, "the loop must learn, or equality says little"
    assert np.abs(np.array(losses) - np.array(wanted)).max() <= 1e-4


@pytest.mark.parametrize("frozen", [False, True], ids=["full", "lora"])
def test_a_copy_of_the_weights_a_node_changes_no_loss(root: Path, tmp_path: Path, frozen: bool) -> None:
    """ZeRO++'s hpZ keeps a second copy of the weights on every node, here on every rank."""
    losses = []
    for size in (1, 2):
        copied = write_root(tmp_path / str(size), MODEL)
        settings = {"zero": {"hpz_partition_size": size}, "num_steps": 4}
        if frozen:
            settings["lora"] = {"rank": 4}
        losses.append(run_ranks(engine_run, 2, copied, settings)[0])
    assert losses[0] == losses[1]
