"""The `model` section of a config."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from hunmin.section import Section


class FromScratchConfig(Section):
    """A small Llama initialised at random, with a SentencePiece tokenizer trained on the train split."""

    hidden_size: int = Field(
        256, ge=8, le=2**20, description="width of the model; an even multiple of num_heads"
    )
    num_layers: int = Field(6, ge=1, le=10_000, description="layers of the decoder")
    num_heads: int = Field(4, ge=1, le=2**16, description="attention heads of a layer")
    intermediate_size: int | None = Field(
        None,
        ge=8,
        le=2**22,
        description="width of a layer's MLP; absent: 8/3 of hidden_size, to the nearest 64",
    )
    vocab_size: int = Field(
        8000,
        ge=512,
        le=2**24,
        description="tokens that the tokenizer has at most; a small corpus gives fewer",
    )
    max_position_embeddings: int = Field(
        8192, ge=8, le=2**26, description="tokens that the model is made for, prompt and answer together"
    )
    tie_embeddings: bool = Field(
        default=True, description="use the matrix of the input embeddings for the output layer too"
    )

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_size % self.num_heads or (self.hidden_size // self.num_heads) % 2:
            raise ValueError(
                f"hidden_size {self.hidden_size} must be an even multiple of num_heads {self.num_heads}"
            )
        return self


class ModelConfig(Section):
    """Which model: `path` or `from_scratch`.

    `path` is a hub id, a local folder, another run's folder, a GGUF file, or package:IMPORT_NAME/FILE.gguf
    for one inside an installed package; so is `tokenizer`. A tokenizer whose ids are not the model's is
    refused, unless `vocabulary: map` moves the model's embeddings to it; `add_tokens` are whole words that
    the tokenizer learns, wherever they stand in a text, and that the model gets embeddings for.
    """

    path: str | None = Field(
        default=None,
        description="the model: hub id, folder, folder of another run, GGUF file, or package:NAME/FILE.gguf",
    )
    from_scratch: FromScratchConfig | None = None
    tokenizer: str | None = Field(
        default=None, description="tokenizer of another model, named as in path; absent: the model's own"
    )
    vocabulary: Literal["refuse", "map"] = Field(
        default="refuse",
        description="a tokenizer whose ids are not the model's: refuse it, or map the embeddings to it",
    )
    add_tokens: tuple[str, ...] = Field(
        default=(), description="new tokens for tokenizer and model, such as `<think>`"
    )

    @property
    def remakes_vocabulary(self) -> bool:
        """Whether embeddings are made for another vocabulary than that of `path`: in train/base."""
        return self.path is not None and (self.vocabulary == "map" or bool(self.add_tokens))

    @field_validator("add_tokens")
    @classmethod
    def _tokens_are_new_words(cls, tokens: tuple[str, ...]) -> tuple[str, ...]:
        for token in tokens:
            if not token or token != token.strip():
                raise ValueError(f"{token!r} is no token: it is empty, or begins or ends with a space")
            if tokens.count(token) > 1:
                raise ValueError(f"{token!r} stands twice")
        return tokens

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.path is None) == (self.from_scratch is None):
            raise ValueError("give exactly one of: path, from_scratch")
        if self.path is None and (self.tokenizer is not None or self.vocabulary == "map" or self.add_tokens):
            raise ValueError(
                "tokenizer, vocabulary and add_tokens change a model of `path`; "
                "one from scratch trains its own tokenizer"
            )
        return self
