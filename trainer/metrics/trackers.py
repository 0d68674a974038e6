"""Where else a run's numbers go: TensorBoard, W&B, MLflow, Trackio.

None asks for a login and none waits for a network: without an account or a server that was named before, all
write below the run folder, and W&B's offline runs can be sent later (wandb sync).
"""

import importlib.util
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from hunmin.errors import ConfigError

PROJECT = "hunmin"
PACKAGES = {"wandb": "wandb", "mlflow": "mlflow-skinny", "trackio": "trackio"}
WANDB_LOGIN = ("WANDB_API_KEY", "WANDB_MODE")


class Tracker(Protocol):
    """A place that takes numbers by step."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take the numbers of a step."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


def check_trackers(names: Sequence[str]) -> None:
    """Every tracker's package must be there before anything is trained.

    Raises:
        ConfigError: names what to install.
    """
    missing = [PACKAGES[name] for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"train.trackers: {', '.join(missing)} not installed; run: pip install {' '.join(missing)}"
        )


def open_trackers(
    names: Sequence[str], *, folder: Path, run_name: str, run_id: str, config: Mapping[str, Any]
) -> list[Tracker]:
    """Open each tracker; a run that goes on has the `run_id` it had, and is the same run there."""
    if names:
        folder.mkdir(parents=True, exist_ok=True)
    kinds = {"wandb": _Wandb, "mlflow": _Mlflow, "trackio": _Trackio}
    return [kinds[name](folder=folder, run_name=run_name, run_id=run_id, config=config) for name in names]


class TensorBoard:
    """Curves in a folder, which `tensorboard --logdir` shows."""

    def __init__(self, folder: Path, *, purge_step: int):
        """Open; what was logged from `purge_step` on, before an interruption, is forgotten."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=purge_step)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take the numbers of a step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class _Run:
    """What trackers whose run takes the numbers have in common."""

    _run: Any

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


class _Wandb(_Run):
    def __init__(self, *, folder: Path, run_name: str, run_id: str, config: Mapping[str, Any]):
        import wandb  # pyright: ignore[reportMissingImports]

        has_login = any(name in os.environ for name in WANDB_LOGIN) or (Path.home() / ".netrc").exists()
        self._run = wandb.init(
            project=PROJECT,
            name=run_name,
            id=run_id,
            resume="allow",
            dir=folder,
            config=dict(config),
            mode=None if has_login else "offline",
            settings=wandb.Settings(silent=True, console="off"),
        )


class _Mlflow:
    def __init__(self, *, folder: Path, run_name: str, run_id: str, config: Mapping[str, Any]):
        import mlflow  # pyright: ignore[reportMissingImports]

        # A store of files needs no database; MLflow itself would rather have one, and asks to be told.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        uri = os.environ.get("MLFLOW_TRACKING_URI", (folder / "mlruns").as_uri())
        self._client = mlflow.MlflowClient(tracking_uri=uri)
        experiment = self._client.get_experiment_by_name(PROJECT)
        experiment_id = experiment.experiment_id if experiment else self._client.create_experiment(PROJECT)
        known = self._client.search_runs([experiment_id], f"tags.hunmin_run = '{run_id}'")
        if known:
            self._id = known[0].info.run_id
            return
        run = self._client.create_run(experiment_id, run_name=run_name, tags={"hunmin_run": run_id})
        self._id = run.info.run_id
        for key, value in config.items():
            self._client.log_param(self._id, key, value)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._client.log_metric(self._id, re.sub(r"[^\w./ -]", "_", name), value, step=step)

    def close(self) -> None:
        self._client.set_terminated(self._id)


class _Trackio(_Run):
    def __init__(self, *, folder: Path, run_name: str, run_id: str, config: Mapping[str, Any]):
        os.environ.setdefault("TRACKIO_DIR", str(folder / "trackio"))
        import trackio  # pyright: ignore[reportMissingImports]

        self._run = trackio.init(
            project=PROJECT, name=f"{run_name}-{run_id}", config=dict(config), resume="allow", embed=False
        )
