"""The ways a stage can end badly, each with the exit code the command line promises.

Whatever is not one of these is a bug: exit code 1, traceback in the log. launcher/failures.py turns them into
the end of the process.
"""

import errno
import os
from collections.abc import Callable, Iterable
from difflib import get_close_matches


class HunminError(Exception):
    """Base of every error whose message is meant for the user. The message says found, needed, cure."""

    exit_code = 1


class InputError(HunminError):
    """The user's input is wrong: a config, a file, an argument."""

    exit_code = 2


class ConfigError(InputError):
    """A config key or value is wrong; the message carries the dotted path, file and line."""


class GateError(HunminError):
    """A gate refused to go on: no trainable tokens, contamination, does not fit."""

    exit_code = 3


class EnvironmentFailure(HunminError):
    """Disk, network or a node failed; the same command may succeed later."""

    exit_code = 4


class ArtifactError(EnvironmentFailure):
    """A file of a finished stage is missing or differs from its manifest."""


class StopRequested(HunminError):
    """Stopped on request (signal) after saving; the same command continues."""

    exit_code = 75


def disk_failure(error: BaseException) -> EnvironmentFailure | None:
    """What a full or read-only disk means for the user; None where the error is another one.

    Known by errno, or by text: tokenizers and safetensors spell the number, DuckDB the system's words.
    """
    number = error.errno if isinstance(error, OSError) else None
    for disk in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
        spelled = f"(os error {disk})" in str(error) or (
            disk != errno.EACCES and os.strerror(disk) in str(error)
        )
        if number == disk or (number is None and spelled):
            where = getattr(error, "filename", None) or "the disk"
            return EnvironmentFailure(
                f"{where}: {os.strerror(disk)}; nothing half-written is taken for whole: make room (or name "
                "another folder with --run) and run the same command again"
            )
    return None


def path_failure(error: BaseException) -> ConfigError | None:
    """What a path means that no file can have, too long or a circle of links; None for another error."""
    if not isinstance(error, OSError) or error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
        return None
    path = str(error.filename or "a path")
    shown = path if len(path) <= 200 else f"{path[:200]}…"
    return ConfigError(f"{shown}: {os.strerror(error.errno)}; name another path")


def did_you_mean(
    name: str,
    known: Iterable[str],
    otherwise: str = "",
    *,
    cutoff: float = 0.6,
    show: Callable[[str], object] = str,
) -> str:
    """A question for the known name that is nearest to one that is not; `otherwise` where none is near.

    `cutoff` is difflib's, `show` spells the name out for the user.
    """
    near = get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"did you mean {show(near[0])}?" if near else otherwise


def one_line(error: BaseException, index: int = 0) -> str:
    """One line of what an error says, the first or (-1) the last; its class where it says nothing."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[index].strip() if lines else type(error).__name__
