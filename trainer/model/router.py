"""The router loss, which keeps a mixture's experts in even use: of each packed row alone."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from hunmin.errors import ConfigError
from trainer.config import TrainConfig


def router_losses(router_logits: Sequence[Tensor], cu_seqlens: Tensor, *, top_k: int) -> Tensor:
    """How unevenly each row of a packed sequence uses the experts: losses_S, fp32; top_k is even use.

    Of a row alone, over all of its tokens, prompt and answer: experts x the sum over experts of the share of
    its tokens sent there x the mean probability given there (Fedus et al., Switch Transformers, 2022,
    equations 4 to 6), both over all layers, as transformers takes them of a batch. Not of the micro-batch:
    the loss would then depend on how a step is cut. DeepSeek-V3 (2024, section 2.1.2) has one of sequences.

    Args:
        router_logits: of each layer with experts (T, experts), before the softmax.
        cu_seqlens: int32 (S + 1,).
        top_k: experts that a token is sent to.
    """
    lengths_S = cu_seqlens.diff()
    num_tokens, num_experts = router_logits[0].shape
    rows_T = torch.bucketize(torch.arange(num_tokens, device=cu_seqlens.device), cu_seqlens[1:], right=True)
    sent_SE = torch.zeros(len(lengths_S), num_experts, device=cu_seqlens.device)
    given_SE = torch.zeros_like(sent_SE)
    for logits_TE in router_logits:
        probs_TE = logits_TE.float().softmax(-1)
        chosen_TE = torch.zeros_like(probs_TE).scatter_(-1, probs_TE.topk(top_k, dim=-1).indices, 1.0)
        sent_SE = sent_SE.index_add(0, rows_T, chosen_TE)
        given_SE = given_SE.index_add(0, rows_T, probs_TE)
    places_S1 = (lengths_S * len(router_logits))[:, None]
    return num_experts * (sent_SE / places_S1 * given_SE / places_S1).sum(-1)


def router_loss_coef(lm: PreTrainedModel, config: TrainConfig) -> float:
    """What the router loss weighs beside the loss: as the config has it, else as the model's own does.

    Raises:
        ConfigError: the model has no such loss, or it cannot be had with another setting.
    """
    described: Any = lm.config
    wanted = config.router_aux_loss_coef
    if wanted is None:
        own = getattr(described, "router_aux_loss_coef", None)
        wanted = own if own and getattr(described, "output_router_logits", False) else 0.0
    if not wanted:
        return 0.0
    problem = None
    if getattr(described, "router_aux_loss_coef", None) is None:
        problem = f"{type(lm).__name__} has no router loss"
    elif config.recompute != "none":
        problem = "recomputed layers (train.activation_checkpointing) give the router loss no gradient"
    elif config.sequence_parallel_size > 1:
        problem = "the ranks of train.sequence_parallel_size see parts of a row"
    if problem is not None:
        raise ConfigError(f"train.router_aux_loss_coef is {wanted:g}, but {problem}; set it to 0")
    return float(wanted)


def expert_blocks(lm: nn.Module) -> list[str]:
    """Names of the modules whose experts are chosen token by token: what runs in them depends on the data."""
    return [
        name for name, module in lm.named_modules() if isinstance(getattr(module, "experts", None), nn.Module)
    ]
