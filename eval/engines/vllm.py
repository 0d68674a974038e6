"""Answers by vLLM, for GPUs: continuous batching and its own kernels, behind the same interface.

vLLM pins other versions of torch and transformers than hunmin, so it lives in an environment of its own.
Written for its API of 0.32 (LLM, SamplingParams, TokensPrompt); run on a CPU, not yet on a GPU.
"""

import importlib.util
import os
from collections.abc import Sequence
from typing import Any

from transformers import AutoConfig, GenerationConfig, PreTrainedConfig

from eval.engines import (
    Capability,
    EngineKind,
    Generation,
    GenerationSettings,
    Place,
    all_stop_ids,
    prompt_seed,
    versions_here,
)
from hunmin.progress import say

# Read when vLLM is imported. In this process scheduling follows the order of the prompts alone, and its
# batch-invariant kernels (a GPU's only) give an answer that does not depend on what is batched with it.
ENVIRONMENT = {"VLLM_NO_USAGE_STATS": "1"}
IN_THIS_PROCESS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_LOGGING_LEVEL": "WARNING"}
ON_A_GPU = {"VLLM_BATCH_INVARIANT": "1"}
# Batch-invariant kernels and bf16 need an Ampere; on an older GPU vLLM would stop with a traceback.
MIN_CAPABILITY = (8, 0)
GPU_MEMORY_SHARE = 0.85  # of the whole GPU; the rest is for CUDA's own and a neighbour's leftovers


class VLLMEngine:
    """A causal LM over vLLM. Its process holds one at a time: memory comes back when the process ends."""

    def __init__(self, path: str, *, settings: GenerationSettings, place: Place):
        """Load the weights of a hub id or folder; vLLM itself refuses a folder that lacks some."""
        os.environ.update(ENVIRONMENT | IN_THIS_PROCESS | (ON_A_GPU if place.on_gpu else {}))
        from vllm import LLM  # pyright: ignore

        self._llm: Any = LLM(**load_arguments(path, settings, place=place))
        self._settings = settings
        self._stop_ids = all_stop_ids(settings.stop_ids, own_stop_ids(path))

    def generate(self, prompts: Sequence[Sequence[int]]) -> list[Generation]:
        """Answer the prompts together, in their order."""
        from vllm import SamplingParams  # pyright: ignore
        from vllm.inputs import TokensPrompt  # pyright: ignore

        outputs = self._llm.generate(
            [TokensPrompt(prompt_token_ids=list(prompt)) for prompt in prompts],
            [
                SamplingParams(**sampling_arguments(prompt, self._settings, stop_ids=self._stop_ids))
                for prompt in prompts
            ],
            use_tqdm=False,
        )
        return [
            to_generation(list(one.token_ids), one.finish_reason, stop_ids=self._stop_ids)
            for one in (output.outputs[0] for output in outputs)
        ]


def load_arguments(path: str, settings: GenerationSettings, *, place: Place) -> dict[str, Any]:
    """Arguments of vllm.LLM: the model as it is, no tokenizer, nothing shared between prompts.

    On several GPUs each layer is divided over all of them.
    """
    on_gpus = {
        "gpu_memory_utilization": GPU_MEMORY_SHARE,
        "tensor_parallel_size": len(place.devices),
        # Its own processes: inside an actor it would take Ray's, which has given us what it has.
        **({"distributed_executor_backend": "mp"} if len(place.devices) > 1 else {}),
    }
    return {
        "model": path,
        "skip_tokenizer_init": True,  # ids go in and come out
        "trust_remote_code": False,
        "dtype": settings.dtype,
        "seed": settings.seed,
        "generation_config": "vllm",  # not the model's own sampling settings
        "max_model_len": -1,  # as long as the model allows and the memory holds
        "enable_prefix_caching": False,  # a cached prefix was computed in another batch
        **(on_gpus if place.on_gpu else {"enforce_eager": True}),  # compiling takes a CPU minutes
    }


def divides(model: PreTrainedConfig, num_gpus: int) -> bool:
    """Tensor parallelism gives each GPU as many heads."""
    return model.get_text_config().num_attention_heads % num_gpus == 0


def sampling_arguments(
    prompt: Sequence[int], settings: GenerationSettings, *, stop_ids: set[int]
) -> dict[str, Any]:
    """Arguments of vllm.SamplingParams for one prompt: greedy at temperature 0, else from the whole
    distribution with a seed of the prompt's own.
    """
    return {
        "max_tokens": settings.max_new_tokens,
        "temperature": settings.temperature,
        "top_p": 1.0,
        "top_k": 0,
        "seed": None if settings.temperature == 0 else prompt_seed(settings.seed, prompt),
        "stop_token_ids": sorted(stop_ids),
        "ignore_eos": True,  # all that end an answer are named above
        "detokenize": False,
    }


def to_generation(ids: list[int], finish_reason: str | None, *, stop_ids: set[int]) -> Generation:
    """An answer of vLLM as ours: without the token that ended it."""
    stopped = finish_reason == "stop" and bool(ids) and ids[-1] in stop_ids
    return Generation(ids[:-1] if stopped else ids, stopped)


def own_stop_ids(path: str) -> int | Sequence[int] | None:
    """The end tokens that the model's folder names, found as transformers finds them."""
    try:
        return GenerationConfig.from_pretrained(path).eos_token_id
    except OSError:  # no generation_config.json
        return GenerationConfig.from_model_config(AutoConfig.from_pretrained(path)).eos_token_id


def missing(python: str | None = None) -> str | None:
    """Why vLLM cannot answer here; it is not imported."""
    if importlib.util.find_spec("vllm") is not None:
        return None
    return (
        "the package vllm is not installed here; install it in an environment of its own and name its Python "
        "in eval.vllm_python, with eval.engine: vllm_server (docs/gpu.md), or set eval.engine: hf"
    )


def preference(num_gpus: int, lowest: Capability | None) -> int:
    """Before ours on GPUs that it runs on; says where it does not. On a CPU ours is the reference."""
    if not num_gpus:
        return 0
    if lowest is not None and lowest >= MIN_CAPABILITY:
        return 2
    has = "is not known here" if lowest is None else f"is {lowest[0]}.{lowest[1]}"
    say(
        "eval: engine hf, though vllm is installed: it needs GPUs of compute capability 8.0, and "
        f"theirs {has}; eval.engine: vllm takes it all the same"
    )
    return 0


ENGINE = EngineKind(
    load=lambda path, settings, place: VLLMEngine(path, settings=settings, place=place),
    versions=versions_here("vllm", "torch"),
    preference=preference,
    missing=missing,
    owns_gpu=True,
    divides=divides,
)
