"""The same model, packs and batch by a plain loop: transformers, its attention, torch's AdamW, DDP.

Weights that are trained are fp32 and forward and backward autocast, frozen ones are in the forward's
precision. Rows of a pack are told apart by their positions, as transformers does it.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from transformers.utils.import_utils import is_flash_attn_2_available

from hunmin.schema import IGNORE_INDEX
from tools.gpu_check.figures import ours, random_model
from tools.gpu_check.figures.ours import Setting
from tools.gpu_check.figures.rank import Emit, Given
from tools.gpu_check.figures.speed import time_steps
from trainer.batches.model_inputs import Inputs
from trainer.engine.ranks import Rank
from trainer.engine.steps import StepPacks
from trainer.model import lora


def speed(given: Given, setting: Setting, me: Rank, emit: Emit) -> None:
    """Steps of the plain loop."""
    torch.use_deterministic_algorithms(False)  # as such a loop runs
    os.environ.pop("FLASH_ATTENTION_DETERMINISTIC", None)
    attention = "flash_attention_2" if me.device.type == "cuda" and is_flash_attn_2_available() else "sdpa"
    emit({"attention": attention})
    model = _model(setting, me, attention)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=setting.config.learning_rate, fused=True)
    spread = DistributedDataParallel(model) if me.world_size > 1 else model
    ours.forget_peak(me)

    def update(work: StepPacks) -> tuple[float, float]:
        return _update(spread, trained, optimizer, work, setting=setting, me=me)

    time_steps(given, setting, me, emit, update)


def _model(setting: Setting, me: Rank, attention: str) -> Any:
    config = setting.config
    dtype = torch.float32 if config.lora is None else me.dtype
    model = random_model.plain_model(setting.model, device=me.device, dtype=dtype, attention=attention)
    if config.lora is not None:
        lora.adapt(model, config.lora)
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.to(me.device, torch.float32)
                nn.init.zeros_(parameter)
        for name, parameter in model.named_parameters():
            if lora.file_name(name).endswith(lora.A):
                nn.init.kaiming_uniform_(parameter)
    return model.train()


def _update(
    model: Any,
    trained: list[Any],
    optimizer: torch.optim.Optimizer,
    work: StepPacks,
    *,
    setting: Setting,
    me: Rank,
) -> tuple[float, float]:
    """One step of the same sum over the same tokens: its loss, and the gradient's norm."""
    loss = torch.zeros((), device=me.device)
    for number, micro in enumerate(work.micro_batches, start=1):
        is_last = number == len(work.micro_batches)
        waits = me.world_size > 1 and not is_last
        no_sync: AbstractContextManager[Any] = model.no_sync() if waits else nullcontext()
        with no_sync:
            with torch.autocast(me.device.type, me.dtype, enabled=me.dtype != torch.float32):
                part = _loss(model, micro.inputs.to(me.device)) / work.counts.num_valid_tokens
            (part * me.world_size).backward()  # DDP averages
        loss += part.detach()
    norm = nn.utils.clip_grad_norm_(trained, setting.config.max_grad_norm)
    optimizer.step()
    optimizer.zero_grad()
    return float(me.gather([float(loss)]).sum()), float(norm)


def _loss(model: Any, inputs: Inputs) -> torch.Tensor:
    """Sum over the trained tokens: logits at every position, as a plain loop has them."""
    logits_TV = model(
        input_ids=inputs.input_ids[None], position_ids=inputs.position_ids[None], use_cache=False
    ).logits[0]
    targets_T = torch.full_like(inputs.input_ids, IGNORE_INDEX)
    targets_T[inputs.positions] = inputs.targets
    return nn.functional.cross_entropy(
        logits_TV.float(), targets_T, ignore_index=IGNORE_INDEX, reduction="sum"
    )
