"""No rank ever holds the whole model while it loads: measured in two real ranks, by private memory."""

import ctypes
import threading
from pathlib import Path
from typing import Any

from plain_loop import SEED, job_in, write_data
from rank_helpers import run_ranks

from hunmin.models.config import ModelConfig
from trainer.model.packed_model import create_base

MODEL = ModelConfig.model_validate(
    {"from_scratch": {"hidden_size": 640, "num_layers": 16, "num_heads": 10, "vocab_size": 512}}
)
MIB = 2**20
M_MMAP_THRESHOLD = -3  # of malloc.h


def give_back_at_once() -> None:
    """What is freed leaves the process at once, as glibc always does with more than 32 MiB.

    The tensors of this small model are smaller: they would leave holes in the heap, by timing up to 80 MiB.
    """
    assert ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 128 * 1024) == 1


def private_bytes() -> int:
    """What the process holds of its own: files that are mapped do not count."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel tells RssAnon")


def loading(root: Path) -> dict[str, int]:
    """Private memory that loading adds, at its peak and when it is done; before the optimizer is made."""
    from trainer import loop
    from trainer.engine import zero3
    from trainer.engine.ranks import join_ranks

    found: dict[str, int] = {}
    loaded = threading.Event()
    initialize = zero3.deepspeed.initialize

    def told(*args: Any, **kwargs: Any) -> Any:
        found["held"] = private_bytes() - before
        loaded.set()
        sampler.join()
        return initialize(*args, **kwargs)

    zero3.deepspeed.initialize = told
    job = job_in(root, model=MODEL, global_batch_size=2)
    give_back_at_once()
    with join_ranks(timeout_s=120) as me:
        before = private_bytes()

        def sample() -> None:
            while not loaded.wait(0.002):
                found["peak"] = max(found.get("peak", 0), private_bytes() - before)

        sampler = threading.Thread(target=sample)
        sampler.start()
        loop.set_up(job, me)
    return found


def test_a_rank_holds_its_half_and_never_the_whole(tmp_path: Path) -> None:
    write_data(tmp_path, num_packs=2)
    assert MODEL.from_scratch is not None
    base = tmp_path / "train/base"
    create_base(MODEL.from_scratch, tokenizer_dir=tmp_path / "data/tokenizer", seed=SEED, out=base)
    model_bytes = (base / "model.safetensors").stat().st_size
    assert model_bytes > 250 * MIB
    for found in run_ranks(loading, 2, tmp_path):
        print(
            f"model {model_bytes / MIB:.0f} MiB, " + ", ".join(f"{k} {v / MIB:.0f}" for k, v in found.items())
        )
        assert found["held"] <= 0.5 * model_bytes + 24 * MIB
        assert found["peak"] <= 0.5 * model_bytes + 32 * MIB, "slices, and one tensor at a time"
