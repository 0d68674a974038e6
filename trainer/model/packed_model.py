"""The model: where its first weights come from, how it reads a packed sequence."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    LlamaConfig,
    PreTrainedModel,
)

from hunmin.artifact import whole_folder
from hunmin.errors import ConfigError, InputError, one_line
from hunmin.models.config import FromScratchConfig
from hunmin.models.folder import locate_model
from hunmin.models.tokenizer import load_tokenizer
from hunmin.progress import Heartbeat, no_heartbeat
from trainer.batches.targets import next_token_targets
from trainer.config import TrainConfig
from trainer.model import lora, recompute
from trainer.model.architecture import constants, language_config, language_model
from trainer.model.attention import SEGMENTED, Asks, implementation, why_segmented
from trainer.model.head import LossHead
from trainer.model.kernels import use_kernels
from trainer.model.loss import masked_loss
from trainer.model.router import router_loss_coef, router_losses

PROBE_LENGTH = 4  # tokens a row of the check at the start
SEEN_SHARE = 1 / 64  # of what one token that is seen does to a row's losses: more is no rounding


class PackedCausalLM(nn.Module):
    """A causal language model over packed sequences, with the head computed only where a target is.

    Attributes:
        lm: the model as transformers has it.
        head: its head with the loss, in chunks.
        notes: what a user should know of how it was built.
        gradient_norms_N: of the last backward: the L2 norm of the gradient at each trained position's last
            hidden state. What a task's share of the gradient is told by.
        router_loss_coef: what the router loss weighs beside the loss; 0: there is none.
        router_losses_N: of the last forward in training: for each trained token its row's, times the weight.
    """

    def __init__(self, lm: PreTrainedModel, *, max_logits_bytes: int = 2**28, router_loss_coef: float = 0.0):
        super().__init__()
        self.lm = lm
        self.head = LossHead(lm, max_bytes=max_logits_bytes)
        self.notes: list[str] = []
        self.gradient_norms_N = torch.empty(0)
        self.router_losses_N = torch.empty(0)
        self.router_loss_coef = router_loss_coef
        self._own_head = False
        self._attention = lm.config._attn_implementation

    def share_sequence(self, attention: str) -> None:
        """From now on `forward` gets a slice of the tokens (sequence_parallel.shard); `attention` is the
        registered name of one that sees all tokens.
        """
        self.lm.config._attn_implementation = attention

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Inside, every rank computes all tokens itself."""
        attention = self.lm.config._attn_implementation
        self.lm.config._attn_implementation = self._attention
        try:
            yield
        finally:
            self.lm.config._attn_implementation = attention

    def forward(
        self,
        input_ids: Tensor,
        position_ids: Tensor,
        cu_seqlens: Tensor,
        positions_N: Tensor,
        targets_N: Tensor,
        seq_lengths: Sequence[int],
    ) -> Tensor:
        """Loss of each trained token of one packed sequence.

        The arguments are those of batches.model_inputs.Inputs. Nothing is asked of the device.

        Returns:
            losses_N: fp32 nats, of the targets that these tokens predict. Their sum is the pack's loss, their
                number its valid tokens.
        """
        inputs = _inputs(input_ids, position_ids, cu_seqlens, seq_lengths)
        routed = self.training and self.router_loss_coef > 0
        if routed:
            inputs["output_router_logits"] = True
        if self._own_head:
            outputs = self.lm(**inputs, logits_to_keep=positions_N)
        else:
            outputs = self.lm.base_model(**inputs)
        if routed:
            losses_S = router_losses(
                outputs.router_logits, cu_seqlens, top_k=self.lm.config.num_experts_per_tok
            )
            rows_N = torch.bucketize(positions_N, cu_seqlens[1:], right=True)
            self.router_losses_N = self.router_loss_coef * losses_S[rows_N]
        if self._own_head:
            self.gradient_norms_N = torch.full_like(targets_N, torch.nan, dtype=torch.float32)  # not told
            return masked_loss(outputs.logits[0], targets_N)
        hidden_ND = outputs.last_hidden_state[0, positions_N]
        if hidden_ND.requires_grad:
            hidden_ND.register_hook(self._keep_norms)
        return self.head(hidden_ND, targets_N)

    def logits(
        self, input_ids: Tensor, position_ids: Tensor, cu_seqlens: Tensor, positions_N: Tensor
    ) -> Tensor:
        """Logits at some positions of one whole packed sequence: logits_NV in the model's precision."""
        inputs = _inputs(input_ids, position_ids, cu_seqlens, cu_seqlens.diff().tolist())
        with self._whole():
            return self.lm(**inputs, logits_to_keep=positions_N).logits[0]

    @torch.no_grad()
    def check(self, device: torch.device) -> bool:
        """Hold a few tokens against what must be true of any model, before anything is trained.

        Rows of a pack must not see each other: whatever a neighbour says, the losses of a row stay bit for
        bit as they were. Where kernels depend on all tokens (experts take batches of other sizes) they may
        differ by rounding, which is far less than what one token of a neighbour does where it is seen.

        Where our head differs, the model's own is taken, which is not cut into chunks. Collective under
        ZeRO-3.

        Returns:
            Whether our head is taken.

        Raises:
            InputError: the model's attention does not keep segments apart, or not without another package.
        """
        was_training = self.training
        self.eval()  # neither dropout nor recomputation
        with self._whole():
            try:
                seen = self._neighbour_effect(device, boundary=PROBE_LENGTH)
            except ValueError as error:  # how transformers says that a package is needed to keep rows apart
                raise InputError(f"{type(self.lm).__name__}: {one_line(error)}") from error
            if seen and not seen < SEEN_SHARE * self._neighbour_effect(device, boundary=PROBE_LENGTH - 1):
                raise InputError(
                    f"{type(self.lm).__name__}: rows packed together see each other (another neighbour moves "
                    f"a row's losses by {seen:.2g}); its attention does not take segment boundaries: take "
                    "another model"
                )
            row = torch.arange(PROBE_LENGTH, device=device)
            bounds = torch.tensor([0, PROBE_LENGTH], device=device).int()
            own_N = masked_loss(self.logits(row, row, bounds, row[:-1]), row[1:])
            alone_N = self._losses(row, row, bounds)
        self.train(was_training)
        tolerance = 8 * torch.finfo(self.head.weight.dtype).eps
        self._own_head = not torch.allclose(alone_N, own_N, rtol=tolerance, atol=tolerance)
        return not self._own_head

    def _neighbour_effect(self, device: torch.device, *, boundary: int) -> float:
        """How much the last token before a row moves the row's losses, at most; nan where one is nan.

        Args:
            boundary: where the row begins for the model. The token that changes is at PROBE_LENGTH - 1:
                a row that begins there sees it.
        """
        ids = torch.arange(2 * PROBE_LENGTH, device=device)
        places = torch.cat([ids[:boundary], ids[: len(ids) - boundary]])
        bounds = torch.tensor([0, boundary, len(ids)], device=device).int()
        other = ids.clone()
        other[PROBE_LENGTH - 1] = 2 * PROBE_LENGTH
        losses = [self._losses(one, places, bounds)[PROBE_LENGTH - 1 :] for one in (ids, other)]
        return float((losses[0] - losses[1]).abs().max())

    def _losses(self, ids: Tensor, places: Tensor, bounds: Tensor) -> Tensor:
        """Of every token that has one before it in its row."""
        targets = next_token_targets(ids, bounds)
        return self(ids, places, bounds, *targets, bounds.diff().tolist())

    def _keep_norms(self, gradient_ND: Tensor) -> None:
        self.gradient_norms_N = gradient_ND.detach().float().norm(dim=-1)


def _inputs(
    input_ids: Tensor, position_ids: Tensor, cu_seqlens: Tensor, seq_lengths: Sequence[int]
) -> dict[str, Any]:
    longest = max(seq_lengths)
    return {
        "input_ids": input_ids[None],
        "position_ids": position_ids[None],
        "attention_mask": None,
        "use_cache": False,
        "cu_seq_lens_q": cu_seqlens,
        "cu_seq_lens_k": cu_seqlens,
        "max_length_q": longest,
        "max_length_k": longest,
        "seq_lengths": seq_lengths,
    }


def build(
    folder: Path, *, device: torch.device, dtype: torch.dtype, config: TrainConfig | None = None
) -> PackedCausalLM:
    """The architecture of a transformers folder, weights not initialised: they are read afterwards.

    Args:
        device, dtype: of the forward; they choose the attention.
        config: adapters, recomputation and the room for logits; default: the defaults.

    Raises:
        InputError: transformers has no causal language model for it.
        ConfigError: adapters, recomputation, kernels or the router loss do not fit the model.
    """
    config = config or TrainConfig.model_validate({})
    described = AutoConfig.from_pretrained(folder)
    asks = Asks.of(language_config(described))
    lm = language_model(
        described, dtype=dtype, attn_implementation=implementation(device, dtype=dtype, asks=asks)
    )
    in_fp32 = lm._keep_in_fp32_modules_strict or ()
    for name, buffer in constants(lm).items():
        if any(part in name for part in in_fp32):
            buffer.data = buffer.data.float()
    if config.lora is not None:
        lora.adapt(lm, config.lora)
    note = use_kernels(lm, config.kernels, device=device)
    recompute.enable(lm, config.recompute)
    model = PackedCausalLM(
        lm,
        max_logits_bytes=config.max_logits_mb * 2**20,
        router_loss_coef=router_loss_coef(lm, config),
    )
    if note is not None:
        model.notes.append(note)
    if device.type == "cuda" and lm.config._attn_implementation == SEGMENTED:
        reason = why_segmented(device, dtype=dtype, asks=asks)
        model.notes.append(f"attention takes a call for each row of a pack, which is slower: {reason}")
    return model


def create_base(config: FromScratchConfig, *, tokenizer_dir: Path, seed: int, out: Path) -> None:
    """Initialise a small Llama at random and save it as a transformers folder, whole or not at all.

    Called in one process: ranks then load it as they load any model.

    Raises:
        ConfigError: the tokenizer has more tokens than model.from_scratch.vocab_size.
    """
    tokenizer = load_tokenizer(tokenizer_dir)
    vocab_size = len(tokenizer)
    if vocab_size > config.vocab_size:
        raise ConfigError(
            f"model.from_scratch.vocab_size is {config.vocab_size}, the tokenizer of the data has "
            f"{vocab_size} tokens; raise it, or rebuild the data with: hunmin data"
        )
    described = scratch_config(config, vocab_size=vocab_size)
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        setattr(described, name, token_id(getattr(tokenizer, name)))
    torch.manual_seed(seed)
    lm = AutoModelForCausalLM.from_config(described, dtype=torch.float32)
    with whole_folder(out) as partial:
        lm.save_pretrained(partial)


def scratch_config(config: FromScratchConfig, *, vocab_size: int) -> LlamaConfig:
    """The architecture of a model from scratch."""
    return LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size or 64 * max(1, round(config.hidden_size * 8 / 3 / 64)),
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        max_position_embeddings=config.max_position_embeddings,
        tie_word_embeddings=config.tie_embeddings,
    )


def token_id(value: object) -> int | None:
    """A special token's id, whose declared type is wider than what a causal model has."""
    assert value is None or isinstance(value, int), f"a token id, not {value!r}"
    return value


def locate_base(path: str, *, alive: Heartbeat = no_heartbeat) -> Path:
    """The local folder of `model.path`: a transformers folder, another run's folder, or a hub id.

    `alive` is called while a model of the hub comes.

    Raises:
        InputError: no such folder or hub model, or no safetensors in it.
    """
    folder = locate_model(path, base=Path.cwd(), alive=alive)
    if not (folder / "config.json").exists() or not list(folder.glob("*.safetensors")):
        raise InputError(
            f"{folder}: needs config.json and *.safetensors; convert the model once with "
            "AutoModelForCausalLM.from_pretrained(...).save_pretrained(...)"
        )
    return folder


def check_vocab(folder: Path, *, tokenizer_dir: Path) -> None:
    """Every id the tokenizer can produce must have an embedding.

    Raises:
        InputError: the tokenizer is larger than the model.
    """
    rows = AutoConfig.from_pretrained(folder).get_text_config().vocab_size
    ids = len(load_tokenizer(tokenizer_dir))
    if ids > rows:
        raise InputError(
            f"{folder}: {rows} embeddings, but the tokenizer of the data has {ids} tokens; "
            "build the data with this model's own tokenizer (model.path)"
        )
