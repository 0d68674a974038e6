"""The language model that a transformers config describes, alone: of one that also sees, its text part."""

import copy
from typing import Any

import torch
import transformers
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoModelForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.initialization import no_init_weights

from hunmin.errors import InputError, one_line


def language_config(config: PreTrainedConfig) -> PreTrainedConfig:
    """The config of the language model: of a model of several parts (Gemma 3 4b and larger) the text's."""
    text = config.get_text_config()
    if text is config or type(text) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        return config
    text = copy.deepcopy(text)
    text.tie_word_embeddings = config.tie_word_embeddings  # a model of parts says it for all of them
    return text


def language_model(config: PreTrainedConfig, **options: Any) -> PreTrainedModel:
    """The language model, weights not initialised, tied ones tied.

    Args:
        options: as `AutoModelForCausalLM.from_config` takes them.

    Raises:
        InputError: transformers has no causal language model for it.
    """
    try:
        with no_init_weights():
            lm: PreTrainedModel = AutoModelForCausalLM.from_config(language_config(config), **options)
    except ValueError as error:
        raise InputError(
            f"{type(config).__name__} is of no causal language model ({one_line(error)}); name one in "
            "model.path"
        ) from error
    lm.tie_weights()
    return lm


def language_model_on_meta(config: PreTrainedConfig) -> PreTrainedModel:
    """The same, which takes no memory: names and shapes.

    Raises:
        InputError: as `language_model`.
    """
    with torch.device("meta"):
        return language_model(config)


def whole_model_on_meta(config: PreTrainedConfig, lm: PreTrainedModel) -> PreTrainedModel:
    """The model whose names the files use, which takes no memory: `lm` itself, or what it is a part of.

    Raises:
        InputError: transformers does not have its class.
    """
    if type(lm.config) is type(config):
        return lm
    named = [getattr(transformers, name, None) for name in config.architectures or ()]
    known = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    classes = [*named, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING[type(config)] if known else None]
    whole: Any = next((found for found in classes if found is not None), None)
    if whole is None:
        raise InputError(
            f"{config.model_type}: transformers has no class {config.architectures}, by whose names the "
            "files are read; name another model in model.path"
        )
    with torch.device("meta"), no_init_weights():
        return whole(config)


def constants(lm: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Buffers that the model's files hold, by name: read, kept and never trained."""
    stored = lm.state_dict(keep_vars=True).keys()
    return {name: buffer for name, buffer in lm.named_buffers() if name in stored}
