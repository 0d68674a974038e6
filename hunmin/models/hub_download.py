"""Weights from the hub, in a process of their own: a download that stands still can be ended.

A slow one goes on as long as bytes come, whoever writes them: processes that want the same model wait for the
one that has its lock, and see the files grow.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hunmin.errors import EnvironmentFailure
from hunmin.progress import Heartbeat, no_heartbeat

STANDSTILL_S = 120.0  # without a byte; the hub's own library gives up a request after 10 s, and tries again
LOOK_EVERY_S = 1.0

# Runs in the child. Whatever else ends it leaves a traceback, of which the last line is told.
_CODE = """
import json, sys
from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError
constants.DOWNLOAD_CHUNK_SIZE = 1 << 18  # bytes until the file grows; 10 MB take a slow line minutes
path, *patterns = sys.argv[1:]
try:
    print(json.dumps({"folder": snapshot_download(path, allow_patterns=patterns)}))
except (HFValidationError, RepositoryNotFoundError):
    print(json.dumps({"unknown": path}))
except OSError as error:  # of the network, the hub, the disk
    print(json.dumps({"failed": (str(error).splitlines() or [type(error).__name__])[0]}))
"""


class NotOnHubError(Exception):
    """The hub has no model of that name."""


def download(path: str, *, patterns: Sequence[str], alive: Heartbeat = no_heartbeat) -> Path:
    """The snapshot of a hub id with the files of these patterns, from the cache where they are there.

    Args:
        alive: called whenever files have grown.

    Raises:
        NotOnHubError: the hub has no such model.
        EnvironmentFailure: the hub does not give it, or stands still; what has come is kept.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(
            [sys.executable, "-P", "-c", _CODE, path, *patterns],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        try:
            _await(child, path, alive)
        finally:
            child.kill()
            child.wait()
        out.seek(0)
        err.seek(0)
        told, said = out.read().decode(), err.read().decode(errors="replace").strip()
    last = said.splitlines()[-1] if said else f"exit code {child.returncode}"
    found = {"failed": last} if child.returncode else json.loads(told)
    if "unknown" in found:
        raise NotOnHubError(path)
    if "failed" in found:
        raise EnvironmentFailure(
            f"model.path {path}: no folder here, and the hub does not give it ({found['failed']}); try "
            "again, or name a local folder"
        )
    return Path(found["folder"])


def _await(child: subprocess.Popen[bytes], path: str, alive: Heartbeat) -> None:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    cache = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=path, repo_type="model") / "blobs"
    seen, since = _files(cache), time.monotonic()
    while True:
        try:
            child.wait(LOOK_EVERY_S)
            return
        except subprocess.TimeoutExpired:
            pass
        if (now := _files(cache)) != seen:
            seen, since = now, time.monotonic()
            alive()
        elif time.monotonic() - since > STANDSTILL_S:
            total = sum(size for size, _ in seen.values())
            raise EnvironmentFailure(
                f"model.path {path}: the download stands still: not a byte for {STANDSTILL_S:g} s, after "
                f"{total / 1e6:,.1f} MB, which are kept; run the same command again, or name a local folder"
            )


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of each file, by name."""
    found = {}
    for file in folder.glob("*"):
        try:
            status = file.stat()
        except FileNotFoundError:  # whole by now, under its own name
            continue
        found[file.name] = (status.st_size, status.st_mtime_ns)
    return found
