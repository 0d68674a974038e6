"""The stages of a run in order: which are done, which must run, and why."""

import json
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

from data_pipeline import config as data_config
from data_pipeline.build.work_folder import FOLDER as WORK
from eval import config as eval_config
from hunmin import artifact
from hunmin.artifact import Manifest
from hunmin.errors import InputError
from hunmin.hashing import sha256_json
from hunmin.models.folder import model_sha256
from hunmin.progress import say
from hunmin.section import content_of
from launcher.preflight import check_inputs, check_task_names
from launcher.run import ORDER, Run
from trainer import config as train_config


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
    from trainer import ray_workers

    path = run.model_path()
    model = run.config.model if path is None else run.config.model.model_copy(update={"path": path})
    return ray_workers.run(
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
    from launcher.cluster.ray_cluster import cpus_and_gpus

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
    from eval.report import report

    return report.run(run_dir=run.dir, name=run.config.name, parents=parents, config_sha256=config_sha256)


STAGES = {
    "data": Stage(data_config.STAGE_VERSION, (), ("seed", "model", "data"), _data, True),
    "train": Stage(train_config.STAGE_VERSION, ("data",), ("seed", "model", "train"), _train, True),
    "eval": Stage(eval_config.STAGE_VERSION, ("data", "train"), ("seed", "eval"), _eval, True),
    "report": Stage(
        eval_config.REPORT_STAGE_VERSION, ("data", "train", "eval"), ("name", "seed"), _report, False
    ),
}


def run_stages(run: Run, names: tuple[str, ...]) -> dict[str, Manifest]:
    """Bring the named stages to their end, in order; Ray comes up with the first that needs it.

    Raises:
        ConfigError: a goal names a task or metric that the sources do not have.
        InputError: a stage before the named ones is not finished.
    """
    check_task_names(run)
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
                check_inputs(run)  # before Ray takes its ten seconds
            _put_aside_if_stale(run, name, inputs)
            if stage.needs_ray and not ray_is_up:
                stack.enter_context(_ray(run))
                ray_is_up = True
            start = time.monotonic()
            done[name] = stage.start(run, inputs["parents"], inputs["config_sha256"])
            say(f"{name}: done in {time.monotonic() - start:.1f} s")
    return done


def _ray(run: Run) -> AbstractContextManager[None]:
    from data_pipeline.build.inputs import input_paths
    from launcher.cluster.ray_cluster import ray_for

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
        from data_pipeline.build.inputs import inputs_sha256

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
