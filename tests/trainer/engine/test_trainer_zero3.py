"""What each rank holds, checkpoints across world sizes, updates that are not finite. Real ranks."""

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from plain_loop import work_of
from rank_helpers import make_data, run_ranks
from transformers import AutoModelForCausalLM, AutoTokenizer

from hunmin.artifact import verify
from hunmin.models.config import ModelConfig
from hunmin.stage import Inputs, Stage
from trainer.batches.packs import PackFolder
from trainer.checkpoint import checkpoint, kept
from trainer.checkpoint.checkpoint import Checkpoint, TrainState
from trainer.config import TrainConfig
from trainer.engine.steps import joined
from trainer.job import Job, begin_training, finish_training
from trainer.metrics import metrics_log
from trainer.objectives.sft import SFT

MODEL = ModelConfig.model_validate(
    # hidden_size 34: parameters that do not divide by the number of ranks
    {"from_scratch": {"hidden_size": 34, "num_layers": 2, "num_heads": 1, "vocab_size": 512}}
)


def job_in(root: Path, **changes: Any) -> Job:
    settings = {
        "global_batch_size": 5,
        "num_steps": 6,
        "learning_rate": 3e-3,
        "val_interval": 2,
        "save_interval": 2,
        "keep": 3,
        "tensorboard": False,
    }
    return Job(
        config=TrainConfig(**{**settings, **changes}),
        model=MODEL,
        seed=3,
        data_dir=root / "data",
        out_dir=root / "train",
        inputs=Inputs(1, {"data": "d"}, "c"),
    )


def train_two_ranks(root: Path) -> None:
    from trainer.loop import train

    train(job_in(root))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("zero3")
    make_data(root / "data")
    assert begin_training(job_in(root))[1] == 6
    run_ranks(train_two_ranks, 2, root)
    return root


def shares_and_nonfinite(root: Path) -> dict[str, Any]:
    """Fresh engine: bytes held; then a step whose loss is NaN on rank 0 only, then a sound one."""
    from trainer import loop
    from trainer.engine.ranks import join_ranks

    job = job_in(root, global_batch_size=2)
    with join_ranks(timeout_s=60) as me:
        engine, _ = loop.set_up(job, me)
        held = engine.local_bytes()
        total = sum(math.prod(shape) for shape in engine.shapes.values())
        work = work_of(job, me)
        before = {(kind, name): values.clone() for kind, name, _, values in engine.slices()}
        losses_N = engine.losses(work.micro_batches[0].inputs)
        engine.backward(losses_N.mean() * (math.nan if me.is_first else 1.0))
        _, nan_applied = engine.step(1.0)
        after = {(kind, name): values for kind, name, _, values in engine.slices()}
        unchanged = all(torch.equal(before[key], after[key]) for key in before)
        done = loop.update_weights(
            engine, work, 1e-3, objective=SFT, state=TrainState(), max_loss_rise=None, me=me
        )
        moved = any(not torch.equal(before[kind, name], v) for kind, name, _, v in engine.slices())
    return {
        "held": held,
        "total": total,
        "nan_applied": nan_applied,
        "unchanged": unchanged,
        "applied": done.applied and moved and math.isfinite(done.grad_norm),
    }


def test_each_rank_holds_its_share_and_all_skip_a_nan(tmp_path: Path) -> None:
    make_data(tmp_path / "data", val_packs=0)
    begin_training(job_in(tmp_path))
    for found in run_ranks(shares_and_nonfinite, 2, tmp_path):
        half = found["total"] / 2
        padding = 64  # elements: a parameter is padded to the ranks, a flat group to its alignment
        assert half * 4 <= found["held"]["parameters"] <= (half + padding) * 4
        assert half * 8 <= found["held"]["moments"] <= (half + padding) * 8
        assert not found["nan_applied"], "one rank's NaN is everybody's"
        assert found["unchanged"], "a skipped update leaves weights and moments alone"
        assert found["applied"]


def restored_slices(root: Path) -> dict[str, torch.Tensor]:
    """What an engine of this world size holds after restoring, put together."""
    from trainer import loop
    from trainer.engine.ranks import join_ranks

    with join_ranks(timeout_s=60) as me:
        engine, state = loop.set_up(job_in(root), me)
        assert state.step == 6
        return {f"{kind}/{name}": values for kind, name, _, values in engine.slices()}


def test_restores_at_another_world_size(trained: Path) -> None:
    saved = Checkpoint(checkpoint.folder_of(trained / "train/checkpoints", 6))
    assert saved.ranks["world_size"] == 2
    (alone,) = run_ranks(restored_slices, 1, trained)
    for kind in ("param", "exp_avg", "exp_avg_sq"):
        for name, shape in saved.shapes.items():
            assert torch.equal(saved.read(kind, name, 0, math.prod(shape)), alone[f"{kind}/{name}"])
    assert any(values.abs().sum() > 0 for key, values in alone.items() if key.startswith("exp_avg_sq"))


def continue_alone(root: Path) -> None:
    from trainer.loop import train

    train(job_in(root))


def test_one_rank_continues_what_two_began(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "copy")
    kept.discard_after(tmp_path / "copy/train/checkpoints", 2)
    (tmp_path / "copy/train/checkpoints/latest.json").unlink()
    run_ranks(continue_alone, 1, tmp_path / "copy")
    two, one = (metrics_log.read_lines(root / "train/metrics.jsonl") for root in (trained, tmp_path / "copy"))
    assert [(line["kind"], line["step"]) for line in one] == [(line["kind"], line["step"]) for line in two]
    for a, b in zip(two, one, strict=True):
        if a["kind"] == "samples":
            assert a == b
            continue
        assert a["loss"] == pytest.approx(b["loss"], rel=2e-5)
        assert a["num_valid_tokens"] == b["num_valid_tokens"], "the same samples"


def val_losses(root: Path) -> dict[int, float]:
    lines = metrics_log.read_lines(root / "train/metrics.jsonl")
    return {line["step"]: line["loss"] for line in lines if line["kind"] == "val"}


def engine_losses(root: Path, step: int) -> list[float]:
    from trainer import loop
    from trainer.engine.ranks import join_ranks

    with join_ranks(timeout_s=60) as me, torch.no_grad():
        engine, state = loop.set_up(job_in(root), me)
        assert state.step == step
        engine.train(False)
        return engine.losses(joined([PackFolder(root / "data/val")[0]], me).inputs).tolist()


def test_export_loads_with_two_lines_and_is_the_trained_model(trained: Path, tmp_path: Path) -> None:
    job = job_in(trained)
    manifest = finish_training(job, Stage(job.out_dir, job.inputs))
    verify(trained / "train", cure="hunmin train")

    tokenizer = AutoTokenizer.from_pretrained(trained / "train/export")
    model = AutoModelForCausalLM.from_pretrained(trained / "train/export")

    assert tokenizer.chat_template
    assert model.generation_config.eos_token_id == [tokenizer.eos_token_id]
    assert model.generation_config.pad_token_id == tokenizer.pad_token_id
    best = min(val_losses(trained), key=lambda step: val_losses(trained)[step])
    assert manifest.counts["export_step"] == manifest.counts["best_step"] == best
    assert manifest.counts["best_val_loss"] == val_losses(trained)[best]
    saved = Checkpoint(checkpoint.folder_of(trained / "train/checkpoints", best))
    parameters = dict(model.named_parameters())
    assert parameters.keys() == saved.shapes.keys()
    for name, parameter in parameters.items():
        assert torch.equal(parameter.data, saved.full(name))
    shutil.copytree(trained, tmp_path / "copy")
    kept.discard_after(tmp_path / "copy/train/checkpoints", best)
    wanted = run_ranks(engine_losses, 2, tmp_path / "copy", best)[0]
    pack = PackFolder(trained / "data/val")[0]
    found: list[float] = []
    with torch.no_grad():
        for ids, labels in zip(
            torch.tensor(pack.input_ids).long().split(pack.seq_lengths.tolist()),
            torch.tensor(pack.labels).long().split(pack.seq_lengths.tolist()),
            strict=True,
        ):
            losses = torch.nn.functional.cross_entropy(
                model(ids[None]).logits[0, :-1], labels[1:], reduction="none"
            )
            found += losses[labels[1:] >= 0].tolist()
    assert found == pytest.approx(wanted, rel=1e-5)


def test_metrics(trained: Path) -> None:
    lines = metrics_log.read_lines(trained / "train/metrics.jsonl")
    assert list(val_losses(trained)) == [2, 4, 6]
    assert set([line for line in lines if line["kind"] == "val"][-1]["tasks"]) == {"translation", "chat"}
    train = [line for line in lines if line["kind"] == "train"]
    assert [line["step"] for line in train] == [1, 2, 3, 4, 5, 6]
    # 24 packs in steps of 5: the last of the pass has 4, on 2 ranks with room for 3 each
    assert [round(line["idle_share"], 4) for line in train] == [0.1667] * 4 + [0.3333, 0.1667]
