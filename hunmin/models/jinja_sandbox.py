"""Templates of strangers, rendered within a limit: a template is a program, and may not end or may break."""

import signal
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

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
    limited = threading.current_thread() is threading.main_thread()  # where signals arrive
    if limited and signal.getsignal(signal.SIGPROF) is not _interrupt:
        signal.signal(
            signal.SIGPROF, _interrupt
        )  # and left there: setting it takes as long as a short render
    try:
        try:
            if limited:
                signal.setitimer(signal.ITIMER_PROF, RENDER_LIMIT_S)
            return render()
        finally:
            if limited:
                signal.setitimer(signal.ITIMER_PROF, 0)
    except _Interrupt:
        raise RenderEndless(f"rendering took over {RENDER_LIMIT_S} s; does it loop without end?") from None
    except failures:
        raise
    except RecursionError as error:
        raise RenderFailed("it calls itself without end") from error
    except MemoryError as error:
        raise RenderFailed("it makes a text that does not fit into memory") from error
    except Exception as error:  # a program of the user's: whatever it raises is of its own making
        raise RenderFailed(
            f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        ) from error


def _interrupt(number: int, frame: object) -> None:
    raise _Interrupt
