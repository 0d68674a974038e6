"""A step's items, each done once and noted: by Ray Data on every CPU, or here. Only this file knows Ray."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from data_pipeline.build.work_folder import Done, note_done, noted
from hunmin.artifact import read_sealed
from hunmin.errors import disk_failure
from hunmin.progress import progress, say

Item = TypeVar("Item")


def num_cpus(*, on_ray: bool) -> int:
    """How many items are done at a time."""
    if not on_ray:
        return 1
    import ray

    return int(ray.cluster_resources().get("CPU", 1))


def do_each(
    label: str, items: Mapping[Path, Item], task: Callable[[Item], Done], *, on_ray: bool
) -> list[dict[str, Any]]:
    """Do the task for every item, but for those that were done and have left what is there.

    Args:
        items: by the JSON file that notes that one is done, and what the task said.
        task: must leave the same behind however often it is started.
        on_ray: by Ray Data, for which Ray is up; otherwise one after another in this process.

    Returns:
        What the task said of each item, now or before, in their order.
    """
    kept = {path: said for path in items if (said := noted(path)) is not None}
    missing = {path: item for path, item in items.items() if path not in kept}
    if kept:
        say(f"{label}: {len(kept)} of {len(items)} were done before and are kept")
    if missing:
        (_on_ray if on_ray else _here)(label, missing, task)
    return [kept[path] if path in kept else read_sealed(path)[0]["said"] for path in items]


def _here(label: str, items: Mapping[Path, Item], task: Callable[[Item], Done]) -> None:
    with progress(label, total=len(items)) as ticker:
        for path, item in items.items():
            note_done(path, task(item))
            ticker.advance(1)


def _on_ray(label: str, items: Mapping[Path, Item], task: Callable[[Item], Done]) -> None:
    import ray.data

    # Our own progress and words instead of Ray Data's.
    ray.data.DataContext.get_current().print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    numbered = list(items.items())

    def do(batch: pa.Table) -> pa.Table:
        for number in batch.column("item").to_pylist():
            path, item = numbered[number]
            try:
                note_done(path, task(item))
            except OSError as error:  # Ray would bring its text only
                raise disk_failure(error) or error from error
        return batch

    listed = ray.data.from_items(
        [{"item": number} for number in range(len(numbered))], override_num_blocks=len(numbered)
    )
    done = listed.map_batches(do, batch_format="pyarrow", batch_size=1)
    with progress(label, total=len(numbered)) as ticker:
        for bundle in done.iter_internal_ref_bundles():
            ticker.advance(bundle.num_rows() or 0)
