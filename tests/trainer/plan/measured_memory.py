"""Bytes of tensors that real steps of the real engine hold at once.

Counted is what the estimate models and what `torch.cuda.max_memory_allocated` counts on a GPU: the storage of
every tensor from its making to its release, whichever thread releases it (gloo's do; torch's profiler, which
counts the allocator, sees one thread only: a test holds the two together on one rank). Left out: what one
kernel makes for itself, the interpreter, libraries, mapped files, buffers of gloo or NCCL.
"""

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoModelForCausalLM, PreTrainedConfig

from hunmin.models.config import ModelConfig
from tools.gpu_check.check_job import make_job
from trainer.batches.packs import PackFolder
from trainer.config import TrainConfig
from trainer.job import Job

PHASES = ("loss", "update", "saving")
RATE = 1e-3


class LiveBytes(TorchDispatchMode):
    """Inside of it, bytes of the storages that were made and are not yet released; `peak` the most so far."""

    def __init__(self) -> None:
        super().__init__()
        self.held = self.peak = 0
        self._known: dict[int, weakref.ref[Any]] = {}
        self._lock = threading.RLock()  # a collection of garbage may release in the middle of a count

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self._see(tensor.untyped_storage())
        return out

    def _see(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        with self._lock:
            if key in self._known or not size:
                return

            def release(_: Any) -> None:
                with self._lock:
                    self._known.pop(key, None)
                    self.held -= size

            self._known[key] = weakref.ref(storage, release)
            self.held += size
            self.peak = max(self.peak, self.held)

    @contextmanager
    def phase(self, peaks: dict[str, int], name: str) -> Iterator[None]:
        """Keep the most bytes of this block in `peaks`, over all of its occurrences."""
        self.peak = self.held
        yield
        peaks[name] = max(peaks.get(name, 0), self.peak)


def measure(root: Path, shape: dict[str, Any]) -> dict[str, Any]:
    """Peaks by phase, over two steps and one that runs beside the copy of a save. Collective.

    Args:
        shape: `architecture` (transformers' class of the config) and its `sizes`, `seq_len`, `train` (the
            section of that name), and `offload`: what is forced into host memory; on a CPU host and device
            are one memory.

    Returns:
        `peaks` of PHASES in bytes; of the largest micro-batch `targets` and `squares`, the sum of its squared
        segment lengths.
    """
    from trainer import loop
    from trainer.engine import zero3
    from trainer.engine.ranks import join_ranks
    from trainer.engine.steps import packs_of_rank

    if shape.get("offload"):
        _force_offload(zero3, shape["offload"])
    config = TrainConfig.model_validate(shape["train"])
    peaks: dict[str, int] = {}
    with join_ranks(
        timeout_s=60, precision=config.precision, sequence_parallel_size=config.sequence_parallel_size
    ) as me:
        if me.is_first:
            job_of(root, shape)
        me.barrier()
        job = job_of(root, shape)
        packs = PackFolder(job.data_dir / "train")
        works = [packs_of_rank(packs, step, seed=0, config=job.config, me=me) for step in range(3)]
        batches = [one for work in works for one in work.micro_batches]
        with LiveBytes() as live:
            engine, _ = loop.set_up(job, me)

            def step(work: Any, forward: str, update: str) -> None:
                for micro in work.micro_batches:
                    with live.phase(peaks, forward):
                        engine.backward((engine.losses(micro.inputs) * micro.weights).sum())
                    with live.phase(peaks, update):
                        engine.step(RATE)

            step(works[0], "loss", "update")  # leaves what the second finds
            step(works[1], "loss", "update")
            copies = [values.to("cpu", copy=True) for *_, values in engine.slices()]
            step(works[2], "saving", "saving")
            del copies
    return {
        "peaks": peaks,
        "targets": max(len(one.weights) for one in batches),
        "squares": max(int((one.inputs.cu_seqlens.diff().long() ** 2).sum()) for one in batches),
    }


def job_of(root: Path, shape: dict[str, Any]) -> Job:
    """The job of a shape; its data and its model are written where they are not there yet."""
    job = make_job(root, sizes={}, seq_len=shape["seq_len"], global_batch_size=4)
    folder = root / "model"
    if not folder.exists():
        AutoModelForCausalLM.from_config(config_of(shape)).save_pretrained(folder)
    config = {"global_batch_size": 4} | shape["train"]
    return replace(
        job,
        config=TrainConfig.model_validate(config),
        model=ModelConfig.model_validate({"path": str(folder)}),
    )


def config_of(shape: dict[str, Any]) -> PreTrainedConfig:
    """The model's configuration."""
    return getattr(transformers, shape["architecture"])(**shape["sizes"])


def _force_offload(zero3: Any, parts: list[str]) -> None:
    told = zero3.deepspeed_settings

    def settings(*args: Any, **kwargs: Any) -> dict[str, Any]:
        found = told(*args, **kwargs)
        for part in parts:
            found["zero_optimization"][part] = {"device": "cpu", "pin_memory": False}
        return found

    zero3.deepspeed_settings = settings
