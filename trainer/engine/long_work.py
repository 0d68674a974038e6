"""Long work that each rank does for itself, some more of it than others, while all hear that it goes on.

A rank that waits in a collective for one that verifies a terabyte gives no sign of life, and would be taken
for hanging. So the work runs in a thread, and the ranks meet every second until all are done.
"""

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from hunmin.progress import Heartbeat
from trainer.engine.ranks import Rank

MEET_EVERY_S = 1.0

Result = TypeVar("Result")


def together(me: Rank, work: Callable[[Heartbeat], Result], *, alive: Heartbeat) -> Result:
    """What this rank's work gives or raises, when every rank's is done. Collective.

    Args:
        work: calls what it is given whenever it has got on; must not be collective.
        alive: called on all ranks when any of them has got on, or is done.
    """
    got_on, done = threading.Event(), Future[Result]()
    context = contextvars.copy_context()  # what is said in the work goes where this rank's goes

    def run() -> None:
        try:
            done.set_result(context.run(work, got_on.set))
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    was_done = 0
    while was_done < me.world_size:
        wait([done], timeout=MEET_EVERY_S)
        told = me.gather([done.done(), got_on.is_set()])
        got_on.clear()
        now_done = int(told[:, 0].sum())
        if now_done > was_done or told[:, 1].any():
            alive()
        was_done = now_done
    return done.result()


def told_by_first(me: Rank, work: Callable[[Heartbeat], bytes], *, alive: Heartbeat) -> bytes:
    """What the first rank's work gives, on every rank; the others only wait. Collective. As `together`."""
    return me.from_first(together(me, work if me.is_first else lambda alive: b"", alive=alive))
