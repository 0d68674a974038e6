"""Fused kernels for norms, rotary positions and gated MLPs, by Liger (Hsu et al., 2024).

Liger's loss is left out: the head here is computed where a target is, in chunks. Not yet run on a GPU: what
is tested is when the kernels are taken, and what is said where they are not.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Literal

import torch
from transformers import PreTrainedModel

from hunmin.errors import ConfigError

Kernels = Literal["auto", "liger", "torch"]
LIGER = "liger_kernel"


def use_kernels(lm: PreTrainedModel, kernels: Kernels, *, device: torch.device) -> str | None:
    """Put Liger's kernels into the model, in place, where `kernels` allows it and they run.

    Returns:
        What to tell the user; None where the model stays as transformers has it.

    Raises:
        ConfigError: `liger` was asked for and cannot be used.
    """
    if kernels == "torch":
        return None
    missing = _missing(lm, device)
    if missing is None:
        patches = import_module(f"{LIGER}.transformers.monkey_patch")
        patches._apply_liger_kernel_to_instance(lm, cross_entropy=False, fused_linear_cross_entropy=False)
        return "norms, rotary positions and MLPs are computed by Liger's kernels"
    if kernels == "liger":
        raise ConfigError(f"train.kernels: liger cannot be used, for {missing}; take auto or torch")
    return None


def _missing(lm: PreTrainedModel, device: torch.device) -> str | None:
    """What Liger lacks here; None where it runs."""
    if device.type != "cuda":
        return "this rank has no GPU"
    if find_spec(LIGER) is None:
        return "its package is not installed (pip install liger-kernel)"
    known = import_module(f"{LIGER}.transformers.monkey_patch").MODEL_TYPE_TO_APPLY_LIGER_FN
    model_type = lm.config.get_text_config().model_type
    return None if model_type in known else f"it has no kernels for models of type {model_type}"
