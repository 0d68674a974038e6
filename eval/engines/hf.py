"""Batched decoding over transformers, by a batch that refills.

A model that no single GPU holds is laid over several by accelerate, a run of layers on each. Written for GPUs
and not yet run on several: tests hold the layers' places, and the loop over a model with accelerate's hooks.
"""

from collections.abc import Sequence
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
from eval.engines._batch import Batch, OnToken, Pick, Row
from hunmin.errors import ArtifactError, EnvironmentFailure, GateError

ON_THE_CPU = Place()

# Shapes: K prompts that get a token, V vocabulary.


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
        self, prompts: Sequence[Sequence[int]], *, on_token: OnToken | None = None
    ) -> list[Generation]:
        """Answer the prompts, `batch_size` of them at a time; where one ends the next comes in.

        `on_token` is told each token of an answer as it comes, behind its prompt's index. A prompt that
        failed among others is asked again alone, and if it fails there, its answer is an error.

        Raises:
            EnvironmentFailure: the model fails at any prompt.
        """
        rows = self._answer(prompts, on_token)
        answers = []
        for prompt, row in zip(prompts, rows, strict=True):
            if row.error is not None and len(prompts) > 1:
                (row,) = self._answer([prompt], None)
            answers.append(Generation(row.ids, row.stopped) if row.error is None else self._failed(row.error))
        return answers

    def _answer(self, prompts: Sequence[Sequence[int]], on_token: OnToken | None) -> list[Row]:
        batch = Batch(
            self._model,
            [list(prompt) for prompt in prompts],
            num_slots=self._settings.batch_size,
            max_new_tokens=self._settings.max_new_tokens,
            stop_ids=self._stop_ids,
            device=self._device,
            pick=self._picker(prompts),
            on_token=on_token,
        )
        return batch.answer()

    def _failed(self, error: str) -> Generation:
        """The answer to a prompt that fails alone; the model must still read another, a single token."""
        (row,) = self._answer([[0]], None)
        if row.error is not None:
            raise EnvironmentFailure(
                f"the model fails at any prompt ({row.error}); run the same command again"
            )
        return Generation([], False, error)

    def _picker(self, prompts: Sequence[Sequence[int]]) -> Pick:
        temperature = self._settings.temperature
        if temperature == 0:
            return lambda logits_KV, indices: logits_KV.argmax(-1).tolist()
        streams = [
            torch.Generator().manual_seed(prompt_seed(self._settings.seed, prompt)) for prompt in prompts
        ]

        def sample(logits_KV: Tensor, indices: list[int]) -> list[int]:
            probs_KV = torch.softmax(logits_KV.float().cpu() / temperature, dim=-1)
            return [
                int(torch.multinomial(probs_V, 1, generator=streams[index]))
                for probs_V, index in zip(probs_KV, indices, strict=True)
            ]

        return sample


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
