"""Work of the next step done while this one computes, by one thread."""

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def read_ahead(read: Callable[[int], T], steps: range) -> Generator[T, None, None]:
    """`read(step)` of each step in order; when one is taken, the next is already being read.

    What `read` raises is raised where its step is taken. `read` must not be collective: the threads of
    several ranks keep no common order.
    """
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead")
    ahead: Future[T] | None = None
    try:
        for step in steps:
            now = ahead or pool.submit(read, step)
            following = step + steps.step
            ahead = pool.submit(read, following) if following in steps else None
            yield now.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
