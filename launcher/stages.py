"""The stages of a run in order: which are done, which must run, and why."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from eval import config as eval_config
from hunmin.artifact import Manifest, load_manifest
from hunmin.errors import InputError
from hunmin.progress import say
from hunmin.stage import UNFINISHED, Inputs, find_finished
from launcher.commands.run_folder import stage_command
from launcher.preflight import (
    check_engine,
    check_eval,
    check_inputs,
    check_memory,
    check_task_names,
    eval_config_of,
)
from launcher.run import STAGE_ORDER, Run
from trainer import config as train_config


@dataclass(frozen=True)
class StageSpec:
    """What a stage depends on, and how it is started."""

    inputs: Callable[[Run], Inputs]
    start: Callable[[Run, Inputs], Manifest]
    needs_ray: Callable[[Run], bool]


def _content(run: Run, name: str) -> str:
    """The content hash of a stage."""
    manifest = load_manifest(run.dir / name)
    return manifest.content_sha256 if manifest else UNFINISHED


def _data_inputs(run: Run) -> Inputs:
    from data_pipeline.build.inputs import stage_inputs

    return stage_inputs(run.config.data, run.config.model, seed=run.config.seed, base=run.base)


def _data(run: Run, inputs: Inputs) -> Manifest:
    from data_pipeline import pipeline

    return pipeline.run(
        config=run.config.data,
        model=run.config.model,
        seed=run.config.seed,
        base=run.base,
        out_dir=run.dir / "data",
        inputs=inputs,
        workers=run.data_workers,
    )


def _train_inputs(run: Run) -> Inputs:
    return train_config.stage_inputs(
        run.config.train,
        model=run.config.model,
        seed=run.config.seed,
        base=run.base,
        data_sha256=_content(run, "data"),
    )


def _train(run: Run, inputs: Inputs) -> Manifest:
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
        inputs=inputs,
    )


def _eval_inputs(run: Run) -> Inputs:
    return eval_config.stage_inputs(
        run.config.eval,
        model=run.config.model,
        seed=run.config.seed,
        base=run.base,
        data_sha256=_content(run, "data"),
        train_sha256=_content(run, "train"),
    )


def _eval(run: Run, inputs: Inputs) -> Manifest:
    from eval import evaluate
    from launcher.cluster.ray_cluster import cpus_and_gpus

    num_cpus, num_gpus = cpus_and_gpus()
    return evaluate.run(
        config=eval_config_of(run),
        seed=run.config.seed,
        data_dir=run.dir / "data",
        train_dir=run.dir / "train",
        base=run.base_path(),
        out_dir=run.dir / "eval",
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        inputs=inputs,
    )


def _report_inputs(run: Run) -> Inputs:
    from eval.report.optional import parents_of

    parents = {name: _content(run, name) for name in ("data", "train", "eval")} | parents_of(run.dir)
    return eval_config.report_inputs(name=run.config.name, seed=run.config.seed, parents=parents)


def _report(run: Run, inputs: Inputs) -> Manifest:
    from eval.report import report

    return report.run(run_dir=run.dir, name=run.config.name, inputs=inputs)


STAGES = {
    "data": StageSpec(_data_inputs, _data, needs_ray=lambda run: run.data_workers.on_ray),
    "train": StageSpec(_train_inputs, _train, needs_ray=lambda run: True),
    "eval": StageSpec(_eval_inputs, _eval, needs_ray=lambda run: True),
    "report": StageSpec(_report_inputs, _report, needs_ray=lambda run: False),
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
        for name in STAGE_ORDER[: STAGE_ORDER.index(names[-1]) + 1]:
            stage = STAGES[name]
            inputs = stage.inputs(run)
            found = find_finished(run.dir / name, inputs)
            if found is not None:
                say(f"{name}: done already ({_why_done(name, found)})")
                done[name] = found
                if name == "data" and not run.corpus_page.exists():
                    _write_corpus_page(run)
                continue
            if name not in names:
                raise InputError(
                    f"{run.dir / name} is not finished, and {names[-1]} needs it; "
                    f"run: hunmin {name} with the same arguments, or hunmin run for all stages"
                )
            if name == "data":
                check_inputs(run)  # before Ray takes its ten seconds
                if "train" in names:
                    check_memory(run)
                if "eval" in names:
                    check_engine(run)
            if not ray_is_up and stage.needs_ray(run):
                stack.enter_context(_ray(run))
                ray_is_up = True
            if name == "train" and "eval" in names:
                check_eval(run)  # before hours of training
            start = time.monotonic()
            done[name] = stage.start(run, inputs)
            say(f"{name}: done in {time.monotonic() - start:.1f} s")
            if name == "data":
                _write_corpus_page(run)
    return done


def _write_corpus_page(run: Run) -> None:
    from eval.corpus_page.corpus_page import write_page

    write_page(run.dir, name=run.config.name, cure=stage_command(run.dir, "data"))


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


def _why_done(name: str, manifest: Manifest) -> str:
    what = " and ".join(manifest.parents) if name != "data" else "its sources"
    return (
        f"{len(manifest.files)} files verified, content {manifest.content_sha256[:12]}; "
        f"config, code version and {what} are unchanged; it took {manifest.seconds:.1f} s"
    )
