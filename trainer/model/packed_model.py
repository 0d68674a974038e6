"""The model: where its first weights come from, how it reads a packed sequence."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.initialization import no_init_weights

from hunmin.artifact import whole_folder
from hunmin.errors import ConfigError, InputError
from hunmin.models.config import FromScratchConfig
from hunmin.models.folder import locate_model
from hunmin.models.tokenizer import load_tokenizer
from trainer.batches.targets import next_token_targets
from trainer.config import TrainConfig
from trainer.model import lora, recompute
from trainer.model.attention import SEGMENTED, Asks, implementation, why_segmented
from trainer.model.head import LossHead
from trainer.model.kernels import use_kernels
from trainer.model.loss import masked_loss

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
    """

    def __init__(self, lm: PreTrainedModel, *, max_logits_bytes: int = 2**28):
        super().__init__()
        self.lm = lm
        self.head = LossHead(lm, max_bytes=max_logits_bytes)
        self.notes: list[str] = []
        self.gradient_norms_N = torch.empty(0)
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
        if self._own_head:
            self.gradient_norms_N = torch.full_like(targets_N, torch.nan, dtype=torch.float32)  # not told
            return masked_loss(self.lm(**inputs, logits_to_keep=positions_N).logits[0], targets_N)
        hidden_ND = self.lm.base_model(**inputs).last_hidden_state[0, positions_N]
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
            InputError: the model's attention does not keep segments apart.
        """
        was_training = self.training
        self.eval()  # neither dropout nor recomputation
        with self._whole():
            seen = self._neighbour_effect(device, boundary=PROBE_LENGTH)
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
        ConfigError: adapters, recomputation or kernels do not fit the model.
    """
    config = config or TrainConfig.model_validate({})
    described = AutoConfig.from_pretrained(folder)
    asks = Asks.of(described, flash_attn=_can_flash(described))
    try:
        with no_init_weights():
            lm = AutoModelForCausalLM.from_config(
                described,
                dtype=dtype,
                attn_implementation=implementation(device, dtype=dtype, asks=asks),
            )
    except ValueError as error:
        raise InputError(
            f"{folder}: not a causal language model ({error}); name one in model.path"
        ) from error
    lm.tie_weights()
    if config.lora is not None:
        lora.adapt(lm, config.lora)
    note = use_kernels(lm, config.kernels, device=device)
    recompute.enable(lm, config.recompute)
    model = PackedCausalLM(lm, max_logits_bytes=config.max_logits_mb * 2**20)
    if note is not None:
        model.notes.append(note)
    if device.type == "cuda" and lm.config._attn_implementation == SEGMENTED:
        reason = why_segmented(device, dtype=dtype, asks=asks)
        model.notes.append(f"attention takes a call for each row of a pack, which is slower: {reason}")
    return model


def _can_flash(config: PreTrainedConfig) -> bool:
    known = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING
    model_class: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)] if known else None
    return known and bool(model_class._supports_flash_attn)


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


def locate_base(path: str) -> Path:
    """The local folder of `model.path`: a transformers folder, another run's folder, or a hub id.

    Raises:
        InputError: no such folder or hub model, or no safetensors in it.
    """
    folder = locate_model(path, base=Path.cwd())
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


class FolderWeights:
    """The weights of a transformers folder, read slice by slice: no more than a slice is in memory."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._files = {path.name: safe_open(path, framework="pt") for path in sorted(_weight_files(folder))}
        self._file_of = {name: file for file, handle in self._files.items() for name in handle.offset_keys()}
        self.shapes = {
            name: tuple(self._files[file].get_slice(name).get_shape()) for name, file in self._file_of.items()
        }

    def check(self, wanted: dict[str, tuple[int, ...]], *, tied: set[str]) -> None:
        """Every tensor of the model is in the files with its shape, and no other.

        Args:
            tied: names that may be in the files though the model shares them with another.

        Raises:
            InputError: lists what is missing, extra or of another shape.
        """
        missing = sorted(wanted.keys() - self.shapes.keys())
        extra = sorted(name for name in self.shapes.keys() - wanted.keys() - tied if "inv_freq" not in name)
        shapes = sorted(
            name for name in wanted.keys() & self.shapes.keys() if wanted[name] != self.shapes[name]
        )
        if missing or extra or shapes:
            found = [
                *(f"missing {name}" for name in missing),
                *(f"unknown {name}" for name in extra),
                *(f"{name} is {self.shapes[name]}, the config says {wanted[name]}" for name in shapes),
            ]
            raise InputError(
                f"{self._folder}: weights do not fit config.json: {'; '.join(found[:5])}"
                + (f" and {len(found) - 5} more" if len(found) > 5 else "")
                + "; take a complete model folder"
            )

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """Elements start..stop of the flattened tensor, fp32 (stop - start,)."""
        if start == stop:  # a small parameter leaves nothing for the last ranks
            return torch.empty(0)
        part = self._files[self._file_of[name]].get_slice(name)
        shape = self.shapes[name]
        if len(shape) < 2:
            return part[start:stop].float() if shape else part[...].reshape(1)[start:stop].float()
        width = int(torch.Size(shape[1:]).numel())
        first = start // width
        rows = part[first : -(-stop // width)]
        return rows.reshape(-1)[start - first * width : stop - first * width].float()


def _weight_files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.exists():
        return [folder / file for file in set(json.loads(index.read_text())["weight_map"].values())]
    return [folder / "model.safetensors"]
