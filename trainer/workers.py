"""Ranks as Ray Train workers. The only file of the package with Ray."""

import math
import tempfile
import time
from pathlib import Path
from typing import Any

import ray
from ray.train import RunConfig, ScalingConfig
from ray.train._internal.base_worker_group import BaseWorkerGroup
from ray.train.torch import TorchConfig, TorchTrainer

# Private: the hook before the process group, and what Ray says of a worker that it lost. The version is
# pinned, tests hold them.
from ray.train.torch.config import _TorchBackend
from ray.train.v2._internal.exceptions import RayTrainError
from ray.train.v2.api.exceptions import TrainingFailedError, WorkerGroupError

from data_pipeline.artifact import Manifest
from data_pipeline.config import ModelConfig
from data_pipeline.errors import EnvironmentFailure, GateError, HunminError, StopRequested
from trainer.config import TrainConfig
from trainer.guard import forward_signals
from trainer.job import Job, begin, finish
from trainer.metrics import shown
from trainer.ranks import use_interface_of


def run(
    *,
    config: TrainConfig,
    model: ModelConfig,
    seed: int,
    data_dir: Path,
    out_dir: Path,
    num_workers: int,
    gpus_per_worker: int,
    parents: dict[str, str],
    config_sha256: str,
) -> Manifest:
    """Train on `num_workers` ranks and export. Ray is initialised by the caller.

    Args:
        config: the `train` section.
        model: the `model` section.
        seed: the run's seed.
        data_dir: a finished data stage.
        out_dir: the stage's folder; what an interrupted run of the same config left there is continued.
        num_workers: ranks.
        gpus_per_worker: 0 or 1.
        parents: content_sha256 of the stages this one reads.
        config_sha256: of the content fields this stage depends on.

    Raises:
        StopRequested: a signal came; the same call continues.
        GateError: the ranks cannot be placed, or training is refused.
        EnvironmentFailure: a rank died.

    """
    start = time.monotonic()
    job = Job(
        config=config,
        model=model,
        seed=seed,
        data_dir=data_dir.resolve(),
        out_dir=out_dir.resolve(),
        parents=parents,
        config_sha256=config_sha256,
    )
    num_steps = begin(job)
    scaling = ScalingConfig(
        num_workers=num_workers,
        use_gpu=gpus_per_worker > 0,
        resources_per_worker=_resources(num_workers, gpus_per_worker),
        placement_strategy="SPREAD",  # over the nodes of a cluster
    )
    with (
        forward_signals(job.stop_file) as stop_flag,
        shown(job.metrics_file, num_steps=num_steps),
        tempfile.TemporaryDirectory(dir=job.out_dir, prefix=".ray-") as storage,
    ):
        trainer = TorchTrainer(
            _rank,
            train_loop_config={"job": job},
            torch_config=_TorchConfig(
                backend="nccl" if gpus_per_worker else "gloo", timeout_s=int(config.collective_timeout_s)
            ),
            scaling_config=scaling,
            run_config=RunConfig(name="train", storage_path=storage),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            raise _cause(error) from error
        except SystemExit as error:  # Ray Train's own answer to SIGINT
            raise StopRequested("interrupted; the same command goes on from the last checkpoint") from error
    manifest = finish(job, seconds=time.monotonic() - start)
    if stop_flag.is_set():  # too late for a step to end early; the stages behind must not start
        raise StopRequested("stopped on request when training was done; the same command continues")
    return manifest


class _Backend(_TorchBackend):
    """Ray's, after each rank was told which network interface is its own."""

    def on_start(self, worker_group: BaseWorkerGroup, backend_config: TorchConfig) -> None:
        worker_group.execute(_use_own_interface)
        super().on_start(worker_group, backend_config)


class _TorchConfig(TorchConfig):
    @property
    def backend_cls(self) -> type[_TorchBackend]:
        return _Backend


def _use_own_interface() -> None:
    use_interface_of(ray.util.get_node_ip_address())


def _rank(config: dict[str, Any]) -> None:
    from trainer.loop import train  # here, so that the driver does not load DeepSpeed

    train(config["job"])


def _resources(num_workers: int, gpus_per_worker: int) -> dict[str, float]:
    """A CPU for each rank, or its share where there are fewer.

    Raises:
        GateError: Ray has not enough GPUs.

    """
    have = ray.cluster_resources()
    gpus = num_workers * gpus_per_worker
    if gpus > have.get("GPU", 0):
        raise GateError(
            f"cluster: {num_workers} ranks need {gpus} GPUs, Ray has {have.get('GPU', 0):g}; lower "
            "cluster.num_workers, or set cluster.gpus_per_worker: 0"
        )
    # An equal part of a slot: a rank's share lies on one node, and any other would not always fit.
    cpus = math.floor(10_000 / max(1, math.ceil(num_workers / have["CPU"]))) / 10_000
    return {"CPU": cpus, **({"GPU": gpus_per_worker} if gpus_per_worker else {})}


def _cause(error: TrainingFailedError) -> BaseException:
    """What went wrong first, with its class: ranks that only lost a neighbour say so in other words."""
    if not isinstance(error, WorkerGroupError):
        return error
    causes = dict(sorted(error.worker_failures.items()))  # by rank: what it raised, or Ray's word for a loss
    dead = [rank for rank, cause in causes.items() if isinstance(cause, RayTrainError)]
    for cause in causes.values():
        if isinstance(cause, HunminError):
            return cause
    if dead:
        return EnvironmentFailure(
            f"train: rank {', '.join(map(str, dead))} died (killed, out of memory, or its node is lost); "
            "the same command continues from the last checkpoint"
        )
    return next((cause for cause in causes.values() if isinstance(cause, OSError)), error)
