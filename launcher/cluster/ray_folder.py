"""The private folder that a Ray of ours lives in: its token, sockets and logs. Standard library only.

Ray would take the temporary folder of the environment, open it to everyone, leave its sessions there, and
die of a Unix socket whose name is too long. Here a folder of mode 0700 with a short name goes away at the
end; what a killed run has left is swept at the next start.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hunmin.errors import EnvironmentFailure

PREFIX = "hunmin-ray-"
MAX_SOCKET_PATH = 107  # bytes, a limit of Linux
SOCKET_PATH = "/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store.1"  # as long as they get
_NAME = len(PREFIX) + 8 + len("/r")  # as `tempfile` names folders; `r` is what Ray opens to everyone
_OWNER = "owner"  # a file in it that its process holds locked as long as it lives


def folder_for_sockets(*, name_bytes: int = _NAME) -> str:
    """The first usual temporary folder in which Ray's sockets may lie and files stay private.

    Args:
        name_bytes: what stands between this folder and Ray's session.

    Raises:
        EnvironmentFailure: there is none; says why each is none.
    """
    refused = []
    for folder in _candidates():
        if (why := _unfit(folder, name_bytes)) is None:
            return folder
        refused.append(f"{folder}: {why}")
    raise EnvironmentFailure(
        f"Ray finds no folder for its sockets ({'; '.join(refused)}); "
        "export TMPDIR=/a/short/path on a local disk that you may write"
    )


@contextmanager
def ray_folder() -> Iterator[Path]:
    """A new private folder for one Ray, removed at the end; those of dead processes are removed first.

    Raises:
        EnvironmentFailure: no folder can hold Ray's sockets.
    """
    parent = folder_for_sockets()
    for left in {parent, *_candidates()}:
        sweep(Path(left))
    # Locked before it has its name, so that no other start takes it for one that was left.
    made = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=parent))
    owner = os.open(made / _OWNER, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(owner, fcntl.LOCK_EX)
    folder = made.rename(made.with_name(made.name.removeprefix(".")))
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(owner)


def sweep(parent: Path) -> None:
    """Remove the folders of Rays whose owner is dead."""
    try:
        left = [path for path in parent.glob(f"{PREFIX}*") if path.stat().st_uid == os.getuid()]
    except OSError:  # gone, or not ours to see
        return
    for folder in left:
        try:
            owner = os.open(folder / _OWNER, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(folder)
        except BlockingIOError:
            continue
        finally:
            os.close(owner)


def _remove(folder: Path) -> None:
    """Remove a folder, the owner's file last: where an agent of Ray still writes, the next sweep goes on."""
    for path in folder.iterdir():
        if path.name != _OWNER:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    if [path.name for path in folder.iterdir()] == [_OWNER]:
        shutil.rmtree(folder, ignore_errors=True)


def _candidates() -> list[str]:
    named = (os.environ.get("RAY_TMPDIR"), tempfile.gettempdir(), os.environ.get("XDG_RUNTIME_DIR"))
    return list(dict.fromkeys(folder for folder in (*named, "/tmp", "/var/tmp", "/dev/shm") if folder))


def _unfit(folder: str, name_bytes: int) -> str | None:
    """Why Ray's files cannot lie in a folder; None where they can."""
    length = len(os.fsencode(os.path.abspath(folder))) + 1 + name_bytes + len(SOCKET_PATH)
    if length > MAX_SOCKET_PATH:
        return f"too long, a socket may have {MAX_SOCKET_PATH} bytes and would have {length}"
    try:
        with tempfile.NamedTemporaryFile(prefix=f".{PREFIX}", dir=folder) as probe:  # mode 0600
            private = os.fstat(probe.fileno()).st_mode & 0o077 == 0
    except OSError as error:
        return str(error.strerror)
    return None if private else "does not keep files private (mode 0600)"
