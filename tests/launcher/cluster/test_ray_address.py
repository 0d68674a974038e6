"""An address at which no Ray answers is one message, soon."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from hunmin.errors import EnvironmentFailure, InputError
from launcher.cluster import ray_address
from launcher.cluster.ray_address import require_answer

SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


@contextmanager
def listener(says: bytes | None) -> Iterator[str]:
    """A program that takes connections and says the same to each; None: nothing, ever."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            kept = []
            while True:
                try:
                    kept.append(server.accept()[0])
                    kept[-1].sendall(says or b"")
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "address", ["auto", "local", "ray://127.0.0.1:10001", "127.0.0.1", "h:0", "h:99999", ":1"]
)
def test_what_is_no_host_and_port_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="HOST:PORT"):
        require_answer(address)


def test_nobody_listens() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    with pytest.raises(EnvironmentFailure, match=rf"127.0.0.1:{port} does not answer \(Connection refused\)"):
        require_answer(f"127.0.0.1:{port}")
    with pytest.raises(
        EnvironmentFailure, match=r"nowhere.invalid:6379 does not answer .* unset RAY_ADDRESS"
    ):
        require_answer("nowhere.invalid:6379")


@pytest.mark.parametrize(
    "says", [b"SSH-2.0-OpenSSH_9.2\r\n", b"-ERR unknown command\r\n", b"x", b"HTTP/1.1 400 Bad\r\n"]
)
def test_another_program_listens(says: bytes) -> None:
    with listener(says) as address, pytest.raises(EnvironmentFailure, match="another program listens there"):
        require_answer(address)


def test_a_web_server_is_no_ray() -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.raises(EnvironmentFailure, match="another program listens there"):
        require_answer(f"127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()


def test_silence_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_address, "CONNECT_LIMIT_S", 0.3)
    start = time.monotonic()
    with listener(None) as address, pytest.raises(EnvironmentFailure, match="timed out"):
        require_answer(address)
    assert time.monotonic() - start < 5


def test_a_server_of_another_kind_that_speaks_as_ray_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_address, "ANSWER_LIMIT_S", 1.0)
    with listener(SETTINGS) as address, pytest.raises(EnvironmentFailure, match="no head of a Ray listens"):
        require_answer(address)
