"""A text that is printed again and again, in its own place on a terminal."""

import sys
import time
from collections.abc import Callable

EVERY_S = 5.0
CLEAR = "\x1b[H\x1b[2J"  # cursor home, screen empty (ECMA-48)


def repeat(render: Callable[[], str], *, forever: bool) -> None:
    """Print what `render` gives, once; or every EVERY_S seconds until Ctrl-C."""
    while True:
        text = render()
        print(f"{CLEAR}{text}" if forever and sys.stdout.isatty() else text, flush=True)
        if not forever:
            return
        try:
            time.sleep(EVERY_S)
        except KeyboardInterrupt:
            return
