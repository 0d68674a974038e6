"""The stages of a run in order: which are done, which must run, and why."""

import json
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_pipeline import artifact
from data_pipeline import config as data_config
from data_pipeline.artifact import Manifest, sha256_json
from data_pipeline.config import content_of, resolve_path
from data_pipeline.errors import ConfigError, InputError
from data_pipeline.model_folder import local_model, locate_model, model_sha256
from data_pipeline.progress import say
from data_pipeline.variants.curriculum import check_curriculum
from data_pipeline.variants.tasks import task_infos
from data_pipeline.work import FOLDER as WORK
from eval import config as eval_config
from eval.goals import check_goals
from launcher.config import RunConfig, difference, load, resolved
from trainer import config as train_config

ORDER = ("data", "train", "eval", "report")


@dataclass(frozen=True)
class Run:
    """A run folder with its config."""

    config: RunConfig
    base: Path  # the folder that relative paths start from
    dir: Path

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


@dataclass(frozen=True)
class Stage:
    """What a stage depends on, and how it is started."""

    version: int
    parents: tuple[str, ...]
    sections: tuple[str, ...]  # of the config, whose content fields count
    start: Callable[[Run, dict[str, str], str], Manifest]
    needs_ray: bool


def _data(run: Run, parents: dict[str, str], config_sha256: str) -> Manifest:
    from data_pipeline import pipeline

    return pipeline.run(
        config=run.config.data,
        model=run.config.model,
        seed=run.config.seed,
        base=run.base,
        out_dir=run.dir / "data",
        parents=parents,
        config_sha256=config_sha256,
    )


def _train(run: Run, parents: dict[str, str], config_sha256: str) -> Manifest:
    from trainer import workers

    path = run.model_path()
    model = run.config.model if path is None else run.config.model.model_copy(update={"path": path})
    return workers.run(
        config=run.config.train,
        model=model,
        seed=run.config.seed,
        data_dir=run.dir / "data",
        out_dir=run.dir / "train",
        num_workers=run.config.cluster.num_workers,
        gpus_per_worker=run.config.cluster.gpus_per_worker,
        parents=parents,
        config_sha256=config_sha256,
    )


def _eval(run: Run, parents: dict[str, str], config_sha256: str) -> Manifest:
    from eval import evaluate
    from launcher.cluster import cpus_and_gpus

    num_cpus, num_gpus = cpus_and_gpus()
    return evaluate.run(
        config=run.config.eval,
        seed=run.config.seed,
        data_dir=run.dir / "data",
        train_dir=run.dir / "train",
        base=run.base_path(),
        out_dir=run.dir / "eval",
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        parents=parents,
        config_sha256=config_sha256,
    )


def _report(run: Run, parents: dict[str, str], config_sha256: str) -> Manifest:
    from eval.report import build

    return build.run(run_dir=run.dir, name=run.config.name, parents=parents, config_sha256=config_sha256)


STAGES = {
    "data": Stage(data_config.STAGE_VERSION, (), ("seed", "model", "data"), _data, True),
    "train": Stage(train_config.STAGE_VERSION, ("data",), ("seed", "model", "train"), _train, True),
    "eval": Stage(eval_config.STAGE_VERSION, ("data", "train"), ("seed", "eval"), _eval, True),
    "report": Stage(
        eval_config.REPORT_STAGE_VERSION, ("data", "train", "eval"), ("name", "seed"), _report, False
    ),
}


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
    if names[0] != ORDER[0] and not begun:
        raise InputError(
            f"{run_dir}: no run there, and {names[0]} needs the stages before it; name its folder "
            "with --run, or run: hunmin data with the same arguments, or hunmin run for all stages"
        )


def _holds_work(run_dir: Path) -> bool:
    """Whether a stage is finished or has checkpoints; what only failed may be started with another config."""
    finished = any((run_dir / name / artifact.MANIFEST).exists() for name in ORDER)
    return finished or any((run_dir / "train" / "checkpoints").glob("step-*"))


def _refuse_foreign(run: Run) -> None:
    """Stages empty their folders before they write: never in a folder that hunmin did not make.

    Raises:
        InputError: names what stands there.
    """
    made: dict[str, tuple[Path, ...]] = {
        name: (run.dir / ".stages" / f"{name}.json", run.dir / name / artifact.MANIFEST) for name in ORDER
    }
    made["train"] += (run.dir / "train" / "identity.json",)  # started by torchrun
    foreign = [
        f"{name}/" for name in ORDER if (run.dir / name).exists() and not any(p.exists() for p in made[name])
    ]
    if foreign:
        raise InputError(
            f"{run.dir} holds {', '.join(foreign)} that no run made, and stages empty their folders; "
            "name a new or empty folder with --run"
        )
    for source in run.config.data.sources:
        for path in [source.path] if isinstance(source.path, str) else source.path:
            fixed = path.split("*")[0].split("{")[0]
            if resolve_path(fixed, run.base).resolve().is_relative_to(run.dir):
                raise InputError(
                    f"source {source.name}: {path} lies inside the run folder {run.dir}, which stages empty; "
                    "name another folder with --run"
                )


def run_stages(run: Run, names: tuple[str, ...]) -> dict[str, Manifest]:
    """Bring the named stages to their end, in order; Ray comes up with the first that needs it.

    Raises:
        ConfigError: a goal names a task or metric that the sources do not have.
        InputError: a stage before the named ones is not finished.
    """
    _check_task_names(run)
    done: dict[str, Manifest] = {}
    with ExitStack() as stack:
        ray_is_up = False
        for name in ORDER[: ORDER.index(names[-1]) + 1]:
            stage = STAGES[name]
            inputs = _inputs(run, name)
            found = _finished(run, name, inputs)
            if found is not None:
                say(f"{name}: done already ({_why_done(name, found)})")
                done[name] = found
                continue
            if name not in names:
                raise InputError(
                    f"{run.dir / name} is not finished, and {names[-1]} needs it; "
                    f"run: hunmin {name} with the same arguments, or hunmin run for all stages"
                )
            if name == "data":
                _check_inputs(run)  # before Ray takes its ten seconds
            _put_aside_if_stale(run, name, inputs)
            if stage.needs_ray and not ray_is_up:
                stack.enter_context(_ray(run))
                ray_is_up = True
            start = time.monotonic()
            done[name] = stage.start(run, inputs["parents"], inputs["config_sha256"])
            say(f"{name}: done in {time.monotonic() - start:.1f} s")
    return done


def check_before_ray(run: Run) -> None:
    """Find what is wrong with config and inputs before a queue takes its hours.

    Raises:
        ConfigError: a goal or train.best_by names a task or metric that the sources do not have.
        InputError: a source, task file, template or model is not as the config says.
    """
    _check_task_names(run)
    _check_inputs(run)


def _check_task_names(run: Run) -> None:
    tasks = task_infos(run.config.data, base=run.base)
    if run.config.data.tasks:  # the user's own files may name metrics that there are none of
        from eval.scores.table import metrics_of

        for name, info in tasks.items():
            metrics_of(name, info)
    check_goals(run.config.eval.goals, tasks)
    check_curriculum(run.config.data.mix.curriculum, tasks)
    train_config.check_best_by(run.config.train.best_by, tasks)


def _check_inputs(run: Run) -> None:
    from data_pipeline.inputs import check

    check(run.config.data, base=run.base)
    for path in (run.config.model.path, run.config.model.tokenizer):
        if path is not None:
            locate_model(path, base=run.base, weights=False)


def _ray(run: Run) -> AbstractContextManager[None]:
    from data_pipeline.inputs import input_paths
    from launcher.cluster import ray_for

    cluster = run.config.cluster
    return ray_for(
        num_cpus=cluster.num_cpus,
        num_gpus=cluster.num_workers * cluster.gpus_per_worker,
        run_dir=run.dir,
        inputs=input_paths(run.config.data, run.config.model, base=run.base),
    )


def _inputs(run: Run, name: str) -> dict[str, Any]:
    """What the stage's result depends on: its parents' content, its version, its content fields."""
    stage = STAGES[name]
    content = content_of(run.config)
    parents: dict[str, str] = {}
    if name == "data":
        from data_pipeline.inputs import inputs_sha256

        parents["sources"] = inputs_sha256(run.config.data, run.config.model, base=run.base)
    elif name in ("train", "eval") and run.config.model.path is not None:
        parents["model"] = model_sha256(run.config.model.path, base=run.base)
    for parent in stage.parents:
        manifest = artifact.load_manifest(run.dir / parent)
        parents[parent] = manifest.content_sha256 if manifest else "unfinished"
    return {
        "parents": parents,
        "stage_version": stage.version,
        "config_sha256": sha256_json({section: content[section] for section in stage.sections}),
    }


def _finished(run: Run, name: str, inputs: dict[str, Any]) -> Manifest | None:
    """The stage's manifest if it was made from these inputs and every file is still as it says."""
    manifest = artifact.load_manifest(run.dir / name)
    if manifest is None:
        return None
    changed = [key for key, value in inputs.items() if getattr(manifest, key) != value]
    if changed:
        say(f"{name}: runs again, because of {_why_again(manifest, inputs, changed)}")
        return None
    shutil.rmtree(run.dir / name / WORK, ignore_errors=True)  # killed after its manifest was written
    return artifact.verify(run.dir / name, cure=f"hunmin {name} … after deleting {run.dir / name}")


def _why_done(name: str, manifest: Manifest) -> str:
    what = " and ".join(manifest.parents) if name != "data" else "its sources"
    return (
        f"{len(manifest.files)} files verified, content {manifest.content_sha256[:12]}; "
        f"config, code version and {what} are unchanged; it took {manifest.seconds:.1f} s"
    )


def _why_again(manifest: Manifest, inputs: dict[str, Any], changed: list[str]) -> str:
    words = {
        "config_sha256": "another config",
        "stage_version": f"a newer stage version ({manifest.stage_version} -> {inputs['stage_version']})",
        "parents": "other "
        + " and ".join(k for k, v in inputs["parents"].items() if manifest.parents.get(k) != v),
    }
    return ", ".join(words[key] for key in changed)


def _put_aside_if_stale(run: Run, name: str, inputs: dict[str, Any]) -> None:
    """Keep what was made from other inputs under `old/`; note the inputs of what is made now.

    Without a manifest the note tells whether half a stage (checkpoints, answered groups) may be continued;
    the data stage knows that of each of its parts.
    """
    note = run.dir / ".stages" / f"{name}.json"
    folder = run.dir / name
    known = json.loads(note.read_text()) if note.exists() else None
    knows_itself = name == "data" and not (folder / artifact.MANIFEST).exists()
    if folder.exists() and not knows_itself and known is not None and known != inputs:
        aside = run.dir / "old" / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
        aside.parent.mkdir(exist_ok=True)
        shutil.move(folder, aside)
        say(f"{name}: what was made from other inputs is kept in {aside}")
    note.parent.mkdir(exist_ok=True)
    artifact.write_json(note, inputs)


def default_run_dir(config_path: Path, overrides: list[str], root: str | None) -> Path:
    """`$HUNMIN_RUNS`, else `runs/`, plus the run's name."""
    try:
        name = load(config_path, overrides)[0].name
    except ConfigError:
        name = config_path.stem  # no folder is made: the caller loads again and says what is wrong
    return Path(root or "runs") / name
