"""Whether a Ray answers at RAY_ADDRESS, found before `ray.init` would wait for it for minutes.

Asked by a run and by `hunmin doctor`. Standard library only; what needs Ray itself is a child.
"""

import os
import select
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import IO

from hunmin.errors import EnvironmentFailure, InputError

CONNECT_LIMIT_S = 5.0
ANSWER_LIMIT_S = 10.0  # of a head that is up, once the child has imported Ray
IMPORT_LIMIT_S = 120.0  # Python from a shared disk may take minutes
# What every gRPC server answers: the preface of HTTP/2 with empty settings, by a frame of settings (type 4).
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_CHILD = """
import sys
import ray._raylet
print("asks", flush=True)
try:
    ray._raylet.GcsClient(address=sys.argv[1])
except Exception as error:
    sys.exit((str(error).splitlines() or [type(error).__name__])[0])
print("answers", flush=True)
"""


def hosts_of_job(environ: Mapping[str, str]) -> list[str]:
    """Names of the machines of the job that the run is in, where it is one of ours; else none."""
    return [name for name in environ.get("HUNMIN_HOSTS", "").split(",") if name]


def require_answer(address: str) -> None:
    """Refuse an address at which no head of a Ray answers, within some 20 s.

    Raises:
        InputError: it is not HOST:PORT.
        EnvironmentFailure: nobody listens there, or what answers is no head of a Ray.
    """
    host, port = _host_and_port(address)
    try:
        with socket.create_connection((host, port), timeout=CONNECT_LIMIT_S) as connection:
            if not os.environ.get("RAY_USE_TLS"):
                _require_grpc(connection, address)
    except OSError as error:
        raise _no_answer(address, f"{error.strerror or error}") from error
    _require_head(address)


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise InputError(
            f"RAY_ADDRESS is {address}; inside a cluster it is HOST:PORT of the head, as ray job submit sets "
            "it. Unset it to run on this machine alone; hunmin submit --to ray hands a run to a cluster"
        )
    return host.strip("[]"), int(port)


def _require_grpc(connection: socket.socket, address: str) -> None:
    connection.sendall(_PREFACE)
    said = connection.recv(9)
    if len(said) < 4 or said[3] != 4:
        raise _no_answer(address, f"another program listens there, it says {said!r:.40}")


def _require_head(address: str) -> None:
    """Ask as `ray.init` will, in a process that may hang or be ended by Ray."""
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD, address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            asks = _line(child.stdout, IMPORT_LIMIT_S) == b"asks"
            answers = asks and _line(child.stdout, ANSWER_LIMIT_S) == b"answers"
            ended = child.poll() is not None
        finally:
            child.kill()
        said = child.stderr.read().decode(errors="replace").strip().splitlines()
    if not answers:
        raise _no_answer(address, said[-1][:200] if ended and said else "no head of a Ray listens there")


def _line(pipe: IO[bytes], limit_s: float) -> bytes:
    """The next line without its end; empty where none comes in time."""
    ready, _, _ = select.select([pipe], [], [], limit_s)
    return pipe.readline().strip() if ready else b""


def _no_answer(address: str, why: str) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"the Ray at RAY_ADDRESS={address} does not answer ({why}); "
        "start it, or unset RAY_ADDRESS to run on this machine alone"
    )
