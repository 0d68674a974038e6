"""The losses of a finished run beside those of plain PyTorch: stock model, row by row, torch's own AdamW.

.venv/bin/python benchmarks/plain_training.py runs/NAME [NUM_STEPS]

Reads config.yaml, data/ and train/metrics.jsonl; one process, all cores, no packing, no ZeRO, no code of ours
but the order of packs and the schedule. A run with adapters is repeated with peft's own model.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from transformers import AutoModelForCausalLM

from hunmin.models.folder import locate_model
from trainer.batches import dealing
from trainer.batches.packs import PackFolder
from trainer.config import TrainConfig
from trainer.engine.learning_rate import learning_rate
from trainer.metrics import metrics_log
from trainer.model import lora

IGNORE_INDEX = -100


def rows_of_step(
    packs: PackFolder, step: int, *, seed: int, size: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """(input_ids, labels) of each row of a step."""
    rows = []
    for index in dealing.packs_of_step(
        step, seed=seed, epoch_sizes=packs.epoch_sizes, global_batch_size=size
    ):
        pack = packs[index]
        cuts = np.cumsum(pack.seq_lengths)[:-1]
        rows += zip(np.split(pack.input_ids, cuts), np.split(pack.labels, cuts), strict=True)
    return rows


def make_model(folder: Path, config: TrainConfig, seed: int) -> Any:
    """The stock model, or peft's around it with the first values of the run."""
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if config.lora is None:
        return model
    import peft

    adapters = peft.LoraConfig(
        r=config.lora.rank,
        lora_alpha=int(config.lora.alpha),
        target_modules=config.lora.target_modules,
        task_type="CAUSAL_LM",
    )
    model = peft.get_peft_model(model, adapters)
    named = {
        lora.file_name(name.removeprefix("base_model.model.")): p
        for name, p in model.named_parameters()
        if p.requires_grad
    }
    fresh = lora.FreshAdapters({name: tuple(p.shape) for name, p in named.items()}, seed=seed)
    for name, parameter in named.items():
        parameter.data = fresh.read(name, 0, parameter.numel()).reshape(parameter.shape)
    return model


def main(run_dir: Path, num_steps: int | None) -> None:
    """Train again, print both losses of each step and the largest difference."""
    sections = yaml.safe_load((run_dir / "config.yaml").read_text())
    config, seed = TrainConfig(**sections["train"]), int(sections.get("seed", 0))
    folder = run_dir / "train/base"
    if (path := sections["model"].get("path")) is not None:
        folder = locate_model(path, base=run_dir / sections.get("base", "."))
    packs = PackFolder(run_dir / "data/train")
    wanted = [
        line for line in metrics_log.read_lines(run_dir / "train/metrics.jsonl") if line["kind"] == "train"
    ]
    model = make_model(folder, config, seed)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in trained if p.ndim >= 2], "weight_decay": config.weight_decay},
            {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
        betas=config.betas,
        eps=config.eps,
    )
    worst = 0.0
    for line in wanted[:num_steps]:
        step, start = line["step"] - 1, time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, num_steps=len(wanted), config=config)
        rows = rows_of_step(packs, step, seed=seed, size=config.global_batch_size)
        count = sum(int((labels[1:] != IGNORE_INDEX).sum()) for _, labels in rows)
        total = 0.0
        for ids, labels in rows:
            logits_TV = model(torch.tensor(ids, dtype=torch.long)[None]).logits[0]
            target = torch.tensor(labels, dtype=torch.long)[1:]
            loss = torch.nn.functional.cross_entropy(logits_TV[:-1], target, reduction="sum") / count
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(trained, config.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        worst = max(worst, abs(line["loss"] / total - 1))
        seconds = time.perf_counter() - start
        print(
            f"step {step + 1}: plain {total:.6f} in {seconds:.1f} s, run {line['loss']:.6f} in "
            f"{line['step_s']:.1f} s, difference {line['loss'] / total - 1:+.1e}",
            flush=True,
        )
    print(json.dumps({"largest_relative_difference": worst}))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else None)
