"""A step's items, each done once and noted: here, by processes of this machine, or by Ray Data."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from data_pipeline.workers.done import Done, note_done, noted
from data_pipeline.workers.on_processes import do_on_processes
from data_pipeline.workers.on_ray import do_on_ray, num_ray_cpus
from hunmin.artifact import read_sealed
from hunmin.progress import progress, say

Item = TypeVar("Item")


@dataclass(frozen=True)
class Workers:
    """Who works: Ray, which is up; or so many processes of this machine, where 1 is this one alone."""

    on_ray: bool = False
    num_processes: int = 1

    @property
    def num_cpus(self) -> int:
        """How many items are done at a time."""
        return num_ray_cpus() if self.on_ray else self.num_processes


ALONE = Workers()


def do_each(
    label: str, items: Mapping[Path, Item], task: Callable[[Item], Done], *, workers: Workers
) -> list[dict[str, Any]]:
    """Do the task for every item, but for those that were done and have left what is there.

    Args:
        items: by the JSON file that notes that one is done, and what the task said.
        task: must leave the same behind however often it is started.

    Returns:
        What the task said of each item, now or before, in their order.

    Raises:
        Exception: what the task raises; the first of them.
        EnvironmentFailure: a process was lost.
    """
    kept = {path: said for path in items if (said := noted(path)) is not None}
    missing = [(path, item) for path, item in items.items() if path not in kept]
    if kept:
        say(f"{label}: {len(kept)} of {len(items)} were done before and are kept")

    def do(number: int) -> None:
        path, item = missing[number]
        note_done(path, task(item))

    if missing:
        with progress(label, total=len(missing)) as ticker:
            for _ in _each_done(do, len(missing), workers):
                ticker.advance(1)
    return [kept[path] if path in kept else read_sealed(path)[0]["said"] for path in items]


def _each_done(do: Callable[[int], None], count: int, workers: Workers) -> Iterable[None]:
    """Once for each of the items 0..count-1 that is done."""
    if workers.on_ray:
        return do_on_ray(do, count)
    if workers.num_processes > 1 and count > 1:
        return do_on_processes(do, count, num_processes=workers.num_processes)
    return (do(number) for number in range(count))
