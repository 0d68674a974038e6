"""A conversation with one model: the prompt's ids are those of training, the answer comes as it is made."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging

from eval.engines import GenerationSettings, Place, context_length
from eval.engines.hf import HFEngine
from hunmin.errors import InputError
from hunmin.language.normalize import normalize_text
from hunmin.models.renderer import Renderer, RowRefused
from hunmin.models.tokenizer import load_tokenizer

_UNFINISHED = "\ufffd"  # what a decoder shows for the first bytes of a character


@dataclass(frozen=True)
class Reply:
    """How an answer ended."""

    text: str
    stopped: bool  # the model ended it, not the limit
    num_tokens: int  # of the conversation so far, this answer included


class TextStream:
    """Tokens in, text out: a character is shown when its last byte is there."""

    def __init__(self, decode: Callable[[list[int]], str], show: Callable[[str], None]):
        self._decode, self._show = decode, show
        self._ids: list[int] = []
        self._shown = 0  # characters

    def add(self, token: int) -> None:
        """Show what the token adds to the text."""
        self._ids.append(token)
        self._show_to(self._decode(self._ids).rstrip(_UNFINISHED))

    def end(self) -> str:
        """Show what is left, and return the whole text."""
        text = self._decode(self._ids)
        self._show_to(text)
        return text

    def _show_to(self, text: str) -> None:
        # By length: bytes that break off may change how the ones before them are read, but not their number.
        if len(text) > self._shown:
            self._show(text[self._shown :])
            self._shown = len(text)


class Chat:
    """A loaded model with the history of one conversation."""

    def __init__(
        self,
        model: Path,
        *,
        tokenizer: Path,
        max_new_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        system: str | None = None,
        num_threads: int = 1,
    ):
        """Load the model, with the tokenizer and template that the run was trained with.

        Raises:
            InputError: the tokenizer or its template cannot be used.
            ArtifactError: the folder lacks weights.
        """
        self._tokenizer = load_tokenizer(tokenizer)
        self._renderer = Renderer(self._tokenizer)
        self._max_new_tokens = max_new_tokens
        self.max_tokens = context_length(str(model))
        logging.disable_progress_bar()  # it would stand between the first answers
        on_gpu = torch.cuda.is_available()
        torch.set_num_threads(num_threads)
        settings = GenerationSettings(
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            seed=seed,
            stop_ids=tuple(self._renderer.stop_ids),
            num_threads=num_threads,
            dtype="bfloat16" if on_gpu else "float32",
        )
        self._engine = HFEngine(str(model), settings=settings, place=Place(("cuda",) if on_gpu else ("cpu",)))
        self._system = system
        self.reset()

    def reset(self) -> None:
        """Forget the conversation."""
        self._messages: list[dict[str, Any]] = []
        if self._system:
            self._messages.append({"role": "system", "content": normalize_text(self._system)[0]})

    def prompt(self, text: str) -> list[int]:
        """The ids that the model would be given for this user message after the history.

        Raises:
            InputError: the template cannot hold the message, or the model's context cannot.
        """
        asked = [*self._messages, {"role": "user", "content": normalize_text(text)[0]}]
        try:
            ids = self._renderer.prompt(asked)
        except RowRefused as refused:
            raise InputError(
                f"the chat template cannot hold this conversation: {refused.detail}"
            ) from refused
        if len(ids) + self._max_new_tokens > self.max_tokens:
            raise InputError(
                f"the conversation has {len(ids)} tokens, the model takes {self.max_tokens}, and an answer "
                f"may have {self._max_new_tokens} (--max-new-tokens): ask for less, or start anew with /reset"
            )
        return ids

    def ask(self, text: str, *, show: Callable[[str], None]) -> Reply:
        """Answer a user message, normalized as in training, and keep both in the history.

        `show` gets the answer in pieces. What it raises ends the answer; the message is then forgotten.

        Raises:
            InputError: as `prompt`, or the model fails at it.
        """
        ids = self.prompt(text)
        stream = TextStream(
            lambda tokens: self._tokenizer.decode(tokens, skip_special_tokens=True),  # type: ignore[return-value]
            show,
        )
        (generation,) = self._engine.generate([ids], on_token=lambda row, token: stream.add(token))
        if generation.error is not None:
            raise InputError(
                f"the model fails at this conversation ({generation.error}); say it otherwise, or start anew "
                "with /reset"
            )
        answer = stream.end()
        self._messages += [
            {"role": "user", "content": normalize_text(text)[0]},
            {"role": "assistant", "content": answer},
        ]
        return Reply(answer, generation.stopped, len(ids) + len(generation.ids))
