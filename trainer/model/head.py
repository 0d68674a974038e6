"""The head and the loss at the trained positions, in chunks: the logits never stand in memory as a whole."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from trainer.model.loss import masked_loss

FP32 = 4


class LossHead(nn.Module):
    """Hidden states to losses. Holds the head's own parameters, so that ZeRO-3 gathers them once a call.

    A chunk keeps its hidden states only; its logits are computed again in the backward. What fits one chunk
    is kept. The number of chunks may differ between ranks: nothing in a chunk is collective. `max_bytes` are
    of logits that stand at a time, their fp32 copies included.
    """

    def __init__(self, lm: PreTrainedModel, *, max_bytes: int):
        super().__init__()
        head: Any = lm.get_output_embeddings()
        self.weight, self.bias = head.weight, getattr(head, "bias", None)
        self.max_bytes = max_bytes
        config: Any = lm.config.get_text_config()
        self._softcap = getattr(config, "final_logit_softcapping", None)  # Gemma 2
        self._divisor = getattr(config, "logits_scaling", None)  # Granite
        self._factor = getattr(config, "logit_scale", None)  # Cohere
        self._vocab_size = config.vocab_size

    def forward(self, hidden_ND: Tensor, targets_N: Tensor) -> Tensor:
        """Loss of each position: losses_N, fp32 nats."""
        rows = chunk_rows(self.max_bytes, vocab_size=self._vocab_size, dtype=hidden_ND.dtype)
        if len(targets_N) <= rows:
            return self._losses(hidden_ND, targets_N)
        return torch.cat(
            [
                checkpoint(self._losses, hidden, targets, use_reentrant=False)
                for hidden, targets in zip(hidden_ND.split(rows), targets_N.split(rows), strict=True)
            ]
        )

    def logits(self, hidden_ND: Tensor) -> Tensor:
        """logits_NV in the model's precision, scaled and capped as the model's own forward does."""
        logits_NV = linear(hidden_ND, self.weight, self.bias)
        if self._factor is not None:
            logits_NV = logits_NV * self._factor
        if self._divisor is not None:
            logits_NV = logits_NV / self._divisor
        if self._softcap is not None:
            logits_NV = torch.tanh(logits_NV / self._softcap) * self._softcap
        return logits_NV

    def _losses(self, hidden_ND: Tensor, targets_N: Tensor) -> Tensor:
        return masked_loss(self.logits(hidden_ND), targets_N)


def chunk_rows(max_bytes: int, *, vocab_size: int, dtype: torch.dtype) -> int:
    """Positions whose logits and fp32 copies fit max_bytes; at least one."""
    return max(1, max_bytes // (vocab_size * logit_bytes_each(dtype)))


def logit_bytes_each(dtype: torch.dtype) -> int:
    """Bytes a logit takes at the loss: as computed, in fp32, and its log-softmax in fp32."""
    return FP32 + (FP32 if dtype == torch.float32 else dtype.itemsize + FP32)
