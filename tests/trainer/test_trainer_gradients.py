"""The ZeRO-3 engine's gradients and a run's losses, against a plain PyTorch loop over the rows alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from rank_helpers import make_packs, make_tokenizer, run_ranks, write_split
from transformers import AutoModelForCausalLM

from data_pipeline.config import ModelConfig
from data_pipeline.schema import IGNORE_INDEX
from trainer import batches
from trainer.config import TrainConfig
from trainer.job import Job
from trainer.model import create_base
from trainer.packs import Pack, PackFolder
from trainer.schedule import learning_rate

SEED = 7
NUM_STEPS = 20
CONFIG = TrainConfig.model_validate(
    {"global_batch_size": 4, "num_steps": NUM_STEPS, "learning_rate": 2e-3, "tensorboard": False}
)
MODEL = ModelConfig.model_validate(
    {"from_scratch": {"hidden_size": 48, "num_layers": 3, "num_heads": 4, "vocab_size": 512}}
)


def job_in(root: Path, **changes) -> Job:
    return Job(
        config=CONFIG.model_copy(update=changes),
        model=MODEL,
        seed=SEED,
        data_dir=root / "data",
        out_dir=root / "train",
        parents={},
        config_sha256="",
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("gradients")
    write_split(root / "data/train", [make_packs(10, seq_len=96, seed=3)], split="train", seq_len=96)
    make_tokenizer(root / "data/tokenizer")
    (root / "train").mkdir()
    assert MODEL.from_scratch is not None
    create_base(MODEL.from_scratch, tokenizer_dir=root / "data/tokenizer", seed=SEED, out=root / "train/base")
    return root


# The plain loop: no packing, no attention or head of ours, one row at a time.


def plain_model(root: Path, dtype: torch.dtype) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(root / "train/base", attn_implementation="sdpa", dtype=dtype)


def rows_of(packs: list[Pack]) -> list[tuple[np.ndarray, np.ndarray]]:
    rows = []
    for pack in packs:
        cuts = np.cumsum(pack.seq_lengths)[:-1]
        rows += zip(np.split(pack.input_ids, cuts), np.split(pack.labels, cuts), strict=True)
    return rows


def packs_of(root: Path, step: int) -> list[Pack]:
    folder = PackFolder(root / "data/train")
    indices = batches.packs_of_step(step, seed=SEED, epoch_sizes=folder.epoch_sizes, global_batch_size=4)
    return [folder[index] for index in indices]


def plain_loss(model: torch.nn.Module, rows: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Backward of the mean over all answer tokens of all rows."""
    num_targets = sum(int((labels[1:] != IGNORE_INDEX).sum()) for _, labels in rows)
    total = 0.0
    for ids, labels in rows:
        logits_TV = model(torch.tensor(ids, dtype=torch.long)[None]).logits[0]
        target = torch.tensor(labels, dtype=torch.long)
        loss = torch.nn.functional.cross_entropy(logits_TV[:-1], target[1:], reduction="sum") / num_targets
        loss.backward()
        total += loss.item()
    return total


def plain_gradient(root: Path, dtype: torch.dtype) -> tuple[dict[str, torch.Tensor], float]:
    model = plain_model(root, dtype)
    loss = plain_loss(model, rows_of(packs_of(root, 0)))
    return {name: p.grad.double() for name, p in model.named_parameters() if p.grad is not None}, loss


def plain_run(root: Path) -> list[float]:
    model = plain_model(root, torch.float32)
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": CONFIG.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=CONFIG.learning_rate,
        betas=CONFIG.betas,
        eps=CONFIG.eps,
    )
    losses = []
    for step in range(NUM_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, num_steps=NUM_STEPS, config=CONFIG)
        losses.append(plain_loss(model, rows_of(packs_of(root, step))))
        torch.nn.utils.clip_grad_norm_(model.parameters(), CONFIG.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
    return losses


# Ours, on real ranks.


def engine_gradients(root: Path, world_size: int) -> dict[int, tuple[dict[str, torch.Tensor], float]]:
    """By accumulation: full gradients before the optimizer step, and the step's loss."""
    from trainer import loop
    from trainer.ranks import joined

    found = {}
    for accum in (1, 2):
        job = job_in(root, micro_batch_size=4 // world_size // accum)
        with joined(timeout_s=60) as me:
            engine, _ = loop.set_up(job, me)
            work = loop.packs_of_rank(PackFolder(job.data_dir / "train"), 0, job=job, me=me)
            assert len(work.micro_batches) == accum
            loss_sum = 0.0
            for number, batch in enumerate(work.micro_batches, start=1):
                losses_N = engine.losses(batch)
                engine.backward(losses_N.sum(), num_valid_tokens=work.num_valid_tokens)
                loss_sum += float(losses_N.detach().double().sum())
                if number < accum:
                    engine.step(0.0)
            gradients = {name: gradient.double() for name, gradient in engine.gradients()}
            loss = float(me.gather([loss_sum]).sum()) / work.num_valid_tokens
            found[accum] = (gradients, loss)
    return found


def engine_run(root: Path) -> list[float]:
    from trainer import loop, metrics

    job = job_in(root)
    loop.train(job)
    return [line["loss"] for line in metrics.read(job.metrics_file)]


def relative_error(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> float:
    assert found.keys() == wanted.keys()
    difference = sum(float((found[name] - wanted[name]).square().sum()) for name in wanted)
    return (difference / sum(float(g.square().sum()) for g in wanted.values())) ** 0.5


@pytest.mark.parametrize("world_size", [1, 2])
def test_gradient_equals_plain_loop(root: Path, world_size: int) -> None:
    exact, exact_loss = plain_gradient(root, torch.float64)
    plain, _ = plain_gradient(root, torch.float32)
    own_error = relative_error(plain, exact)
    for accum, (ours, loss) in run_ranks(engine_gradients, world_size, root, world_size)[0].items():
        error = relative_error(ours, exact)
        print(f"world {world_size}, accum {accum}: {error:.2e}; plain fp32 {own_error:.2e}")
        assert error <= 2 * own_error
        assert relative_error(ours, plain) <= 5e-6
        assert abs(loss / exact_loss - 1) <= 1e-6


def test_twenty_steps_stay_with_plain_loop(root: Path) -> None:
    losses = run_ranks(engine_run, 2, root)[0]
    wanted = plain_run(root)
    assert len(losses) == NUM_STEPS
    assert wanted[-1] < wanted[0] - 0.05, "the loop must learn, or equality says little"
    assert np.abs(np.array(losses) - np.array(wanted)).max() <= 1e-4
