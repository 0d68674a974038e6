"""Ranks as Ray Train workers. The only file of the package with Ray."""

import math
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
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

from hunmin.artifact import Manifest
from hunmin.errors import EnvironmentFailure, GateError, HunminError, StopRequested
from hunmin.models.config import ModelConfig
from hunmin.progress import say
from hunmin.stage import Inputs
from trainer.config import TrainConfig
from trainer.engine.ranks import use_interface_of
from trainer.health.lost_ranks import CONTINUES, death_of, is_full, is_loss, memory_advice, said_of
from trainer.health.signals import forward_signals
from trainer.health.watchdog import hang_report
from trainer.job import Job, begin_training, finish_training, planned_memory
from trainer.metrics.metrics_log import show_progress


def run(
    *,
    config: TrainConfig,
    model: ModelConfig,
    seed: int,
    data_dir: Path,
    out_dir: Path,
    num_workers: int,
    gpus_per_worker: int,
    inputs: Inputs,
) -> Manifest:
    """Train on ranks and export; what an interrupted run of the same config left in out_dir is continued.

    Ray is initialised by the caller.

    Raises:
        StopRequested: a signal came; the same call continues.
        GateError: the ranks cannot be placed, or training is refused.
        EnvironmentFailure: ranks were lost more often than train.max_restarts.
    """
    job = Job(
        config=config,
        model=model,
        seed=seed,
        data_dir=data_dir.resolve(),
        out_dir=out_dir.resolve(),
        inputs=inputs,
    )
    stage, num_steps = begin_training(job)
    with (
        forward_signals(job.stop_file) as stop_flag,
        show_progress(job.metrics_file, num_steps=num_steps),
        tempfile.TemporaryDirectory(dir=job.out_dir, prefix=".ray-") as storage,
    ):
        for restart in count():
            try:
                _fit(
                    job,
                    storage=storage,
                    name=f"train-{restart}",
                    num_workers=num_workers,
                    gpus=gpus_per_worker,
                )
                break
            except RanksLost as lost:
                if stop_flag.is_set():
                    raise StopRequested(f"stopped on request, when {lost}") from lost
                if restart == config.max_restarts:
                    raise
                say(f"train: {lost} (restart {restart + 1} of {config.max_restarts})")
            except KeyboardInterrupt as error:  # the second Ctrl-C
                raise StopRequested(
                    "interrupted; the same command goes on from the last checkpoint"
                ) from error
    manifest = finish_training(job, stage)
    if stop_flag.is_set():  # too late for a step to end early; the stages behind must not start
        raise StopRequested("stopped on request when training was done; the same command continues")
    return manifest


class RanksLost(EnvironmentFailure):
    """A rank died or hung. Another start may go on from the last checkpoint."""


def _fit(job: Job, *, storage: str, name: str, num_workers: int, gpus: int) -> None:
    """Run the ranks once, to their end.

    Raises:
        RanksLost: one died or hung.
        HunminError: of the first rank that raised one.
    """
    stacks = job.out_dir / "stacks"
    shutil.rmtree(stacks, ignore_errors=True)
    trainer = _Trainer(
        _rank,
        train_loop_config={"job": job},
        torch_config=_TorchConfig(
            backend="nccl" if gpus else "gloo", timeout_s=int(job.config.collective_timeout_s)
        ),
        scaling_config=_placement(num_workers, gpus),
        run_config=RunConfig(name=name, storage_path=storage),
    )
    try:
        trainer.fit()
    except TrainingFailedError as error:
        hang = hang_report(stacks)
        if hang is not None:
            raise RanksLost(f"{hang}; {CONTINUES}") from error
        planned = partial(planned_memory, job, world_size=num_workers, device_type="cuda" if gpus else "cpu")
        raise _cause(error, planned) from error


class _Trainer(TorchTrainer):
    """Ray's, without its own answer to SIGINT, which ends the ranks at once: ours saves first."""

    def _register_sigint_handler(self, controller: Any) -> None:
        pass


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


def _placement(num_workers: int, gpus_per_worker: int) -> ScalingConfig:
    """Ranks on GPUs fill a node before they take the next: those of one node need no network between them.

    On CPUs they are spread: a rank computes with a node's cores, and the network is not what it waits for.
    """
    return ScalingConfig(
        num_workers=num_workers,
        use_gpu=gpus_per_worker > 0,
        resources_per_worker=_resources(num_workers, gpus_per_worker),
        placement_strategy="PACK" if gpus_per_worker else "SPREAD",
    )


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


def _cause(error: TrainingFailedError, planned: Callable[[], Mapping[str, int]]) -> BaseException:
    """What went wrong first, with its class: ranks that only lost a neighbour say so in other words.

    `planned` is asked for the memory estimate where memory is full.
    """
    if not isinstance(error, WorkerGroupError):
        return error
    causes = dict(sorted(error.worker_failures.items()))  # by rank: what it raised, or Ray's word for a loss
    dead = [rank for rank, cause in causes.items() if isinstance(cause, RayTrainError)]
    for cause in causes.values():
        if isinstance(cause, HunminError):
            return cause
    for cause in causes.values():
        if is_full(said_of(cause)):
            return GateError(memory_advice(said_of(cause), planned()))
    left = [rank for rank, cause in causes.items() if is_loss(said_of(cause))]
    if dead or left:  # a survivor may tell first; then nobody knows which rank it was
        who = f"rank {', '.join(map(str, dead))}" if dead else "a rank"
        return RanksLost(death_of(who))
    return next((cause for cause in causes.values() if isinstance(cause, OSError)), error)
