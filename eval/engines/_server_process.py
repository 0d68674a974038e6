"""A server process that ends with its owner, however that ends. The only file of eval that starts processes.

Between owner and server stands a guard: this file, run as a script of its own session, which nobody's kill of
an owner's children reaches. It holds the server in a process group and reads a pipe from the owner; the pipe
ends when the owner closes it or dies, by SIGKILL too, and then the guard kills the whole group.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence

TERM_S = 10.0  # from asking the group to end to killing it
END_S = 30.0  # until a guard whose pipe was closed must be gone
TOLD_LINES = 8


class ServerProcess:
    """A command that runs until it ends by itself, `close` is called, or this process is gone."""

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str]):
        """Start it; what it prints goes to a file without a name, which leaves nothing behind."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        guard = subprocess.Popen(
            [sys.executable, "-I", __file__, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=dict(environment),
        )
        assert guard.stdin is not None, "a pipe"
        assert guard.stdout is not None, "a pipe"
        self._lifeline, self._ended = guard.stdin, guard.stdout
        guard.wait()  # it has forked into a session of its own
        self._exit_code: int | None = None

    def exit_code(self) -> int | None:
        """What the server ended with, a signal as a negative number; None while it runs."""
        return self._wait_for_guard(0.0)

    def num_log_bytes(self) -> int:
        """How much the server has printed: while it grows, the server is at work."""
        return os.fstat(self._log.fileno()).st_size

    def last_lines(self) -> str:
        """The end of what the server printed."""
        size = self.num_log_bytes()
        start = max(0, size - 16_384)
        text = os.pread(self._log.fileno(), size - start, start).decode(errors="replace")
        return "\n".join([line for line in text.splitlines() if line.strip()][-TOLD_LINES:])

    def close(self) -> None:
        """End the server and all that it started; returns when they are gone."""
        if not self._lifeline.closed:
            self._lifeline.close()
            self._wait_for_guard(END_S)
            self._ended.close()
            self._log.close()

    def _wait_for_guard(self, timeout_s: float) -> int | None:
        """The guard's last words, the server's exit code, which come when the whole group is gone."""
        watched = self._exit_code is None and not self._ended.closed
        if watched and select.select([self._ended], [], [], timeout_s)[0]:
            self._exit_code = int(self._ended.read() or -signal.SIGKILL)  # nothing: the guard was killed
        return self._exit_code


def ask_python(python: str, code: str, *, timeout_s: float = 120.0) -> dict[str, str]:
    """The JSON object that a line of code prints in another interpreter.

    Raises:
        OSError: there is no such program.
        ValueError: it printed something else, failed or took too long; with its last line.
    """
    try:
        done = subprocess.run(
            [python, "-c", code],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            stdin=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},  # ours
        )
        return json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise ValueError(f"no answer within {timeout_s:g} s") from None
    except ValueError:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ValueError(lines[-1]) from None


def _guard(command: Sequence[str]) -> None:
    """Run the command until it ends or standard input does; then say its exit code."""
    if os.fork():
        os._exit(0)
    os.setsid()
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=sys.stderr, start_new_session=True
    )
    while server.poll() is None and not select.select([sys.stdin], [], [], 0.2)[0]:
        pass
    _kill_group(server)
    print(server.returncode, flush=True)


def _kill_group(leader: subprocess.Popen[bytes]) -> None:
    """End a process group, also when its leader is gone and left others behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGTERM)
    deadline = time.monotonic() + TERM_S
    while _lives(leader) and time.monotonic() < deadline:
        time.sleep(0.1)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGKILL)
    leader.wait()


def _lives(leader: subprocess.Popen[bytes]) -> bool:
    """Whether a member of the group still runs."""
    leader.poll()  # a zombie would count
    try:
        os.killpg(leader.pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    _guard(sys.argv[1:])
