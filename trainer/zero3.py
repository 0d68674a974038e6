"""ZeRO-3: parameters, gradients and optimizer state partitioned over the ranks. The only file with deepspeed.

A parameter is flattened, padded to a multiple of world_size and cut into equal slices; rank r holds slice r.
"""

import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch

# Told before the import, DeepSpeed does not guess (and does not warn that it guessed).
os.environ.setdefault("DS_ACCELERATOR", "cuda" if torch.cuda.is_available() else "cpu")

import deepspeed
from deepspeed.utils import logger as deepspeed_logger
from deepspeed.utils import (
    safe_get_full_grad,
    safe_get_local_fp32_param,
    safe_get_local_optimizer_state,
    safe_set_local_fp32_param,
    safe_set_local_optimizer_state,
)
from torch import Tensor, nn
from transformers.integrations.deepspeed import prevent_arange_dtype_change

from trainer import memory
from trainer.config import TrainConfig
from trainer.model import PackedCausalLM
from trainer.packs import Batch
from trainer.ranks import Rank

MOMENTS = ("exp_avg", "exp_avg_sq")
PREFIX = "lm."  # of PackedCausalLM around the model whose names the files use


class Weights(Protocol):
    """Where weights are read from, slice by slice."""

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """Elements start..stop of the flattened parameter, fp32."""
        ...


class Zero3:
    """A model in training, of which this rank holds one slice of every parameter.

    Attributes:
        parameters: by the name the model's files use.

    """

    def __init__(
        self,
        make_model: Callable[[], PackedCausalLM],
        *,
        config: TrainConfig,
        accum_steps: int,
        me: Rank,
        weights: Callable[[dict[str, tuple[int, ...]], set[str]], Weights],
    ):
        """Build the model partitioned from birth, read this rank's slices, set up AdamW. Collective.

        Args:
            make_model: gives the architecture; its own initial values are never used.
            config: the optimizer's settings.
            accum_steps: micro-batches in a step.
            me: this rank.
            weights: given the parameters' shapes and the names shared with another, where to read from.

        """
        _quiet()
        deepspeed.init_distributed(dist_init_required=False, auto_mpi_discovery=False, verbose=False)
        settings = _settings(config, accum_steps=accum_steps, me=me)
        self._me = me
        # The precision comes from the settings: Init's own dtype argument gives bf16 on a CPU, always.
        with (
            _local_rank_is(me.device),
            prevent_arange_dtype_change(),
            deepspeed.zero.Init(config_dict_or_path=settings),
        ):
            module = make_model()
        self.parameters: dict[str, Any] = _named(module, shared=False)
        self.tied = _named(module, shared=True).keys() - self.parameters.keys()
        dtypes = {parameter.ds_tensor.dtype for parameter in self.parameters.values()}
        assert dtypes == {me.dtype}, f"parameters are {dtypes}, not {me.dtype}"
        self._load(weights(self.shapes, self.tied))
        with _local_rank_is(me.device):
            self._engine: Any = deepspeed.initialize(
                model=module, optimizer=_adamw(module, config), config=settings, dist_init_required=False
            )[0]
        self._create_moments()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Full shapes of the parameters."""
        return {name: tuple(p.ds_shape) for name, p in self.parameters.items()}

    def train(self, mode: bool = True) -> None:
        """Training or evaluation mode."""
        self._engine.train(mode)

    def losses(self, batch: Batch) -> Tensor:
        """PackedCausalLM.forward: losses_N of the micro-batch. Collective."""
        batch = batch.to(self._me.device)
        return self._engine(batch.input_ids, batch.position_ids, batch.cu_seqlens, batch.labels)

    def backward(self, loss_sum: Tensor, *, num_valid_tokens: int) -> None:
        """Add the micro-batch's share of the gradient of (sum over the step) / num_valid_tokens. Collective.

        DeepSpeed averages over ranks, hence world_size; num_valid_tokens is of the whole step.
        """
        self._engine.backward(loss_sum * self._me.world_size / num_valid_tokens, scale_wrt_gas=False)

    def step(self, learning_rate: float) -> tuple[float, bool]:
        """Count a micro-batch; at the last one of the step, clip and update. Collective.

        Returns:
            The gradient's norm before clipping, and whether the update was applied: a norm that is not
            finite is equal on all ranks and leaves weights and moments as they are.

        """
        for group in self._engine.optimizer.param_groups:
            group["lr"] = learning_rate
        boundary = self._engine.is_gradient_accumulation_boundary()
        self._engine.step()
        if not boundary:
            return math.nan, False
        applied = not self._engine.optimizer.overflow
        return (float(self._engine.get_global_grad_norm()) if applied else math.inf), applied

    def gradients(self) -> Iterator[tuple[str, Tensor]]:
        """Full gradients, after the last backward and before its step. Collective; for tests and checks."""
        for name, parameter in self.parameters.items():
            gradient = safe_get_full_grad(parameter)
            assert gradient is not None, f"{name}: no gradient; call between backward and step"
            yield name, gradient

    # Slices: what checkpoints hold.

    def extent(self, name: str) -> tuple[int, int]:
        """Start and stop, in the flattened parameter, of this rank's slice, padding left out."""
        parameter = self.parameters[name]
        size, numel = parameter.ds_tensor.numel(), parameter.ds_numel
        start = min(self._me.index * size, numel)
        return start, min(start + size, numel)

    def slices(self) -> Iterator[tuple[str, str, int, Tensor]]:
        """(kind, parameter name, start, values) of this rank: fp32 `param`, `exp_avg`, `exp_avg_sq`."""
        for name, parameter in self.parameters.items():
            start, stop = self.extent(name)
            yield "param", name, start, _local(safe_get_local_fp32_param(parameter), stop - start)
            for kind in MOMENTS:
                values = safe_get_local_optimizer_state(parameter, kind)
                yield kind, name, start, _local(values, stop - start)

    def restore(self, read: Callable[[str, str, int, int], Tensor], *, num_updates: int) -> None:
        """Set fp32 weights and moments to a checkpoint's.

        The weights that the forward uses were read at construction.

        Args:
            read: (kind, name, start, stop) -> fp32 values.
            num_updates: AdamW's step count.

        """
        for name, parameter in self.parameters.items():
            start, stop = self.extent(name)
            size = parameter.ds_tensor.numel()
            safe_set_local_fp32_param(parameter, _padded(read("param", name, start, stop), size))
            for kind in MOMENTS:
                safe_set_local_optimizer_state(parameter, _padded(read(kind, name, start, stop), size), kind)
        for state in self._inner_states():
            state["step"].fill_(num_updates)

    def local_bytes(self) -> dict[str, int]:
        """Bytes this rank holds from step to step, by the names of memory.Memory."""
        zero = self._engine.optimizer
        return {
            "parameters": sum(p.ds_tensor.nbytes for p in self.parameters.values()),
            "masters": sum(flat.nbytes for flat in zero.fp32_partitioned_groups_flat),
            "gradients": zero.grad_partitions_flat_buffer.nbytes,
            "moments": sum(state[kind].nbytes for state in self._inner_states() for kind in MOMENTS),
        }

    def buffer_dtypes(self) -> list[str]:
        """Precisions of the model's constants, such as rotary frequencies: bf16 would move far positions."""
        found = {str(buffer.dtype) for buffer in self._engine.module.buffers() if buffer.is_floating_point()}
        return sorted(name.removeprefix("torch.") for name in found)

    def _load(self, weights: Weights) -> None:
        for name, parameter in self.parameters.items():
            start, stop = self.extent(name)
            # Through .data: ds_tensor may be a leaf that autograd watches.
            parameter.ds_tensor.data.copy_(
                _padded(weights.read(name, start, stop), parameter.ds_tensor.numel())
            )

    def _inner_states(self) -> list[dict[str, Tensor]]:
        zero = self._engine.optimizer
        return [zero.optimizer.state[flat] for flat in zero.fp32_partitioned_groups_flat]

    def _create_moments(self) -> None:
        """AdamW makes its state at the first update; a checkpoint must be able to set it before."""
        zero = self._engine.optimizer
        for flat in zero.fp32_partitioned_groups_flat:
            zero.optimizer.state[flat] = {
                "step": torch.zeros((), dtype=torch.float32, device=flat.device),
                **{kind: torch.zeros_like(flat) for kind in MOMENTS},
            }


def _named(module: nn.Module, *, shared: bool) -> dict[str, Any]:
    """Parameters by the name the model's files use; `shared`: those with two names under both."""
    return {
        name.removeprefix(PREFIX): parameter
        for name, parameter in module.named_parameters(remove_duplicate=not shared)
    }


def _settings(config: TrainConfig, *, accum_steps: int, me: Rank) -> dict[str, Any]:
    """DeepSpeed's configuration. bf16 (on a GPU) keeps master weights and accumulates in fp32."""
    bf16 = me.dtype == torch.bfloat16
    return {
        "train_micro_batch_size_per_gpu": config.micro_batch_size,
        "gradient_accumulation_steps": accum_steps,
        "gradient_clipping": config.max_grad_norm,
        "zero_allow_untested_optimizer": True,
        "zero_optimization": {
            "stage": 3,
            # Below: small models would spend their time gathering and releasing.
            "stage3_param_persistence_threshold": 0,
            "stage3_max_live_parameters": memory.MAX_LIVE_PARAMETERS,
            "stage3_max_reuse_distance": memory.MAX_LIVE_PARAMETERS,
            "stage3_prefetch_bucket_size": memory.PREFETCH_BUCKET,
            "reduce_bucket_size": memory.REDUCE_BUCKET,  # the default would take 2 GB of a GPU
            "sub_group_size": memory.STEP_BUCKET,
        },
        "bf16": {"enabled": bf16},
        **({"data_types": {"grad_accum_dtype": "fp32"}, "communication_data_type": "fp32"} if bf16 else {}),
        "steps_per_print": int(1e12),
    }


@contextmanager
def _local_rank_is(device: torch.device) -> Iterator[None]:
    """DeepSpeed takes LOCAL_RANK for the number of the GPU; where a rank sees only its own, that is 0."""
    before = os.environ["LOCAL_RANK"]
    if device.index is not None:
        os.environ["LOCAL_RANK"] = str(device.index)
    try:
        yield
    finally:
        os.environ["LOCAL_RANK"] = before


def _adamw(module: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    # A partitioned parameter looks one-dimensional; ds_shape is what it is.
    matrices = [p for p in module.parameters() if len(p.ds_shape) >= 2]  # type: ignore[attr-defined]
    vectors = [p for p in module.parameters() if len(p.ds_shape) < 2]  # type: ignore[attr-defined]
    groups = [
        {"params": params, "weight_decay": decay}
        for params, decay in ((matrices, config.weight_decay), (vectors, 0.0))
        if params
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, eps=config.eps, fused=True)


def _quiet() -> None:
    """Only warnings from DeepSpeed, and no compiler: its shared-memory all-reduce is built anew (54 s) in
    every fresh environment. The switch is private, so its absence must not stop us.
    """
    deepspeed_logger.setLevel(logging.WARNING)
    # DeepSpeed calls collectives by names that torch renamed, and torch says so at every call.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed")
    compatible = getattr(deepspeed.ops, "__compatible_ops__", None)
    if isinstance(compatible, dict):
        compatible["deepspeed_shm_comm"] = False


def _local(values: Tensor | None, size: int) -> Tensor:
    assert values is not None, "every parameter is trained"
    return values.flatten()[:size].contiguous()


def _padded(values: Tensor, size: int) -> Tensor:
    return torch.nn.functional.pad(values, (0, size - values.numel()))
