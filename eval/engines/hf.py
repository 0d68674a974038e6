"""Batched decoding over transformers that drops finished rows."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from eval.engines import EngineKind, Generation, GenerationSettings, all_stop_ids, prompt_seed
from eval.engines._kv_cache import make_cache
from hunmin.errors import ArtifactError

# Shapes: B rows still unfinished, T tokens so far, V vocabulary.


class HFEngine:
    """A causal LM over transformers."""

    def __init__(self, path: str, *, settings: GenerationSettings, device: str = "cpu"):
        """Load the weights of a hub id or folder and make sure that every tensor came from the files.

        Raises:
            ArtifactError: the files lack a weight of the model, or have one in another shape.
        """
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            path,
            dtype=getattr(torch, settings.dtype),
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
        self._model = model.to(device).eval()
        self._device = device
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
                keep = torch.tensor(alive, device=self._device)
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


ENGINE = EngineKind(
    load=lambda path, settings, device: HFEngine(path, settings=settings, device=device),
    packages=("transformers", "torch"),
    preference=lambda num_gpus, lowest: 1,
)
