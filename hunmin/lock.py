"""One process at a time in a run folder, on a local or a shared file system."""

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hunmin.errors import InputError

HEARTBEAT_S = 10.0
STALE_AFTER_S = 120.0  # a lock of another host without a heartbeat for this long is dead


@contextmanager
def run_lock(run_dir: Path) -> Iterator[None]:
    """Hold the run folder alone: two processes never write one run.

    A file created exclusively (atomic on shared file systems too) holds host, pid, start time and job id;
    its modification time is the heartbeat. The lock of a dead process on this host, or of another host
    without a heartbeat for STALE_AFTER_S, is taken over.

    Raises:
        InputError: a living process holds the run.
    """
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{run_dir}: not a folder; name the run's folder with --run") from error
    except OSError as error:
        raise InputError(
            f"{run_dir}: the folder cannot be made ({error.strerror}); name another with --run"
        ) from error
    path = run_dir / ".lock"
    owner = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "start": _start_of(os.getpid()),
        "job_id": os.environ.get("SLURM_JOB_ID"),
    }
    _acquire(path, owner)
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT_S):
            if not _is_ours(path, owner):
                print(f"hunmin: {path} was taken over by another process; stopping", file=sys.stderr)
                os.kill(os.getpid(), signal.SIGTERM)
                return
            os.utime(path)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        if _is_ours(path, owner):
            path.unlink()


def _is_ours(path: Path, owner: dict[str, Any]) -> bool:
    try:
        return json.loads(path.read_text()) == owner
    except (FileNotFoundError, ValueError):
        return False


def _acquire(path: Path, owner: dict[str, Any]) -> None:
    # The owner is complete before the name exists: link() is atomic and fails where the name is taken.
    mine = path.with_name(f".lock.{owner['host']}.{owner['pid']}")
    mine.write_text(json.dumps(owner))
    try:
        while True:
            try:
                os.link(mine, path)
                return
            except FileExistsError:
                holder = _living_holder(path)
                if holder is not None:
                    raise InputError(
                        f"{path.parent} is in use by process {holder['pid']} on {holder['host']}"
                        + (f" (job {holder['job_id']})" if holder.get("job_id") else "")
                        + "; wait for it, or stop it, or name another folder with --run"
                    ) from None
                _bury(path, path.with_name(f".lock.dead.{owner['host']}.{owner['pid']}"))
    finally:
        mine.unlink(missing_ok=True)


def _bury(path: Path, grave: Path) -> None:
    """Remove a dead owner's lock. Only one of several waiters wins the rename; whoever finds that it
    moved a lock that came to life in between puts it back.
    """
    try:
        path.rename(grave)
    except FileNotFoundError:
        return
    if _living_holder(grave) is not None:
        os.link(grave, path)
    grave.unlink()


def _living_holder(path: Path) -> dict[str, Any] | None:
    try:
        holder = json.loads(path.read_text())
        age_s = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return None
    except ValueError:
        raise InputError(f"{path}: not a lock file; delete it if no hunmin runs here") from None
    if holder["host"] == socket.gethostname():
        return holder if _start_of(holder["pid"]) == holder["start"] else None
    return holder if age_s < STALE_AFTER_S else None


def _start_of(pid: int) -> str | None:
    """Start time of a process in clock ticks since boot (proc(5), field 22); None where it is dead."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]
