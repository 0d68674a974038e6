"""Runs Python that a model wrote, in a jail (jail.py). The only file of eval's that starts such processes."""

import json
import os
import secrets
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from eval.sandbox.jail import UNAVAILABLE
from hunmin.errors import EnvironmentFailure

_JAIL = Path(__file__).with_name("jail.py")
_PYTHON = os.path.realpath(getattr(sys, "_base_executable", sys.executable))  # of no virtual environment


@dataclass(frozen=True)
class Limits:
    """What a program may use. Of threads each counts as a process; memory is of each process."""

    cpu_s: int = 10
    wall_s: float = 15.0
    memory_bytes: int = 512 << 20
    processes: int = 8
    file_bytes: int = 16 << 20
    tmp_bytes: int = 64 << 20


def run_python(program: str, *, limits: Limits | None = None) -> bool:
    """Whether a program comes to its end: no exception, no exit on the way, within the limits.

    It has the standard library, an empty /tmp, and no network. A program that looks for it can say that it
    ended where it did not; it cannot reach anything outside.

    Raises:
        EnvironmentFailure: the kernel does not let this user build the jail.
    """
    limits = limits or Limits()
    token = secrets.token_hex(16)
    # Said at the very end, so that exit() is no success.
    ending = f"\n\nimport os as _os\n_os.write(3, b{token!r})\n"
    job = {
        "program": program + ending,
        "token": token,
        "python": _PYTHON,
        "prefixes": sorted({sys.base_prefix, sys.base_exec_prefix}),
        "limits": asdict(limits),
    }
    process = subprocess.Popen(
        [_PYTHON, "-I", "-S", str(_JAIL)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={},
        cwd="/",
        start_new_session=True,
    )
    try:
        _, said = process.communicate(json.dumps(job).encode(), timeout=limits.wall_s)
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode in (0, 1):
        return process.returncode == 0
    last = said.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
    if process.returncode == UNAVAILABLE or b"uid_map" in said or b"gid_map" in said:
        raise EnvironmentFailure(
            f"eval.run_code: this machine does not let code run apart from all else ({last[0]}); needed are "
            "Linux 5.12 or later and user namespaces for this user: allow them, or set eval.run_code: false"
        )
    return False  # killed: out of memory, or by its own hand


@cache
def check_sandbox() -> None:
    """Try it once, before hours of work stand on it.

    Raises:
        EnvironmentFailure: as `run_python`; or a program that does nothing does not come to its end.
    """
    if not run_python("pass"):
        raise EnvironmentFailure(
            f"eval.run_code: {_PYTHON} does not start in the sandbox; set eval.run_code: false"
        )
