"""Templates of strangers, rendered within a limit: a template is a program, and may not end or may break."""

import resource
import signal
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")

RENDER_LIMIT_BYTES = 1 << 30  # that the process may grow by; a render takes kilobytes
SIZE_HOLDS_S = 0.05  # in which a process does not grow by a part of that
RENDER_LIMIT_S = 5  # of CPU time, which a busy machine does not shorten; a render takes milliseconds


class RenderEndless(Exception):
    """A render did not end within RENDER_LIMIT_S; the message says so."""


class _Interrupt(BaseException):
    """No Exception: Jinja passes over those where it computes constants."""


class RenderFailed(Exception):
    """What a template did wrong, in words: its own refusal, a division by zero, an include, a recursion."""


def rendered(render: Callable[[], T], *, failures: tuple[type[Exception], ...] = ()) -> T:
    """What `render` gives, within the limit.

    Args:
        render: compiles or renders a template of Jinja's sandbox, and nothing else.
        failures: errors that the caller tells apart; they pass as they are.

    Raises:
        RenderEndless: it takes too long.
        RenderFailed: it raises anything that is none of `failures`.
    """
    try:
        if threading.current_thread() is not threading.main_thread():
            return render()
        return _within_limits(render)
    except _Interrupt:
        raise RenderEndless(f"rendering took over {RENDER_LIMIT_S} s; does it loop without end?") from None
    except failures:
        raise
    except RecursionError as error:
        raise RenderFailed("it calls itself without end") from error
    except MemoryError as error:
        raise RenderFailed(
            "it makes a text that does not fit into memory, or into the "
            f"{RENDER_LIMIT_BYTES >> 20} MiB that a render may take"
        ) from error
    except Exception as error:  # a program of the user's: whatever it raises is of its own making
        raise RenderFailed(
            f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        ) from error


def _within_limits(render: Callable[[], T]) -> T:
    """Interrupt what takes too long, and let the process not grow without end.

    In the main thread alone, where signals arrive: limits are the whole process's, and of two threads each
    would put back the other's. The handler stays: to set it takes as long as a short render.
    """
    if signal.getsignal(signal.SIGPROF) is not _interrupt:
        signal.signal(signal.SIGPROF, _interrupt)
    memory = resource.getrlimit(resource.RLIMIT_AS)
    try:
        signal.setitimer(signal.ITIMER_PROF, RENDER_LIMIT_S)
        _limit_memory(memory)
        return render()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, memory)
        signal.setitimer(signal.ITIMER_PROF, 0)


def _interrupt(number: int, frame: object) -> None:
    raise _Interrupt


def _limit_memory(limits: tuple[int, int]) -> None:
    """Let the process take RENDER_LIMIT_BYTES more than it has, of what its limits (soft, hard) allow."""
    size = _process_bytes(int(time.monotonic() / SIZE_HOLDS_S))
    if size is None:
        return  # no Linux: the limit of time is left
    allowed = [limit for limit in limits if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([size + RENDER_LIMIT_BYTES, *allowed]), limits[1]))


@lru_cache(maxsize=1)
def _process_bytes(moment: int) -> int | None:
    """The address space of this process; asked once a moment, for it takes as long as a short render."""
    try:
        with open("/proc/self/statm", "rb") as handle:
            return int(handle.read().split()[0]) * resource.getpagesize()
    except OSError:
        return None
