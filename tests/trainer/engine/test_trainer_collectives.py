"""What ranks say to each other in a micro-batch: how often, and in which precision. Two real ranks."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from plain_loop import job_in, work_of, write_root
from rank_helpers import run_ranks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hunmin.models.config import ModelConfig
from trainer.checkpoint.checkpoint import TrainState
from trainer.config import ZeroConfig
from trainer.objectives.sft import SFT

MODEL = ModelConfig.model_validate(
    {"from_scratch": {"hidden_size": 48, "num_layers": 4, "num_heads": 4, "vocab_size": 512}}
)
NUM_MICRO_BATCHES = 2


class Collectives(TorchDispatchMode):
    """Counts collectives by name and element type."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[tuple[str, str]] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "c10d":
            tensor = next(one for one in tree_leaves(args) if torch.is_tensor(one))
            kind = func.overloadpacket.__name__.strip("_")
            self.calls[kind, str(tensor.dtype).removeprefix("torch.")] += 1
        return func(*args, **(kwargs or {}))


def steps(root: Path, settings: dict[str, Any]) -> tuple[Counter[tuple[str, str]], list[float]]:
    """Collectives of the last of four steps, and all losses."""
    from trainer import loop
    from trainer.engine.ranks import join_ranks

    job = job_in(root, model=MODEL, global_batch_size=2 * NUM_MICRO_BATCHES, **settings)
    losses = []
    with join_ranks(timeout_s=60, precision=job.config.precision) as me:
        engine, _ = loop.set_up(job, me)
        work = work_of(job, me)
        for _ in range(4):  # in the first ones DeepSpeed learns the order of parameters
            with Collectives() as seen:
                done = loop.update_weights(
                    engine, work, 1e-3, objective=SFT, state=TrainState(), max_loss_rise=None, me=me
                )
            losses.append(done.loss)
    return seen.calls, losses


def num_gathers(calls: Counter[tuple[str, str]]) -> int:
    return sum(count for (kind, _), count in calls.items() if kind.startswith("allgather"))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_root(tmp_path_factory.mktemp("collectives"), MODEL, num_packs=4)


def test_vectors_kept_whole_cost_no_collective_and_change_no_loss(root: Path) -> None:
    gathered, losses = run_ranks(steps, 2, root, {"zero": {"param_persistence_threshold": 0}})[0]
    kept, same = run_ranks(steps, 2, root, {})[0]
    print(f"gathers of a step of two micro-batches: {num_gathers(gathered)}, {num_gathers(kept)}")
    assert num_gathers(kept) < num_gathers(gathered)
    assert same == losses


def test_gradients_travel_in_the_precision_that_is_told(root: Path) -> None:
    for told, wanted in (("fp32", "float32"), ("bf16", "bfloat16")):
        calls, losses = run_ranks(steps, 2, root, {"precision": "bf16", "zero": {"reduce_dtype": told}})[0]
        assert {dtype for (kind, dtype) in calls if kind.startswith("reduce_scatter")} == {wanted}, calls
        assert losses[-1] < losses[0]


def test_sizes_go_by_the_model_unless_they_are_told() -> None:
    silent = ZeroConfig.model_validate({})
    assert silent.sizes(4096) == (50_000_000, 50_000_000, 40_960)
    assert silent.sizes(8192) == (8192**2, 8192**2, 81_920)
    told = {"prefetch_bucket_size": 0, "reduce_bucket_size": 7, "param_persistence_threshold": 0}
    assert ZeroConfig.model_validate(told).sizes(4096) == (0, 7, 0)
