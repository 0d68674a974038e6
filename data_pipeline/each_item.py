"""A step's items, each done once and noted: by Ray Data on every CPU, or here. Only this file knows Ray."""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from hunmin import artifact
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
    label: str, items: Mapping[Path, Item], task: Callable[[Item], dict[str, Any]], *, on_ray: bool
) -> list[dict[str, Any]]:
    """Do the task for every item, but for those whose file is there.

    Args:
        items: by the JSON file that notes that one is done, and what the task said.
        task: must leave the same behind however often it is started.
        on_ray: by Ray Data, for which Ray is up; otherwise one after another in this process.

    Returns:
        What the task said of each item, now or before, in their order.
    """
    missing = {path: item for path, item in items.items() if not path.exists()}
    if len(missing) < len(items):
        say(f"{label}: {len(items) - len(missing)} of {len(items)} were done before and are kept")
    if missing:
        (_on_ray if on_ray else _here)(label, missing, task)
    return [json.loads(path.read_text()) for path in items]


def _here(label: str, items: Mapping[Path, Item], task: Callable[[Item], dict[str, Any]]) -> None:
    with progress(label, total=len(items)) as ticker:
        for path, item in items.items():
            artifact.write_json(path, task(item))
            ticker.advance(1)


def _on_ray(label: str, items: Mapping[Path, Item], task: Callable[[Item], dict[str, Any]]) -> None:
    import ray.data

    # Our own progress and words instead of Ray Data's.
    ray.data.DataContext.get_current().print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    numbered = list(items.items())

    def do(batch: pa.Table) -> pa.Table:
        for number in batch.column("item").to_pylist():
            path, item = numbered[number]
            try:
                artifact.write_json(path, task(item))
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
