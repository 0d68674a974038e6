"""Ray for a run: a private one on this machine, or the one of the job that the run is in.

The only file of the launcher that joins a Ray; launcher/backends/ray.py hands jobs to one.
"""

import json
import logging
import os
import secrets
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hunmin.errors import EnvironmentFailure, GateError, InputError, one_line
from hunmin.progress import say
from launcher.cluster.ray_address import hosts_of_job, require_answer
from launcher.cluster.ray_folder import ray_folder

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = float(os.environ.get("HUNMIN_START_LIMIT_S", "300"))
PROBE_LIMIT_S = 120.0  # a worker process starts and imports from a shared disk


@contextmanager
def ray_for(*, num_cpus: int, num_gpus: int, run_dir: Path, inputs: Sequence[Path]) -> Iterator[None]:
    """A Ray for the block: the cluster's where a job runs inside one, else a private one on this machine.

    A cluster has the CPUs and GPUs that it has; its nodes must see the run folder and the inputs.

    Raises:
        InputError: a node of the cluster does not see the run folder or an input.
        EnvironmentFailure: nodes of the cluster are missing.
    """
    address = os.environ.get("RAY_ADDRESS")
    if not address:
        with local_ray(num_cpus=num_cpus, num_gpus=num_gpus):
            yield
        return
    with _joined(address):
        _await_hosts(hosts_of_job(os.environ))
        require_shared(run_dir, inputs)
        yield


@contextmanager
def local_ray(*, num_cpus: int, num_gpus: int = 0) -> Iterator[None]:
    """A private Ray on the loopback with a token of its own, taken down at the end.

    Raises:
        GateError: this machine has fewer GPUs; Ray would believe in any number.
        EnvironmentFailure: Ray did not come up, or finds no folder for its sockets.
    """
    _require_gpus(num_gpus)
    with ray_folder() as folder:
        use_token_in(folder)
        ray_temp = folder / "r"  # Ray opens its folder to everyone; the one around it stays ours
        ray_temp.mkdir()
        import ray

        with _sigterm_stays_ours():
            _in_two_tries(
                ray.init,
                address="local",
                num_cpus=num_cpus,
                num_gpus=num_gpus,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _node_ip_address="127.0.0.1",
                _temp_dir=str(ray_temp),
                runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}},
            )
        _quiet()
        try:
            yield
        finally:
            ray.shutdown()


def _require_gpus(num_gpus: int) -> None:
    if not num_gpus:
        return
    import torch

    have = torch.cuda.device_count()
    if num_gpus > have:
        raise GateError(
            f"cluster: {num_gpus} GPUs are needed (num_workers x gpus_per_worker), torch finds {have} "
            "here; lower cluster.num_workers, or set cluster.gpus_per_worker: 0; make gpu checks the GPUs"
        )


def use_token_in(folder: Path) -> Path:
    """Make a token that every process of a Ray must show, for those started next; its file in that folder.

    Before ray is imported: it reads this at import, and its workers inherit it. They all see the folder.
    """
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    os.environ.update(
        RAY_AUTH_MODE="token",
        RAY_AUTH_TOKEN_PATH=str(token),
        RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="1",  # a worker without a GPU of its own sees none
        RAY_USAGE_STATS_ENABLED="0",
        RAY_TRAIN_V2_ENABLED="1",
    )
    return token


@contextmanager
def _joined(address: str) -> Iterator[None]:
    """A driver in the Ray that is there; only the driver ends with the block."""
    require_answer(address)
    import ray

    try:
        with _sigterm_stays_ours():
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env=_runtime_env(os.environ),
            )
    except (ConnectionError, RuntimeError, TimeoutError) as error:
        raise EnvironmentFailure(
            f"the Ray at RAY_ADDRESS={address} does not answer ({one_line(error)}); "
            "unset RAY_ADDRESS to run on this machine alone"
        ) from error
    _quiet()
    try:
        yield
    finally:
        ray.shutdown()


def _in_two_tries(start: Callable[..., object], **settings: Any) -> None:
    """Ray gives its processes 30 s to come up, and no setting changes that; a busy machine may need more.

    What the first try has started ends with this process, if not before.

    Raises:
        EnvironmentFailure: Ray did not come up, which it says by a bare Exception.
    """
    for is_last in (False, True):
        try:
            start(**settings)
            return
        except Exception as error:
            if type(error) is not Exception:
                raise
            if is_last:
                raise EnvironmentFailure(
                    f"Ray did not start on this machine ({one_line(error)}); when it is less busy, run the "
                    "same command again to continue"
                ) from error
            say(f"Ray did not come up ({one_line(error)}); trying once more")


@contextmanager
def _sigterm_stays_ours() -> Iterator[None]:
    """`ray.init` makes SIGTERM a bare exit with code 15, for good; then no stage could stop in order.

    A SIGTERM while Ray starts is handed to our handler, and that handler is set again behind it.
    """
    if threading.current_thread() is not threading.main_thread():  # there Ray leaves the handler alone
        yield
        return
    ours = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as ended:
        if ended.code == signal.SIGTERM and callable(ours):
            ours(signal.SIGTERM, None)
        raise
    finally:
        signal.signal(signal.SIGTERM, ours)


def _runtime_env(environ: Mapping[str, str]) -> dict[str, Any]:
    """What workers need beside the job's own environment, which Ray merges in: the code, unless shipped."""
    variables = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"}
    of_job = json.loads(environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")).get("runtime_env") or {}
    if "working_dir" not in of_job and "py_modules" not in of_job:
        variables["PYTHONPATH"] = str(ROOT)
    return {"env_vars": {k: v for k, v in variables.items() if k not in of_job.get("env_vars", {})}}


def _quiet() -> None:
    """Before any Dataset reads its context: the stages show progress of their own."""
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False


def _await_hosts(expected: Sequence[str]) -> None:
    """Wait for the nodes that the job was given.

    Raises:
        EnvironmentFailure: names the hosts that did not come.
    """
    import ray

    deadline = time.monotonic() + START_LIMIT_S
    while missing := sorted(set(expected) - {node["NodeName"] for node in ray.nodes() if node["Alive"]}):
        if time.monotonic() > deadline:
            raise EnvironmentFailure(
                f"Ray did not come up on {', '.join(missing)} within {START_LIMIT_S:.0f} s; "
                "the job's log has what they said; submit the same command again"
            )
        time.sleep(0.5)


def require_shared(run_dir: Path, inputs: Sequence[Path]) -> None:
    """Every node must see what this process sees; asked on each of them.

    Raises:
        InputError: names the host and the path that it does not see.
        EnvironmentFailure: a node does not answer.
    """
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"]]
    look = ray.remote(num_cpus=0, max_retries=0)(_unseen)
    with tempfile.NamedTemporaryFile(dir=run_dir, prefix=".seen-") as probe:
        paths = [probe.name, *map(str, inputs)]
        answers = [
            look.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(paths)
            for node in nodes
        ]
        for node, answer in zip(nodes, answers, strict=True):
            host = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
            try:
                unseen = ray.get(answer, timeout=PROBE_LIMIT_S)
            except RayError as error:
                raise EnvironmentFailure(
                    f"host {host} cannot run hunmin's code from {ROOT}; is it there, with the same Python? "
                    f"({one_line(error, -1)})"
                ) from error
            if probe.name in unseen:
                raise InputError(
                    f"host {host} does not see the run folder {run_dir}; name one on a disk that all nodes "
                    "share, with --run or HUNMIN_RUNS"
                )
            if unseen:
                raise InputError(
                    f"host {host} does not see {unseen[0]}, which is here; sources and models must lie on a "
                    "disk that all nodes share"
                )
    cpus, gpus = cpus_and_gpus()
    say(f"Ray: {len(nodes)} node(s) with {cpus} CPUs and {gpus} GPUs, all see {run_dir}")


def cpus_and_gpus() -> tuple[int, int]:
    """What the Ray that is up has, on all its nodes."""
    import ray

    have = ray.cluster_resources()
    return int(have.get("CPU", 0)), int(have.get("GPU", 0))


def _unseen(paths: list[str]) -> list[str]:
    """Which of these are not there; runs on each node."""
    return [path for path in paths if not os.path.exists(path)]
