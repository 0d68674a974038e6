"""Items done by Ray Data on every CPU of its cluster. The only file of the data pipeline that knows Ray."""

import logging
from collections.abc import Callable, Iterator

import pyarrow as pa

from hunmin.errors import disk_failure


def num_ray_cpus() -> int:
    """CPUs of the cluster that Ray is up on."""
    import ray

    return int(ray.cluster_resources().get("CPU", 1))


def do_on_ray(do: Callable[[int], None], count: int) -> Iterator[None]:
    """Do the items 0..count-1; yields once for each that is done.

    Raises:
        Exception: Ray's, with what `do` raised as its cause.
    """
    import ray.data

    # Our own progress and words instead of Ray Data's.
    ray.data.DataContext.get_current().print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)

    def do_batch(batch: pa.Table) -> pa.Table:
        for number in batch.column("item").to_pylist():
            try:
                do(number)
            except OSError as error:  # Ray would bring its text only
                raise disk_failure(error) or error from error
        return batch

    listed = ray.data.from_items([{"item": number} for number in range(count)], override_num_blocks=count)
    done = listed.map_batches(do_batch, batch_format="pyarrow", batch_size=1)
    for bundle in done.iter_internal_ref_bundles():
        yield from [None] * (bundle.num_rows() or 0)
