"""A chat model behind an OpenAI-compatible endpoint: one request, tried again where that may help.

Standard library only. No key is read from anywhere: who calls hands one over, or none. Redirects are refused,
for a key must not follow them to another host.
"""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from time import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from hunmin.errors import EnvironmentFailure, HunminError, InputError, one_line
from hunmin.url_secrets import masked

MAX_REPLY_BYTES = 1 << 24
LONGEST_WAIT_S = 120.0  # between two tries, whatever the server asks for
SAID_CHARS = 200  # of a server's own words in a message
BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})  # statuses after which a try may succeed


class Reply(NamedTuple):
    """What a model said to a request, and what it cost."""

    text: str
    prompt_tokens: int  # 0 where the server does not tell
    answer_tokens: int


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers. `url` is the part before /chat/completions, such as http://127.0.0.1:8000/v1."""

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    timeout_s: float = 120.0  # of one try
    max_tries: int = 6
    first_wait_s: float = 1.0  # before the second try; doubled before each further one

    def __post_init__(self) -> None:
        """Raises InputError where the URL is none that can be asked."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(
                f"{masked(self.url)}: no address of an endpoint; needed is http(s)://HOST[:PORT]/v1"
            )

    def ask(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int,
        stop: threading.Event | None = None,
    ) -> Reply:
        """The model's likeliest reply (temperature 0); `stop` ends the waiting between tries.

        Raises:
            InputError: the endpoint refused the request for good: wrong key, no such model, too long.
            EnvironmentFailure: it could not be reached, was busy, or talked nonsense, in all tries.
        """
        body = {
            "model": self.model,
            "messages": list(messages),
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        stop = stop or threading.Event()
        for number in range(1, self.max_tries + 1):
            try:
                return self._try(body)
            except _TryAgain as failed:
                last = failed
            wait_s = max(self.first_wait_s * 2 ** (number - 1), last.wait_s)
            if number == self.max_tries or stop.wait(min(wait_s, LONGEST_WAIT_S)):
                break
        raise EnvironmentFailure(
            f"{masked(self.url)}: {last} ({number} tries); the same command goes on where this one ended"
        )

    def _try(self, body: Mapping[str, Any]) -> Reply:
        headers = {"Content-Type": "application/json", "User-Agent": "hunmin"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(
            f"{self.url.rstrip('/')}/chat/completions", json.dumps(body).encode(), headers, method="POST"
        )
        try:
            with _OPENER.open(request, timeout=self.timeout_s) as response:
                return _reply(response.read(MAX_REPLY_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error) from error
        except TimeoutError as error:
            raise _TryAgain(f"no answer within {self.timeout_s:g} s") from error
        except (OSError, HTTPException) as error:
            raise _TryAgain(f"cannot be reached ({one_line(error)})") from error

    def _refused(self, error: urllib.error.HTTPError) -> Exception:
        said = " ".join(error.read(MAX_REPLY_BYTES).decode(errors="replace").split())[:SAID_CHARS]
        if error.code in BUSY:
            return _TryAgain(
                f"HTTP {error.code} ({said})", wait_s=_asked_wait_s(error.headers.get("Retry-After") or "0")
            )
        where = masked(self.url)
        if error.code in (401, 403):
            held = "the key was not taken" if self.key else "it wants a key, and none was given"
            return InputError(f"{where}: HTTP {error.code}, {held} ({said})")
        return InputError(
            f"{where}: HTTP {error.code} for model {self.model} ({said}); look at URL and model"
        )


class _TryAgain(HunminError):
    """A try failed, and another may succeed after `wait_s`."""

    def __init__(self, said: str, *, wait_s: float = 0.0):
        super().__init__(said)
        self.wait_s = wait_s


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """No: the redirect comes back as the error that it is."""


_OPENER = urllib.request.build_opener(_NoRedirect)


def _reply(data: bytes) -> Reply:
    try:
        told = json.loads(data)
        text = told["choices"][0]["message"]["content"]
        usage = told.get("usage") or {}
        return Reply(
            "" if text is None else str(text),
            int(usage.get("prompt_tokens") or 0),
            int(usage.get("completion_tokens") or 0),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise _TryAgain(f"no chat completion in its reply ({data[:80]!r})") from error


def _asked_wait_s(asked: str, now: Callable[[], float] = time) -> float:
    """Seconds that a Retry-After header asks for, in seconds or as a date."""
    try:
        return max(0.0, float(asked))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - now())
    except ValueError:
        return 0.0
