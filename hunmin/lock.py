"""One process at a time in a run folder, on a local or a shared file system."""

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hunmin.errors import InputError

HEARTBEAT_S = 10.0
STALE_AFTER_S = 120.0  # a lock of another host without a heartbeat for this long is dead

Owner = dict[str, Any]  # as this_process gives it; of an older version without space, cluster and attempt


@contextmanager
def run_lock(run_dir: Path, *, has_job_ended: Callable[[str], bool] = lambda job_id: False) -> Iterator[None]:
    """Hold the run folder alone: two processes never write one run.

    A file created exclusively (atomic on shared file systems too) holds host, process and SLURM job; its
    modification time is the heartbeat. A dead owner's lock is taken over at once where its death is known:
    its process is gone from this host and process namespace, or its job was requeued or has ended. Of others
    only the heartbeat tells, which is missed for STALE_AFTER_S.

    Args:
        has_job_ended: whether the job of that id on this SLURM cluster is known to have ended.

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
    owner = this_process()
    _acquire(path, owner, has_job_ended)
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


def living_holder(
    run_dir: Path, *, has_job_ended: Callable[[str], bool] = lambda job_id: False
) -> Owner | None:
    """Who holds a run now, as far as can be told from here; None where nobody does."""
    held = _holder(run_dir / ".lock")
    return held[0] if held and _lives(*held, this_process(), has_job_ended) else None


def this_process() -> Owner:
    """Who holds a lock that is taken here and now."""
    return {
        "host": socket.gethostname(),
        "space": _process_space(),
        "pid": os.getpid(),
        "start": _start_of(os.getpid()),
        "cluster": os.environ.get("SLURM_CLUSTER_NAME"),
        "job_id": os.environ.get("SLURM_JOB_ID"),
        "attempt": int(os.environ.get("SLURM_RESTART_COUNT", "0")),
    }


def _process_space() -> str | None:
    """Within what a process number names one process: a boot of the machine, and a process namespace of it.
    Containers may share a host name.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def _is_ours(path: Path, owner: Owner) -> bool:
    try:
        return json.loads(path.read_text()) == owner
    except (FileNotFoundError, ValueError):
        return False


def _acquire(path: Path, owner: Owner, has_job_ended: Callable[[str], bool]) -> None:
    # The owner is complete before the name exists: link() is atomic and fails where the name is taken.
    mine = path.with_name(f".lock.{owner['host']}.{owner['pid']}")
    mine.write_text(json.dumps(owner))
    try:
        while True:
            try:
                os.link(mine, path)
                return
            except FileExistsError:
                if (held := _holder(path)) is None:
                    continue
                if _lives(*held, owner, has_job_ended):
                    raise InputError(_in_use(path.parent, *held)) from None
                _bury(path, path.with_name(f".lock.dead.{owner['host']}.{owner['pid']}"), dead=held[0])
    finally:
        mine.unlink(missing_ok=True)


def _bury(path: Path, grave: Path, *, dead: Owner) -> None:
    """Remove a dead owner's lock. Only one of several waiters wins the rename; whoever finds that it
    moved another's lock, taken in between, puts it back.
    """
    try:
        path.rename(grave)
    except FileNotFoundError:
        return
    if (moved := _holder(grave)) and moved[0] != dead:
        os.link(grave, path)
    grave.unlink()


def _holder(path: Path) -> tuple[Owner, float] | None:
    """Who holds a lock, and the seconds since its heartbeat; None where nobody does."""
    try:
        return json.loads(path.read_text()), time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return None
    except ValueError:
        raise InputError(f"{path}: not a lock file; delete it if no hunmin runs here") from None


def _lives(holder: Owner, age_s: float, me: Owner, has_job_ended: Callable[[str], bool]) -> bool:
    """Whether a lock's owner is alive, as far as can be told from here."""
    if holder["host"] == me["host"] and holder.get("space", me["space"]) == me["space"]:
        return _start_of(holder["pid"]) == holder["start"]
    job_id = holder.get("job_id")
    if job_id and holder.get("cluster") == me["cluster"]:
        if job_id == me["job_id"] and holder.get("attempt", 0) < me["attempt"]:
            return False  # SLURM starts a job again when all of it has ended
        if job_id != me["job_id"] and has_job_ended(job_id):
            return False
    return age_s < STALE_AFTER_S


def _in_use(run_dir: Path, holder: Owner, age_s: float) -> str:
    job = f" (job {holder['job_id']})" if holder.get("job_id") else ""
    return (
        f"{run_dir} is in use by process {holder['pid']} on {holder['host']}{job}, alive {age_s:.0f} s ago; "
        f"wait for it (a dead one is known by {STALE_AFTER_S:.0f} s of silence), or stop it, or name another "
        "folder with --run"
    )


def _start_of(pid: int) -> str | None:
    """Start time of a process in clock ticks since boot (proc(5), field 22); None where it is dead."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]
