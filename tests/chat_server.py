"""An OpenAI-compatible endpoint on the loopback that says what a test wants, faults included."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Say = Callable[[dict[str, Any], int], "Answer"]  # request body, how many came before it


class Answer:
    """What the server sends: a chat completion by default."""

    def __init__(
        self, text: str | None = None, *, status: int = 200, raw: bytes | None = None, delay_s: float = 0,
        headers: dict[str, str] | None = None,
    ):  # fmt: skip
        told = {
            "choices": [{"message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20},
        }
        self.data = json.dumps(told).encode() if raw is None else raw
        self.status, self.delay_s, self.headers = status, delay_s, headers or {}


class Served:
    """What came in."""

    def __init__(self, url: str):
        self.url = url
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []


@contextmanager
def serving(say: Say) -> Iterator[Served]:
    """Serve until the block ends."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(served.bodies)
                served.bodies.append(body)
                served.headers.append(dict(self.headers) | {"path": self.path})
            answer = say(body, number)
            time.sleep(answer.delay_s)
            try:
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.data)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.data)
            except (BrokenPipeError, ConnectionResetError):
                pass  # who asked waits no longer

        def log_request(self, code: Any = "-", size: Any = "-") -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Served(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
