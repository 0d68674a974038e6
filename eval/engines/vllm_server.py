"""Answers by a vLLM that lives in an environment of its own, as a server of the actor that asks it.

vLLM pins other versions of torch and transformers than hunmin. `eval.vllm_python` names the Python of an
environment that has it; each actor starts one server there, on the loopback, with a key that only it knows,
and sends and gets token ids. Written for the API of vLLM 0.32 (/v1/completions with `return_token_ids`); run
on a CPU, not yet on a GPU.
"""

import json
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from socket import socket
from typing import Any

from eval.engines import EngineKind, Generation, GenerationSettings, Place, all_stop_ids
from eval.engines._server_process import ServerProcess, ask_python
from eval.engines.vllm import (
    ENVIRONMENT,
    ON_A_GPU,
    divides,
    load_arguments,
    own_stop_ids,
    preference,
    sampling_arguments,
    to_generation,
)
from hunmin.errors import EnvironmentFailure

LOOPBACK = "127.0.0.1"
NAME = "model"  # under which the server serves its only one
# The module, not the command `vllm serve`, which a build for CPUs refuses: it asks for a package named vllm.
SERVE = ("-m", "vllm.entrypoints.openai.api_server")
# vLLM's own log tells of each step of a start, so silence means that it stands still.
SILENT_LIMIT_S = 600.0
ANSWER_LIMIT_S = 3600.0  # for the prompts of one group
POLL_S = 0.25
MAX_REQUESTS = 256  # at a time; as many sequences as vLLM computes together by default
CURE = (
    "install vLLM there, `PYTHON -m pip install vllm==0.32.*` (docs/gpu.md), name another in "
    "eval.vllm_python, or set eval.engine: hf"
)


class VLLMServerEngine:
    """A causal LM behind a vLLM server, which ends with `close` or with this process."""

    def __init__(self, path: str, *, settings: GenerationSettings, place: Place):
        """Start the server for a hub id or folder and wait until it is ready.

        Raises:
            EnvironmentFailure: it ended or fell silent before; with its last lines.
        """
        assert place.python is not None, "missing() was asked"
        self._settings = settings
        self._stop_ids = all_stop_ids(settings.stop_ids, own_stop_ids(path))
        self._port, self._key = _free_port(), secrets.token_hex(32)
        self._server = ServerProcess(
            [place.python, *SERVE, *serve_arguments(path, settings, place=place, port=self._port)],
            environment=server_environment(os.environ, settings, on_gpu=place.on_gpu, key=self._key),
        )
        try:
            self._await_health()
        except BaseException:
            self.close()
            raise

    def generate(self, prompts: Sequence[Sequence[int]]) -> list[Generation]:
        """Answer the prompts together, in their order.

        Raises:
            EnvironmentFailure: the server ended, or refused the prompts.
        """
        bodies = request_bodies(prompts, self._settings, stop_ids=self._stop_ids)
        with ThreadPoolExecutor(min(len(bodies), MAX_REQUESTS)) as threads:
            answered = list(threads.map(self._ask, bodies))
        return [
            to_generation(choice["token_ids"], choice["finish_reason"], stop_ids=self._stop_ids)
            for one in answered
            for choice in sorted(one["choices"], key=lambda choice: choice["index"])
        ]

    def close(self) -> None:
        """End the server and its workers; their memory is free when this returns."""
        self._server.close()

    def _await_health(self) -> None:
        printed, since = -1, time.monotonic()
        while (code := self._server.exit_code()) is None:
            if self._is_healthy():
                return
            if (now_printed := self._server.num_log_bytes()) != printed:
                printed, since = now_printed, time.monotonic()
            elif time.monotonic() - since > SILENT_LIMIT_S:
                raise self._failure(f"printed nothing for {SILENT_LIMIT_S:g} s and is not ready")
            time.sleep(POLL_S)
        raise self._failure(f"ended with exit code {code} before it was ready")

    def _is_healthy(self) -> bool:
        try:
            return self._request("GET", "/health", timeout_s=10.0)[0] == 200
        except (OSError, HTTPException):  # nobody listens yet
            return False

    def _ask(self, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            status, text = self._request(
                "POST", "/v1/completions", json.dumps(body).encode(), timeout_s=ANSWER_LIMIT_S
            )
        except TimeoutError as error:
            raise self._failure(f"did not answer within {ANSWER_LIMIT_S:g} s") from error
        except (OSError, HTTPException) as error:
            raise self._failure(f"broke off ({type(error).__name__})") from error
        if status != 200:
            raise self._failure(f"refused the prompts (HTTP {status}: {text[:300]})")
        return json.loads(text)

    def _request(
        self, method: str, path: str, body: bytes | None = None, *, timeout_s: float
    ) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        with closing(HTTPConnection(LOOPBACK, self._port, timeout=timeout_s)) as connection:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")

    def _failure(self, what: str) -> EnvironmentFailure:
        return EnvironmentFailure(
            f"the vLLM server {what}; eval.engine: hf needs no server. It said last:\n"
            f"{self._server.last_lines()}"
        )


def serve_arguments(path: str, settings: GenerationSettings, *, place: Place, port: int) -> list[str]:
    """Arguments of `vllm serve`: those of the engine in our own process, as options."""
    options = {
        **load_arguments(path, settings, place=place),
        "served_model_name": NAME,
        "host": LOOPBACK,
        "port": port,
        "disable_uvicorn_access_log": True,
    }
    return [_option(name.replace("_", "-"), value) for name, value in options.items()]


def _option(flag: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{flag}" if value else f"--no-{flag}"
    return f"--{flag}={value}"


def server_environment(
    ours: Mapping[str, str], settings: GenerationSettings, *, on_gpu: bool, key: str
) -> dict[str, str]:
    """Our environment without what points Python at our packages; the key is read from it, seen by no one."""
    kept = {name: value for name, value in ours.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return (
        kept
        | {"OMP_NUM_THREADS": str(settings.num_threads)}
        | {**ENVIRONMENT, "VLLM_LOGGING_LEVEL": "INFO", "VLLM_API_KEY": key}
        | (ON_A_GPU if on_gpu else {})
    )


def request_bodies(
    prompts: Sequence[Sequence[int]], settings: GenerationSettings, *, stop_ids: set[int]
) -> list[dict[str, Any]]:
    """Bodies for /v1/completions: one for all prompts where they are greedy, else one each, for its seed."""
    together = [prompts] if settings.temperature == 0 else [[prompt] for prompt in prompts]
    return [
        {
            "model": NAME,
            "prompt": [list(prompt) for prompt in some],
            "return_token_ids": True,
            **{
                name: value
                for name, value in sampling_arguments(some[0], settings, stop_ids=stop_ids).items()
                if name != "detokenize"  # the server has no tokenizer to do it with
            },
        }
        for some in together
    ]


def _free_port() -> int:
    with socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def missing(python: str | None) -> str | None:
    """Why no vLLM can be started here."""
    if python is None:
        return f"eval.vllm_python names no Python of an environment that has vLLM; {CURE}"
    if not Path(python).is_file():
        return f"eval.vllm_python: {python} is not a program; {CURE}"
    try:
        versions(python)
    except (OSError, ValueError) as error:
        return f"eval.vllm_python: {python} has no vLLM ({error}); {CURE}"
    return None


def versions(python: str | None) -> dict[str, str]:
    """Versions of vLLM and torch in that environment.

    Raises:
        OSError: it is no program.
        ValueError: one of them is not installed there.
    """
    assert python is not None, "missing() was asked"
    return ask_python(python, VERSIONS_CODE)


# A build for CPUs has another name, and the same package inside.
VERSIONS_CODE = """
import json
from importlib.metadata import packages_distributions, version
found = packages_distributions()
names = {name: found[name][0] for name in ("vllm", "torch") if name in found}
assert len(names) == 2, "no package vllm with its torch"
print(json.dumps({name: version(of) for name, of in names.items()}))
"""


ENGINE = EngineKind(
    load=lambda path, settings, place: VLLMServerEngine(path, settings=settings, place=place),
    versions=versions,
    preference=preference,
    missing=missing,
    owns_gpu=True,
    divides=divides,
)
