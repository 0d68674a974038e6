"""What a micro-batch asks of its device: one copy in, and nothing back before the step's end.

On a CPU nothing waits, so two stand-ins are watched: a model on `meta`, whose tensors have no values to ask
for, and ZeRO-3 on a CPU, whose every reading of a value a dispatch mode sees.
"""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from plain_loop import job_in, work_of, write_data
from rank_helpers import VOCAB_SIZE, run_ranks
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModelForCausalLM, LlamaConfig

from hunmin.models.config import ModelConfig
from trainer import loop
from trainer.batches.model_inputs import to_device
from trainer.batches.packs import PackFolder
from trainer.batches.weighting import count_step
from trainer.checkpoint.checkpoint import TrainState
from trainer.config import TrainConfig
from trainer.engine.outcome import Outcome
from trainer.engine.ranks import Rank
from trainer.engine.steps import MicroBatch, micro_batch
from trainer.model.attention import implementation
from trainer.model.packed_model import PackedCausalLM
from trainer.objectives import Scored
from trainer.objectives.sft import SFT

META = torch.device("meta")
MODEL = ModelConfig.model_validate(
    {"from_scratch": {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "vocab_size": 512}}
)
# Operations whose result the host must have before it goes on: a value, or a shape that depends on values.
READS = {"_local_scalar_dense", "nonzero", "masked_select", "unique_dim", "_unique2", "bincount", "equal"}


class Watch(TorchDispatchMode):
    """Counts what the host asks of tensors, and copies from one device to another."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: Counter[str] = Counter()
        self.copies = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if name in READS:
            self.reads[name] += 1
        elif name == "_to_copy":
            self.copies += (kwargs.get("device") or args[0].device) != args[0].device
        elif name == "copy_":
            self.copies += args[0].device != args[1].device
        return func(*args, **kwargs)


def a_micro_batch(root: Path, me: Rank) -> MicroBatch:
    write_data(root)
    packs = PackFolder(root / "data/train")
    two = [packs[0], packs[1]]
    return micro_batch(two, count_step(two, num_tasks=len(packs.tasks)), "token", me)


def test_a_micro_batch_goes_in_by_one_copy_and_none_comes_out(tmp_path: Path) -> None:
    """A tensor on `meta` that is asked for a value raises."""
    me = Rank(0, 1, META, 1)
    micro = a_micro_batch(tmp_path, me)
    shape = LlamaConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
    )
    with META:
        lm = AutoModelForCausalLM.from_config(shape, attn_implementation=implementation(META))
        model = PackedCausalLM(lm)
    outcome = Outcome(me, num_logged=0)
    with Watch() as watch:
        there = micro.to(me.device)
        losses_N = model(*there.inputs)
        part = SFT.minimise(Scored(-losses_N, there.weights, there.tasks, there.rows))
        outcome.add(part, losses_N)
        part.loss.backward()
    assert watch.copies == 1
    assert not watch.reads
    assert len(model.gradient_norms_N) == len(micro.weights) == len(losses_N) > 0
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_views_of_one_copy_are_the_tensors() -> None:
    there = to_device(
        tensors := [torch.arange(7), torch.zeros(0).double(), torch.arange(3).int(), torch.rand(5).double()],
        META,
    )
    assert [(view.dtype, view.shape) for view in there] == [(one.dtype, one.shape) for one in tensors]
    assert all(
        view is one for view, one in zip(to_device(tensors, torch.device("cpu")), tensors, strict=True)
    )


def reads_of_a_step(root: Path, num_packs: int) -> Counter[str]:
    from trainer.engine.ranks import join_ranks

    job = job_in(root, model=MODEL, global_batch_size=num_packs)
    with join_ranks(timeout_s=60) as me:
        engine, _ = loop.set_up(job, me)
        how: Any = {"objective": SFT, "state": TrainState(), "max_loss_rise": 4.0, "me": me}
        work = work_of(job, me)
        for _ in range(3):  # DeepSpeed learns the order of parameters from its first micro-batches
            loop.update_weights(engine, work, 1e-3, **how)
        with Watch() as watch:
            loop.update_weights(engine, work, 1e-3, **how)
        return watch.reads


def test_more_micro_batches_ask_no_more(tmp_path: Path) -> None:
    write_data(tmp_path)
    (few,) = run_ranks(reads_of_a_step, 1, tmp_path, 2)
    (many,) = run_ranks(reads_of_a_step, 1, tmp_path, 6)
    # DeepSpeed's check of the norm, the norm, and whether it was a spike, which is on the host by then
    assert few == many == {"_local_scalar_dense": 3}


def test_a_validation_is_read_back_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an engine that gives each token the loss of its target's number, so that the sums are known too."""
    write_data(tmp_path)
    packs = PackFolder(tmp_path / "data/train")
    to_host = Counter[str]()
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: (to_host.update(["cpu"]), tensor.to("cpu"))[1])

    class Engine:
        def train(self, mode: bool = True) -> None:
            pass

        def losses(self, inputs: Any) -> torch.Tensor:
            return inputs.targets.float()

    asked = np.arange(5)
    me: Any = SimpleNamespace(
        num_groups=1, group_index=0, sequence_parallel_size=1, gather=lambda values: np.array([values])
    )
    config = TrainConfig.model_validate({"micro_batch_size": 1})
    found = loop.validate(cast("Any", Engine()), packs, asked, step=3, config=config, me=me)
    targets = np.concatenate([(ids := packs[index].labels)[ids >= 0] for index in asked.tolist()])
    assert found["loss"] == pytest.approx(targets.mean(), rel=1e-12)
    assert found["num_valid_tokens"] == len(targets)
    assert to_host == {"cpu": 1}
