"""Weights of rows, from a shard to the gradient: against a plain loop, and a row that stands twice."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_loop import (
    Gradients,
    Row,
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
from rank_helpers import make_packs, run_ranks, write_split

from hunmin.models.config import ModelConfig
from trainer.batches.packs import Pack, PackFolder
from trainer.batches.weighting import Weighting, count_step
from trainer.engine.ranks import Rank
from trainer.engine.steps import micro_batch
from trainer.metrics import metrics_log
from trainer.objectives import Scored
from trainer.objectives.sft import SFT

WEIGHTINGS: list[Weighting] = ["token", "sample", "task"]
BATCH = 8
MODEL = ModelConfig.model_validate(
    {"from_scratch": {"hidden_size": 32, "num_layers": 2, "num_heads": 4, "vocab_size": 512}}
)
# Accumulation, each weighting, logits in chunks, and packs that two ranks share.
CHOICES: list[dict[str, Any]] = [
    {},
    {"micro_batch_size": BATCH // 2},
    {"loss_weighting": "sample"},
    {"loss_weighting": "task"},
    {"max_logits_mb": 1},
    {"sequence_parallel_size": 2, "micro_batch_size": 4},
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packs whose rows weigh 0.25 to 3."""
    return write_root(tmp_path_factory.mktemp("weights"), MODEL, num_packs=7, weights=[0.25, 0.3, 1, 2, 3])


def plain_gradient(
    root: Path, rows: list[Row], dtype: torch.dtype, weighting: str
) -> tuple[Gradients, float]:
    model = plain_model(root / "train/base", dtype)
    loss = plain_loss(model, rows, weighting)
    return gradients_of(model), loss


def gradients_by_choice(root: Path) -> list[tuple[Gradients, float]]:
    found = []
    for choice in CHOICES:
        settings = {"global_batch_size": BATCH, "micro_batch_size": 2} | choice
        groups = 2 // settings.get("sequence_parallel_size", 1)
        accum = BATCH // groups // settings["micro_batch_size"]
        found.append(engine_gradients(job_in(root, model=MODEL, **settings), accum))
    return found


@pytest.mark.slow
def test_the_gradient_of_weighted_rows_is_the_plain_loop_s(root: Path) -> None:
    rows = rows_of(packs_of(root, 0, global_batch_size=BATCH))
    assert {row.weight for row in rows} == {0.25, float(np.float32(0.3)), 1, 2, 3}
    found = run_ranks(gradients_by_choice, 2, root)[0]
    unweighted, _ = plain_gradient(root, [row._replace(weight=1) for row in rows], torch.float64, "token")
    for choice, (ours, loss) in zip(CHOICES, found, strict=True):
        weighting = choice.get("loss_weighting", "token")
        exact, exact_loss = plain_gradient(root, rows, torch.float64, weighting)
        plain, _ = plain_gradient(root, rows, torch.float32, weighting)
        assert relative_error(ours, exact) <= 2 * relative_error(plain, exact), choice
        assert abs(loss / exact_loss - 1) <= 1e-6, choice
        assert relative_error(ours, unweighted) > 1e-3, "the weights must matter on these rows"


# In fp64, without an engine: a step's packs, cut into micro-batches, against rows alone.


def packed_gradient(model: torch.nn.Module, packs: list[Pack], weighting: Weighting, size: int) -> float:
    """Backward of the step's loss over micro-batches of `size` packs; a segment's forward is of it alone."""
    counts = count_step(packs, num_tasks=2)
    total = 0.0
    for start in range(0, len(packs), size):
        group = packs[start : start + size]
        _, *of_tokens, _ = micro_batch(group, counts, weighting, Rank(0, 1, torch.device("cpu"), 1))
        log_probs = []
        for row in rows_of(group):
            logits_TV = model(torch.tensor(row.ids, dtype=torch.long)[None]).logits[0]
            target = torch.tensor(row.labels, dtype=torch.long)[1:]
            losses = torch.nn.functional.cross_entropy(logits_TV[:-1], target, reduction="none")
            log_probs.append(-losses[target >= 0])
        part = SFT.minimise(Scored(torch.cat(log_probs), *of_tokens))
        part.loss.backward()
        total += float(part.value)
    return total


def doubled(pack: Pack) -> Pack:
    """Rows of weight 2 stand twice, all rows weigh 1."""
    cuts = np.cumsum(pack.seq_lengths)[:-1]
    often = pack.weights.astype(int)
    segments = np.repeat(np.arange(len(often)), often)

    def of_tokens(values: np.ndarray) -> np.ndarray:
        parts = np.split(values, cuts)
        return np.concatenate([parts[index] for index in segments])

    return Pack(
        input_ids=of_tokens(pack.input_ids),
        labels=of_tokens(pack.labels),
        seq_lengths=pack.seq_lengths[segments],
        tasks=pack.tasks[segments],
        rows=pack.rows[segments],
        weights=np.ones(len(segments), np.float32),
    )


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_row_of_weight_two_is_that_row_twice_in_the_step(root: Path, weighting: Weighting) -> None:
    table = make_packs(3, seq_len=48, seed=11, weights=[1, 2])
    packs = [Pack(*(np.array(line[name]) for name in Pack._fields)) for line in table.to_pylist()]
    found = []
    for step, size in ((packs, 1), (packs, 3), ([doubled(pack) for pack in packs], 2)):
        model = plain_model(root / "train/base", torch.float64)
        loss = packed_gradient(model, step, weighting, size)
        found.append((gradients_of(model), loss))
    for gradients, loss in found[1:]:
        assert relative_error(gradients, found[0][0]) < 1e-13
        assert loss == pytest.approx(found[0][1], rel=1e-14)


def run_a_step(root: Path) -> None:
    from trainer.loop import train

    # A rate that moves nothing: validation then sees the base.
    settings = {"global_batch_size": 4, "num_steps": 1, "val_interval": 1, "learning_rate": 1e-12}
    train(job_in(root, model=MODEL, micro_batch_size=2, val_share=None, **settings))


@pytest.mark.slow
def test_metrics_and_validation_are_weighted_means(tmp_path: Path) -> None:
    write_root(tmp_path, MODEL, num_packs=4, seq_len=48, weights=[0.5, 3])
    table = make_packs(4, seq_len=48, seed=22, weights=[0.5, 3])
    write_split(tmp_path / "data/val", [table], split="val", seq_len=48)
    run_ranks(run_a_step, 2, tmp_path)
    train, val = metrics_log.read_lines(tmp_path / "train/metrics.jsonl")
    model = plain_model(tmp_path / "train/base", torch.float64)
    for line, split in ((train, "train"), (val, "val")):
        folder = PackFolder(tmp_path / "data" / split)
        rows = rows_of([folder[index] for index in range(len(folder))])
        assert line["loss"] == pytest.approx(plain_loss(model, rows), rel=1e-5)
        assert line["num_valid_tokens"] == sum(row.num_targets for row in rows)
        for index, task in enumerate(folder.tasks):
            own = [row for row in rows if row.task == index]
            told = line["tasks"][task] if split == "val" else line["tasks"][task]["loss"]
            assert told == pytest.approx(plain_loss(model, own), rel=1e-5)
            if split == "train":
                assert line["tasks"][task]["num_valid_tokens"] == sum(row.num_targets for row in own)
                assert line["weighted_tokens"] == sum(row.weight * row.num_targets for row in rows)
