"""Batched decoding over transformers that drops finished rows.

A model that no single GPU holds is laid over several by accelerate, a run of layers on each. Written for GPUs
and not yet run on several: tests hold the layers' places, and the loop over a model with accelerate's hooks.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig

from eval.engines import (
    EngineKind,
    Generation,
    GenerationSettings,
    Place,
    all_stop_ids,
    prompt_seed,
    versions_here,
)
from eval.engines._kv_cache import make_cache
from hunmin.errors import ArtifactError, GateError

ON_THE_CPU = Place()

# Shapes: B rows still unfinished, T tokens so far, V vocabulary.


class HFEngine:
    """A causal LM over transformers."""

    def __init__(self, path: str, *, settings: GenerationSettings, place: Place = ON_THE_CPU):
        """Load the weights of a hub id or folder and make sure that every tensor came from the files.

        A model on several devices lies there as `device_map` says; accelerate moves what goes through it.

        Raises:
            ArtifactError: the files lack a weight of the model, or have one in another shape.
        """
        several = len(place.devices) > 1
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            path,
            dtype=getattr(torch, settings.dtype),
            device_map=device_map(path, devices=place.devices) if several else None,
            output_loading_info=True,
            trust_remote_code=False,
        )
        model, info = loaded
        absent = sorted([*info["missing_keys"], *map(str, info["mismatched_keys"])])
        if absent:
            raise ArtifactError(
                f"{path}: {len(absent)} weights of the model are missing or misshapen, first {absent[0]}; "
                "they would be random: export or download the model again"
            )
        self._device = place.devices[0]
        self._model = (model if several else model.to(self._device)).eval()
        self._settings = settings
        self._stop_ids = all_stop_ids(settings.stop_ids, model.generation_config.eos_token_id)

    @torch.inference_mode()
    def generate(
        self, prompts: Sequence[Sequence[int]], *, on_token: Callable[[int, int], None] | None = None
    ) -> list[Generation]:
        """Answer the prompts together. Left-padded; a finished row leaves batch and cache at once.

        `on_token` is told each token of an answer as it comes, behind its row.
        """
        answers: list[list[int]] = [[] for _ in prompts]
        stopped = [False] * len(prompts)
        rows = list(range(len(prompts)))  # of the batch: index into prompts
        pick = self._picker(prompts)
        input_ids, mask_BT = _left_pad(prompts, device=self._device)
        position_ids = (mask_BT.cumsum(-1) - 1).clamp(min=0)
        cache = make_cache(self._model.config)
        while True:
            logits_BV = self._model(
                input_ids=input_ids,
                attention_mask=mask_BT,
                position_ids=position_ids,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            next_ids = pick(logits_BV, rows)
            alive = []
            for index, (row, token) in enumerate(zip(rows, next_ids, strict=True)):
                if token in self._stop_ids:
                    stopped[row] = True
                    continue
                answers[row].append(token)
                if on_token is not None:
                    on_token(row, token)
                if len(answers[row]) < self._settings.max_new_tokens:
                    alive.append(index)
            if not alive:
                return [Generation(ids, end) for ids, end in zip(answers, stopped, strict=True)]
            last_B = position_ids[:, -1]
            if len(alive) < len(rows):
                keep = torch.tensor(alive)  # on the CPU: it selects on the device of each layer
                cache.batch_select_indices(keep)
                mask_BT, last_B = mask_BT[keep], last_B[keep]
                rows = [rows[index] for index in alive]
            input_ids = torch.tensor([[next_ids[index]] for index in alive], device=self._device)
            mask_BT = torch.nn.functional.pad(mask_BT, (0, 1), value=1)
            position_ids = last_B[:, None] + 1

    def _picker(self, prompts: Sequence[Sequence[int]]):
        """A function (logits_BV, rows) -> next token of each row."""
        temperature = self._settings.temperature
        if temperature == 0:
            return lambda logits_BV, rows: logits_BV.argmax(-1).tolist()
        streams = [
            torch.Generator().manual_seed(prompt_seed(self._settings.seed, prompt)) for prompt in prompts
        ]

        def sample(logits_BV: Tensor, rows: list[int]) -> list[int]:
            probs_BV = torch.softmax(logits_BV.float().cpu() / temperature, dim=-1)
            return [
                int(torch.multinomial(probs_V, 1, generator=streams[row]))
                for probs_V, row in zip(probs_BV, rows, strict=True)
            ]

        return sample


def _left_pad(prompts: Sequence[Sequence[int]], *, device: str) -> tuple[Tensor, Tensor]:
    """Token ids and mask, int64 (B, T). The pad's id is of no matter: nothing attends to it."""
    width = max(len(prompt) for prompt in prompts)
    ids = [[0] * (width - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def device_map(path: str, *, devices: tuple[str, ...]) -> dict[str, str]:
    """The device of each module of a model: as many layers on each, all else on the first; no weight is read.

    Raises:
        GateError: its layers are not found.
    """
    config = AutoConfig.from_pretrained(path, trust_remote_code=False)
    num_layers = config.get_text_config().num_hidden_layers
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config)
    lists = [name for name, module in model.named_modules() if isinstance(module, torch.nn.ModuleList)]
    layers = next((name for name in lists if len(model.get_submodule(name)) == num_layers), None)
    if layers is None:
        raise GateError(
            f"{path}: no list of {num_layers} layers to divide over {len(devices)} GPUs; set eval.engine: "
            "vllm_server, or take GPUs that hold the model whole"
        )
    tensors = [  # those of tied modules under each of their names
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    ]
    outside = {name.rpartition(".")[0] for name, _ in tensors if not name.startswith(f"{layers}.")}
    in_layers = {f"{layers}.{at}": devices[at * len(devices) // num_layers] for at in range(num_layers)}
    return dict.fromkeys(sorted(outside), devices[0]) | in_layers


def divides(model: PreTrainedConfig, num_gpus: int) -> bool:
    """Each GPU has a layer at least."""
    return num_gpus <= model.get_text_config().num_hidden_layers


ENGINE = EngineKind(
    load=lambda path, settings, place: HFEngine(path, settings=settings, place=place),
    versions=versions_here("transformers", "torch"),
    preference=lambda num_gpus, lowest: 1,
    divides=divides,
)
