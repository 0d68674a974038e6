"""Which tokenizer the rows are cut with, and whether its ids are those of the model's embeddings."""

from pathlib import Path

from transformers import AddedToken, PreTrainedTokenizerFast

from data_pipeline.config import ModelConfig
from data_pipeline.errors import InputError
from data_pipeline.model_folder import locate_model
from data_pipeline.packing.template import load_tokenizer
from data_pipeline.progress import say


def chosen_tokenizer(model: ModelConfig, *, base: Path, quiet: bool = False) -> PreTrainedTokenizerFast:
    """The tokenizer of a model that is not from scratch: its own or `model.tokenizer`, with `add_tokens`.

    Args:
        model: with a `path`.
        base: the folder that relative paths start from.
        quiet: do not say how many of `add_tokens` are new.

    Raises:
        InputError: its ids are not the model's, and the config does not declare that they are mapped; or a
            folder has no tokenizer.
        EnvironmentFailure: the hub cannot be reached.
    """
    assert model.path is not None
    own = load_tokenizer(locate_model(model.path, base=base, weights=False))
    chosen = own
    if model.tokenizer is not None:
        chosen = load_tokenizer(locate_model(model.tokenizer, base=base, weights=False))
        differing = count_differing_ids(chosen.get_vocab(), own.get_vocab())
        if differing and model.vocabulary == "refuse":
            raise InputError(
                f"model.tokenizer {model.tokenizer}: {differing} of its {len(chosen)} ids are other tokens "
                f"than in {model.path}; to move the embeddings to it, declare model.vocabulary: map"
            )
    if model.add_tokens:
        known = chosen.get_vocab()
        new = [token for token in model.add_tokens if token not in known]
        # Not special: a special token in a row's text stays text, and the model could never learn these.
        chosen.add_tokens([AddedToken(token, special=False, normalized=False) for token in new])
        if not quiet:
            say(f"data: {len(new)} of {len(model.add_tokens)} model.add_tokens are new to the tokenizer")
    return chosen


def count_differing_ids(vocab: dict[str, int], of_model: dict[str, int]) -> int:
    """Ids of `vocab` that are another token, or none, in the model's vocabulary."""
    return sum(of_model.get(token) != number for token, number in vocab.items())
