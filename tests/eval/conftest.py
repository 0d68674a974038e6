"""Fixtures of the tests of eval: a tokenizer, a tiny model on disk, prompts."""

import os
import random
from pathlib import Path

import pytest
from eval_stages import CORPUS, tiny_model
from transformers import PreTrainedTokenizerFast

from data_pipeline.packing.tokenizer_training import train_tokenizer

# Ray reads it when it is imported, which collecting the tests of the pool does; nothing above imports Ray.
os.environ.setdefault("RAY_AUTH_MODE", "token")


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(CORPUS, vocab_size=500)


@pytest.fixture(scope="session")
def model_folder(tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny_model(tokenizer, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def prompts() -> list[list[int]]:
    """24 prompts of 3 to 60 tokens, none special."""
    rng = random.Random(0)
    return [[rng.randrange(270, 330) for _ in range(rng.randint(3, 60))] for _ in range(24)]
