"""What the trainer does on this machine's GPUs, measured by the trainer's own code.

torchrun --standalone --nproc-per-node N -m tools.gpu_check.measure_trainer WHAT FOLDER

Written and read against the documentation of torch, transformers and DeepSpeed; not yet run on a GPU.
WHAT is nccl, steps, packing or memory; the first rank prints one JSON object on its last line.
Judged by judge_trainer.py. Everything also runs on a CPU, which is how it is tested.
"""

import json
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig

from tools.gpu_check.check_job import LARGE, NUM_STEPS, SMALL, make_job
from trainer import loop
from trainer.batches.packs import Batch, PackFolder, join
from trainer.checkpoint.checkpoint import TrainState
from trainer.engine.ranks import Rank, join_ranks
from trainer.engine.steps import packs_of_rank
from trainer.job import Job, base_folder
from trainer.model.packed_model import PackedCausalLM, build
from trainer.objectives.sft import SFT
from trainer.plan import memory

NCCL_BYTES = 256 * 2**20
TIMEOUT_S = 300.0


def nccl(me: Rank, *, num_bytes: int = NCCL_BYTES, rounds: int = 10) -> dict[str, Any]:
    """All-reduce of whole numbers, whose sum fp32 holds exactly, and its bandwidth."""
    ramp = torch.arange(num_bytes // 4, device=me.device) % 1024
    mine = (ramp * (me.index + 1)).float()
    me.add_up(mine)
    wanted = (ramp * (me.world_size * (me.world_size + 1) // 2)).float()
    exact = bool(torch.equal(mine, wanted))
    _wait(me)
    start = time.perf_counter()
    for _ in range(rounds):
        me.add_up(mine)
    _wait(me)
    seconds = (time.perf_counter() - start) / rounds
    share = 2 * (me.world_size - 1) / me.world_size  # of the bytes, that each rank sends in a ring
    all_exact = bool(me.gather([exact]).all())
    return {"world_size": me.world_size, "exact": all_exact, "bytes_per_s": share * num_bytes / seconds}


def steps(me: Rank, job: Job) -> dict[str, Any]:
    """Loss and norm of some real optimizer steps, and what the rank holds afterwards."""
    engine, _ = loop.set_up(job, me)
    _forget_peak(me)
    packs = PackFolder(job.data_dir / "train")
    losses, norms = [], []
    for step in range(NUM_STEPS):
        work = packs_of_rank(packs, step, seed=job.seed, config=job.config, me=me)
        rate = job.config.learning_rate
        done = loop.update_weights(
            engine, work, rate, objective=SFT, state=TrainState(), max_loss_rise=None, me=me
        )
        losses.append(done.loss)
        norms.append(done.grad_norm)
    masters = [values for kind, _, _, values in engine.slices() if kind == "param"]
    return {
        **me.description,
        "losses": losses,
        "norms": norms,
        "master_dtypes": sorted({str(values.dtype).removeprefix("torch.") for values in masters}),
        "finer_than_bf16": any(not torch.equal(values, values.bfloat16().float()) for values in masters),
        "buffer_dtypes": engine.buffer_dtypes(),
        "held": {key: int(me.gather([value]).max()) for key, value in engine.local_bytes().items()},
        "total_elements": sum(torch.Size(shape).numel() for shape in engine.shapes.values()),
        "peak": int(me.gather([loop.peak_memory_bytes(me)]).max()),
    }


@torch.no_grad()
def packing(me: Rank, job: Job) -> dict[str, Any]:
    """A pack against its segments alone, and what a neighbour's change does to the others.

    Two controls show that a leak would be seen: the same pack without its inner boundaries.
    """
    base = loop.prepare_base(job, me)
    torch.manual_seed(0)
    model = build(base, device=me.device, dtype=me.dtype).to(me.device)
    for parameter in model.parameters():  # loud, so that a leak is
        parameter.data.fill_(1) if parameter.ndim == 1 else parameter.data.normal_(std=0.15)
    batch = join([PackFolder(job.data_dir / "train")[0]]).to(me.device)
    segments = batch.cu_seqlens.tolist()
    alone = torch.cat([_logits(model, _part(batch, a, b)) for a, b in pairwise(segments)])
    packed, open_pack = _logits(model, batch), batch._replace(cu_seqlens=batch.cu_seqlens[[0, -1]])
    middle = slice(segments[1], segments[2])
    outside = torch.ones(len(batch.input_ids), dtype=torch.bool, device=me.device)
    outside[middle] = False
    changed_ids = batch.input_ids.clone()
    changed_ids[middle] = (changed_ids[middle] + 1) % 256
    changed = _logits(model, batch._replace(input_ids=changed_ids))
    changed_open = _logits(model, open_pack._replace(input_ids=changed_ids))
    scale = float(alone.abs().max())
    before_open = _logits(model, open_pack)
    return {
        "attention": model.lm.config._attn_implementation,  # what it was built with, not what might be
        "dtype": me.description["dtype"],
        "segments": len(segments) - 1,
        "difference": float((packed - alone).abs().max()) / scale,
        "difference_without_boundaries": float((before_open - alone).abs().max()) / scale,
        "leak": float((changed - packed)[outside].abs().max()) / scale,
        "leak_without_boundaries": float((changed_open - before_open)[outside].abs().max()) / scale,
    }


def peak_and_estimate(me: Rank, job: Job, *, seq_len: int) -> dict[str, Any]:
    """Peak memory of real steps against the estimate."""
    found = steps(me, job)
    guess = memory.estimate(
        AutoConfig.from_pretrained(base_folder(job)),
        seq_len=seq_len,
        micro_batch_size=job.config.packs_at_once,
        world_size=me.world_size,
        dtype=me.dtype,
        trained_share=0.5,
    )
    return {"peak": found["peak"], "held": found["held"], "estimate": guess.as_dict()}


def _part(batch: Batch, start: int, stop: int) -> Batch:
    bounds = torch.tensor([0, stop - start], dtype=torch.int32, device=batch.input_ids.device)
    ids, positions, labels = (tensor[start:stop] for tensor in batch[:3])
    return Batch(ids, positions, labels, bounds, batch.tasks[:1], batch.rows[:1], batch.weights[:1])


def _logits(model: PackedCausalLM, batch: Batch) -> torch.Tensor:
    """At every position, fp32 (T, vocab)."""
    everywhere = torch.arange(len(batch.input_ids), device=batch.input_ids.device)
    return model.logits(batch.input_ids, batch.position_ids, batch.cu_seqlens, everywhere).float()


def _forget_peak(me: Rank) -> None:
    """From here on the peak is of the steps: loading may hold more at once. A CPU's cannot be reset."""
    if me.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(me.device)


def _wait(me: Rank) -> None:
    if me.device.type == "cuda":
        torch.cuda.synchronize(me.device)
    me.barrier()


def main(what: str, folder: Path) -> None:
    """Measure and print."""
    with join_ranks(timeout_s=TIMEOUT_S) as me:
        if what == "memory":
            job = make_job_once(me, folder, sizes=LARGE, seq_len=2048, global_batch_size=2)
            found = peak_and_estimate(me, job, seq_len=2048)
        else:
            job = make_job_once(me, folder, sizes=SMALL, seq_len=256, global_batch_size=8)
            measures = {"nccl": lambda: nccl(me), "steps": lambda: steps(me, job)}
            found = (measures | {"packing": lambda: packing(me, job)})[what]()
    if me.is_first:
        print(json.dumps(found), flush=True)


def make_job_once(me: Rank, folder: Path, **sizes: Any) -> Job:
    """The job, whose data the first rank writes. Collective."""
    if me.is_first:
        make_job(folder, **sizes)
    me.barrier()
    return make_job(folder, **sizes)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
