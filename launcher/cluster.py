"""Ray, started here on this machine. The only file of the launcher that touches Ray."""

import logging
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def local_ray(*, num_cpus: int, num_gpus: int = 0) -> Iterator[None]:
    """A private Ray on the loopback with a token of its own, taken down at the end.

    Args:
        num_cpus: CPU slots that Ray may give to tasks.
        num_gpus: GPUs it may give away.
    """
    # Before ray is imported: it reads these at import, and its workers inherit them.
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory(prefix="hunmin-ray-") as folder:
        token = Path(folder) / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        os.environ.update(
            RAY_AUTH_MODE="token",
            RAY_AUTH_TOKEN_PATH=str(token),
            RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="1",  # a worker without a GPU of its own sees none
            RAY_USAGE_STATS_ENABLED="0",
            RAY_TRAIN_V2_ENABLED="1",
        )
        import ray
        import ray.data

        ray.init(
            address="local",
            num_cpus=num_cpus,
            num_gpus=num_gpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _node_ip_address="127.0.0.1",
            runtime_env={"env_vars": {"PYTHONPATH": str(root)}},
        )
        # Before any Dataset reads its context: the stages show progress of their own.
        ray.data.DataContext.get_current().enable_progress_bars = False
        try:
            yield
        finally:
            ray.shutdown()
