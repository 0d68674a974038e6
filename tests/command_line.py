"""The command line in a process of its own, as a user starts it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def hunmin(
    *args: object, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout_s: float = 300
) -> subprocess.CompletedProcess[str]:
    """How a command ended and what it said; `env` beside this process's own environment."""
    return subprocess.run(
        [sys.executable, "-m", "launcher", *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
        cwd=cwd,
        env=os.environ | dict(env or {}),
    )
