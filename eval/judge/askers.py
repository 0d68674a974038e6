"""What answers as judge: an endpoint, or a model folder on this machine. Both yield replies as they come."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from eval.engines import GenerationSettings, Place, context_length, engine_of
from hunmin.errors import InputError
from hunmin.models.endpoint import Endpoint, Reply
from hunmin.models.folder import model_sha256
from hunmin.models.renderer import Renderer, RowRefused
from hunmin.models.tokenizer import load_tokenizer

Messages = Sequence[dict[str, str]]
MAX_TOKENS = 1_024  # of a reply: a thought and a small JSON object
BATCH = 8  # requests that a local model answers together


class Asker(Protocol):
    """A model that judges."""

    @property
    def identity(self) -> dict[str, str]:
        """What its replies depend on, and results name: never a key."""
        ...

    def ask(self, requests: Sequence[Messages]) -> Iterator[tuple[int, Reply]]:
        """Replies with their requests' places, in the order in which they come."""
        ...


@dataclass(frozen=True)
class EndpointAsker:
    """A model behind an endpoint, `num_requests` at a time."""

    endpoint: Endpoint
    num_requests: int = 4

    @property
    def identity(self) -> dict[str, str]:
        """Model and URL, which may hold no secret: `hunmin judge` takes the key from the environment."""
        return {"model": self.endpoint.model, "url": self.endpoint.url}

    def ask(self, requests: Sequence[Messages]) -> Iterator[tuple[int, Reply]]:
        """As `Asker`. After an error nothing more is asked; what was on its way is still yielded."""
        stop = threading.Event()
        with ThreadPoolExecutor(self.num_requests) as threads:
            waiting = {
                threads.submit(self.endpoint.ask, messages, max_tokens=MAX_TOKENS, stop=stop): place
                for place, messages in enumerate(requests)
            }
            error: BaseException | None = None
            try:
                for done in as_completed(waiting):
                    if done.cancelled():
                        continue
                    if done.exception() is None:
                        yield waiting[done], done.result()
                    elif error is None:
                        error = done.exception()
                        _end(waiting, stop)
            finally:  # a signal too
                _end(waiting, stop)
            if error is not None:
                raise error


def _end(waiting: Iterable[Future[Reply]], stop: threading.Event) -> None:
    """Nobody waits for further tries, and what has not begun does not begin."""
    stop.set()
    for future in waiting:
        future.cancel()


class LocalAsker:
    """A model folder with a chat template, answered by the engine hf in this process."""

    def __init__(self, folder: Path, *, num_threads: int = 1):
        """Load the model.

        Raises:
            InputError: it is no model folder, or its tokenizer has no template.
            ArtifactError: it lacks weights.
        """
        self._folder = folder
        self._tokenizer = load_tokenizer(folder)
        self._renderer = Renderer(self._tokenizer)
        self._room = context_length(str(folder)) - MAX_TOKENS
        on_gpu = torch.cuda.is_available()
        torch.set_num_threads(num_threads)
        settings = GenerationSettings(
            max_new_tokens=MAX_TOKENS,
            temperature=0.0,
            seed=0,
            stop_ids=tuple(self._renderer.stop_ids),
            num_threads=num_threads,
            dtype="bfloat16" if on_gpu else "float32",
        )
        place = Place(("cuda",) if on_gpu else ("cpu",))
        self._engine = engine_of("hf").load(str(folder), settings, place)

    @property
    def identity(self) -> dict[str, str]:
        """The folder's name and the hash of its files."""
        return {
            "model": self._folder.name,
            "sha256": model_sha256(str(self._folder), base=self._folder.parent),
        }

    def ask(self, requests: Sequence[Messages]) -> Iterator[tuple[int, Reply]]:
        """As `Asker`."""
        prompts = [self._prompt(messages) for messages in requests]
        for start in range(0, len(prompts), BATCH):
            some = prompts[start : start + BATCH]
            for place, one in enumerate(self._engine.generate(some)):
                text = str(self._tokenizer.decode(one.ids, skip_special_tokens=True))
                yield start + place, Reply(text, len(some[place]), len(one.ids))

    def _prompt(self, messages: Messages) -> list[int]:
        try:
            ids = self._renderer.prompt([{**message} for message in messages])  # type: ignore[misc]
        except RowRefused as refused:
            raise InputError(
                f"{self._folder}: its template takes no such request: {refused.detail}"
            ) from refused
        if len(ids) > self._room:
            raise InputError(
                f"{self._folder}: a request has {len(ids)} tokens, and the context leaves room for "
                f"{self._room}; judge with a model of a longer context"
            )
        return ids
