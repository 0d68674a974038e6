"""ZeRO-3: parameters, gradients and optimizer state partitioned over the ranks. The only file with deepspeed.

A parameter is flattened, padded to a multiple of world_size and cut into equal slices; rank r holds slice r.
"""

import logging
import math
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

# Told before the import, DeepSpeed does not guess (and does not warn that it guessed).
os.environ.setdefault("DS_ACCELERATOR", "cuda" if torch.cuda.is_available() else "cpu")

import deepspeed
from deepspeed.runtime.sequence_parallel.ulysses_sp import UlyssesSPAttentionHF
from deepspeed.utils import logger as deepspeed_logger
from deepspeed.utils import (
    safe_get_full_grad,
    safe_get_local_fp32_param,
    safe_get_local_optimizer_state,
    safe_set_local_fp32_param,
    safe_set_local_optimizer_state,
)
from deepspeed.utils.z3_leaf_module import set_z3_leaf_modules_by_name
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.deepspeed import prevent_arange_dtype_change
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from hunmin.errors import ConfigError
from hunmin.progress import say
from trainer.batches.model_inputs import Inputs
from trainer.config import TrainConfig
from trainer.engine.deepspeed_settings import deepspeed_settings
from trainer.engine.ranks import Rank
from trainer.model.architecture import constants
from trainer.model.lora import Weights, file_name
from trainer.model.packed_model import PackedCausalLM
from trainer.model.router import expert_blocks

MOMENTS = ("exp_avg", "exp_avg_sq")
ULYSSES = "hunmin_ulysses"
PREFIX = "lm."  # of PackedCausalLM around the language model


@dataclass(frozen=True)
class Reported:
    """Weights whose every read is a sign of life: of a large model, reading takes long."""

    weights: Weights
    alive: Callable[[], None]

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """As `weights`."""
        self.alive()
        return self.weights.read(name, start, stop)


class Zero3:
    """A model in training, of which this rank holds one slice of every parameter."""

    def __init__(
        self,
        make_model: Callable[[], PackedCausalLM],
        *,
        config: TrainConfig,
        accum_steps: int,
        hidden_size: int,
        me: Rank,
        weights: Callable[[dict[str, tuple[int, ...]]], Weights],
    ):
        """Build the model partitioned from birth, read this rank's slices, set up AdamW. Collective.

        Args:
            make_model: gives the architecture; its own initial values are never used.
            hidden_size: of the model, by which ZeRO-3's numbers go where the config is silent.
            weights: given the shapes of parameters and constants, where to read from.
        """
        _quiet()
        deepspeed.init_distributed(dist_init_required=False, auto_mpi_discovery=False, verbose=False)
        settings = deepspeed_settings(
            config,
            accum_steps=accum_steps,
            device_type=me.device.type,
            dtype=me.dtype,
            hidden_size=hidden_size,
        )
        self._me = me
        self._router_loss = torch.zeros((), device=me.device)
        # The precision comes from the settings: Init's own dtype argument gives bf16 on a CPU, always.
        with (
            _local_rank_is(me.device),
            prevent_arange_dtype_change(),
            deepspeed.zero.Init(config_dict_or_path=settings),
        ):
            module = make_model()
        # Gathered and reduced as one, or ranks would wait for an expert that no token of theirs was sent to.
        set_z3_leaf_modules_by_name(module, expert_blocks(module))
        # By the language model's names; adapters as lora.file_name calls them.
        self.parameters: dict[str, Any] = _named(module)
        self.trained = {name: p for name, p in self.parameters.items() if p.requires_grad}
        dtypes = {parameter.ds_tensor.dtype for parameter in self.parameters.values()}
        assert dtypes == {me.dtype}, f"parameters are {dtypes}, not {me.dtype}"
        self._load(weights, constants(module.lm))
        groups = parameter_groups(self.trained, config)
        self._lr_factors = [group.pop("lr") / config.learning_rate for group in groups]
        with _local_rank_is(me.device):
            self._engine: Any = deepspeed.initialize(
                model=module, optimizer=_adamw(groups, config), config=settings, dist_init_required=False
            )[0]
        self._create_moments()
        if me.sequence_parallel_size > 1:
            _share_sequence(module, me)
        if not module.check(me.device):
            module.notes.append(
                "the model's head is more than a product; its logits are computed in one piece"
            )
        for note in module.notes if me.is_first else ():
            say(f"train: {note}")

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Full shapes of the trained parameters."""
        return _shapes(self.trained)

    def train(self, mode: bool = True) -> None:
        """Training or evaluation mode."""
        self._engine.train(mode)

    def losses(self, inputs: Inputs) -> Tensor:
        """PackedCausalLM.forward: losses_N of the micro-batch. Collective."""
        return self._engine(*inputs.to(self._me.device))

    @torch.no_grad()
    def next_tokens(self, input_ids: Tensor, position_ids: Tensor, cu_seqlens: Tensor) -> Tensor:
        """The likeliest token after each segment of a packed sequence (segments,). Collective."""
        inputs = [tensor.to(self._me.device) for tensor in (input_ids, position_ids, cu_seqlens)]
        return self._engine.module.logits(*inputs, inputs[2][1:].long() - 1).argmax(-1).cpu()

    @property
    def has_router_loss(self) -> bool:
        """Whether the router loss of a mixture of experts is minimised beside the loss."""
        return self._engine.module.router_loss_coef > 0

    def with_router_loss(self, loss: Tensor, weights_N: Tensor) -> Tensor:
        """A micro-batch's loss with its part of the router loss, where there is one: that of each trained
        token's row, as much as the token weighs.
        """
        if not self.has_router_loss:
            return loss
        losses_N = self._engine.module.router_losses_N
        part = (losses_N * weights_N.to(losses_N)).sum()
        self._router_loss = self._router_loss + part.detach()
        return loss + part

    def take_router_loss(self) -> float:
        """What `with_router_loss` has added on this rank since it was last asked."""
        if not self.has_router_loss:  # nor is the device asked
            return 0.0
        taken, self._router_loss = float(self._router_loss), torch.zeros((), device=self._me.device)
        return taken

    def backward(self, loss: Tensor) -> Tensor:
        """Add the gradient of this micro-batch's part of the step's loss. Collective. The L2 norm of the
        gradient at each trained position's last hidden state (N,).
        """
        # DeepSpeed averages over ranks, hence world_size.
        self._engine.backward(loss * self._me.world_size, scale_wrt_gas=False)
        return self._engine.module.gradient_norms_N

    def step(self, learning_rate: float) -> tuple[float, bool]:
        """Count a micro-batch; at the last one of the step, clip and update. Collective.

        The learning rate is of the parameters without a peak of their own; the others keep their ratio.
        Returned are the gradient's norm before clipping, and whether the update was applied: a norm that is
        not finite is equal on all ranks and leaves weights and moments as they are.
        """
        for group, factor in zip(self._engine.optimizer.param_groups, self._lr_factors, strict=True):
            group["lr"] = learning_rate * factor
        boundary = self._engine.is_gradient_accumulation_boundary()
        self._engine.step()
        if not boundary:
            return math.nan, False
        applied = not self._engine.optimizer.overflow
        return (float(self._engine.get_global_grad_norm()) if applied else math.inf), applied

    def gradients(self) -> Iterator[tuple[str, Tensor]]:
        """Full gradients, after the last backward and before its step. Collective; for tests and checks."""
        for name, parameter in self.trained.items():
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
        """(kind, parameter name, start, values) of this rank, trained ones only: fp32 `param`, `exp_avg`,
        `exp_avg_sq`.
        """
        for name, parameter in self.trained.items():
            start, stop = self.extent(name)
            yield "param", name, start, _local(safe_get_local_fp32_param(parameter), stop - start)
            for kind in MOMENTS:
                values = safe_get_local_optimizer_state(parameter, kind)
                yield kind, name, start, _local(values, stop - start)

    def restore(self, read: Callable[[str, str, int, int], Tensor], *, num_updates: int) -> None:
        """Set fp32 weights and moments to a checkpoint's; `read`: (kind, name, start, stop) -> fp32 values.

        The weights that the forward uses were read at construction.
        """
        for name, parameter in self.trained.items():
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

    @property
    def attention(self) -> str:
        """The name of the model's attention, as transformers has it."""
        return self._engine.module.lm.config._attn_implementation

    def buffer_dtypes(self) -> list[str]:
        """Precisions of the model's constants, such as rotary frequencies: bf16 would move far positions."""
        found = {str(buffer.dtype) for buffer in self._engine.module.buffers() if buffer.is_floating_point()}
        return sorted(name.removeprefix("torch.") for name in found)

    def _load(
        self, source: Callable[[dict[str, tuple[int, ...]]], Weights], constants: dict[str, Tensor]
    ) -> None:
        fixed = {file_name(name): buffer for name, buffer in constants.items()}
        weights = source(_shapes(self.parameters) | {name: tuple(b.shape) for name, b in fixed.items()})
        for name, buffer in fixed.items():  # whole on every rank: they are small
            buffer.copy_(weights.read(name, 0, buffer.numel()).reshape(buffer.shape))
        for name, parameter in self.parameters.items():
            start, stop = self.extent(name)
            # Through .data: ds_tensor may be a leaf that autograd watches.
            parameter.ds_tensor.data.copy_(
                _padded(weights.read(name, start, stop), parameter.ds_tensor.numel())
            )
            # With hpZ the forward reads a node's own copy, made of values that nobody had set. Without one it
            # gathers these slices and makes the copy anew.
            parameter.ds_secondary_tensor = None

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


def _named(module: nn.Module) -> dict[str, Any]:
    """Parameters by the language model's names, without what adapters put around them."""
    return {
        file_name(name.removeprefix(PREFIX)): parameter
        for name, parameter in module.named_parameters()
        if name.startswith(PREFIX)
    }


def _shapes(parameters: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(parameter.ds_shape) for name, parameter in parameters.items()}


def _share_sequence(module: PackedCausalLM, me: Rank) -> None:
    """Put DeepSpeed's all-to-all around the model's attention. Collective.

    Raises:
        ConfigError: the heads do not divide.
    """
    text: Any = module.lm.config.get_text_config()
    heads = text.num_attention_heads
    try:
        around = UlyssesSPAttentionHF(
            attn=ALL_ATTENTION_FUNCTIONS[module.lm.config._attn_implementation],
            batch_size=1,
            attn_head_count=heads,
            attn_head_size=getattr(text, "head_dim", None) or text.hidden_size // heads,
            kv_head_count=getattr(text, "num_key_value_heads", None) or heads,
            num_hidden_layers=text.num_hidden_layers,
            process_group=me.sequence_group(),  # type: ignore[arg-type]  # theirs is torch's
            seq_length_is_variable=True,
        )
    except ValueError as error:
        raise ConfigError(f"train.sequence_parallel_size: {error}; take another size") from error

    def attend(layer: nn.Module, *args: Any, **kwargs: Any) -> tuple[Tensor, None]:
        output, _ = around(layer, *args, **kwargs)
        return output, None

    AttentionInterface.register(ULYSSES, attend)
    module.share_sequence(ULYSSES)


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


def parameter_groups(trained: dict[str, Any], config: TrainConfig) -> list[dict[str, Any]]:
    """AdamW's groups: weight decay on matrices only, and the peaks of train.learning_rates.

    Raises:
        ConfigError: a pattern of train.learning_rates fits no trained parameter.
    """
    unused = dict(config.learning_rates)
    groups: dict[tuple[float, float], list[Any]] = {}
    for name, parameter in trained.items():
        rate = config.learning_rate
        for pattern, peak in config.learning_rates.items():
            if re.search(pattern, name):
                rate = peak
                unused.pop(pattern, None)
                break
        # A partitioned parameter looks one-dimensional; ds_shape is what it is.
        decay = config.weight_decay if len(parameter.ds_shape) >= 2 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    if unused:
        some = ", ".join(list(trained)[:3])
        raise ConfigError(
            f"train.learning_rates: {next(iter(unused))!r} fits no trained parameter that an earlier pattern "
            f"has not taken; they are called {some} …"
        )
    return [
        {"params": params, "weight_decay": decay, "lr": rate}
        for (rate, decay), params in sorted(groups.items(), key=lambda item: item[0], reverse=True)
    ]


def _adamw(groups: list[dict[str, Any]], config: TrainConfig) -> torch.optim.AdamW:
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
