"""A run folder and its config: opened, or refused with what stands in the way."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hunmin import artifact
from hunmin.errors import ConfigError, InputError
from hunmin.models.folder import local_model
from hunmin.section import resolve_path
from hunmin.stage import made_by_a_stage
from hunmin.url_secrets import filled
from launcher.cluster.ray_address import hosts_of_job
from launcher.config import RunConfig, difference, load, resolved
from launcher.doctor.machine import usable_cores
from launcher.failures import runs_folder

if TYPE_CHECKING:
    from data_pipeline.workers.each_item import Workers

STAGE_ORDER = ("data", "train", "eval", "report")


@dataclass(frozen=True)
class Run:
    """A run folder with its config."""

    config: RunConfig
    base: Path  # the folder that relative paths start from
    dir: Path

    @property
    def corpus_page(self) -> Path:
        """What became of the corpus, for people; beside the stages' folders, for none of them reads it."""
        return self.dir / "corpus.html"

    @cached_property
    def data_workers(self) -> "Workers":
        """Who builds `data/`.

        Raises:
            InputError: a source has no file.
        """
        from data_pipeline.build.inputs import choose_workers

        cores = max(1, int(usable_cores()[0]))
        of_one_machine = len(hosts_of_job(os.environ)) == 1  # a job whose CPUs are all here, and ours
        return choose_workers(
            self.config.data,
            base=self.base,
            num_cpus=cores if of_one_machine else min(self.config.cluster.num_cpus, cores),
            in_cluster=bool(os.environ.get("RAY_ADDRESS")) and not of_one_machine,
        )

    def model_path(self) -> str | None:
        """The model's local folder where there is one, else the hub id; None for one from scratch."""
        path = self.config.model.path
        if path is None:
            return None
        local = local_model(path, self.base)
        return str(local) if local else path

    def base_path(self) -> str:
        """What the tuned model began with: the model itself, or train/base where that was made from it."""
        path = self.model_path()
        if path is None or self.config.model.remakes_vocabulary:
            return str(self.dir / "train" / "base")
        return path


def open_run(config_path: Path, overrides: list[str], run_dir: Path, *, force: bool) -> Run:
    """The run of a config in its folder, with `config.yaml` written. The caller holds the lock.

    Raises:
        ConfigError: the config is wrong.
        InputError: the folder holds a run with another config, and not `force`.
    """
    config, base = load(config_path, overrides)
    run = Run(config, base, run_dir)
    written = run_dir / "config.yaml"
    _refuse_foreign(run)
    if written.exists():
        try:
            old, _ = load(written, [])
        except ConfigError as error:
            raise InputError(
                f"{error}\nThe run folder's own config cannot be read; name another with --run"
            ) from error
        changed = difference(old, config)
        if changed and not force and _holds_work(run_dir):
            listed = "\n  ".join(changed)
            raise InputError(
                f"{run_dir} holds a run with another config:\n  {listed}\n"
                "Name another folder with --run, or continue with --force: stages that change are kept aside"
            )
    artifact.write_atomic(written, resolved(config, base=base, run_dir=run_dir).encode())
    return run


def require_begun(run_dir: Path, names: tuple[str, ...]) -> None:
    """A later stage alone needs a run that an earlier one began.

    Raises:
        InputError: there is none in the folder.
    """
    begun = (run_dir / "config.yaml").exists() or _holds_work(run_dir)
    if names[0] != STAGE_ORDER[0] and not begun:
        raise InputError(
            f"{run_dir}: no run there, and {names[0]} needs the stages before it; name its folder "
            "with --run, or run: hunmin data with the same arguments, or hunmin run for all stages"
        )


def _holds_work(run_dir: Path) -> bool:
    """Whether a stage is finished or has checkpoints; what only failed may be started with another config."""
    finished = any((run_dir / name / artifact.MANIFEST).exists() for name in STAGE_ORDER)
    return finished or any((run_dir / "train" / "checkpoints").glob("step-*"))


def _refuse_foreign(run: Run) -> None:
    """Stages empty their folders before they write: never in a folder that hunmin did not make.

    Raises:
        InputError: names what stands there.
    """
    foreign = [
        f"{name}/"
        for name in STAGE_ORDER
        if (run.dir / name).exists() and not made_by_a_stage(run.dir / name)
    ]
    if foreign:
        raise InputError(
            f"{run.dir} holds {', '.join(foreign)} that no run made, and stages empty their folders; "
            "name a new or empty folder with --run"
        )
    for source in run.config.data.sources:
        for path in source.places:
            fixed = filled(path).split("*")[0].split("{")[0]
            if resolve_path(fixed, run.base).resolve().is_relative_to(run.dir):
                raise InputError(
                    f"source {source.name}: {path} lies inside the run folder {run.dir}, which stages empty; "
                    "name another folder with --run"
                )


def default_run_dir(config_path: Path, overrides: list[str]) -> Path:
    """`$HUNMIN_RUNS`, else `runs/`, plus the run's name."""
    try:
        name = load(config_path, overrides)[0].name
    except ConfigError:
        name = config_path.stem  # no folder is made: the caller loads again and says what is wrong
    return runs_folder() / name
