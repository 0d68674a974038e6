"""What is wrong with a config and its inputs, found before Ray starts or a queue takes its hours."""

from pathlib import Path

from data_pipeline.augment.curriculum import check_curriculum
from data_pipeline.tasks.tasks import task_infos
from eval.config import AUTO, EvalConfig
from eval.scores.goals import check_goals
from hunmin.models.folder import locate_model
from hunmin.safety.classifier import load_classifier
from hunmin.section import resolve_path
from launcher.commands.plan import architecture_of, plan_of_run, require_fit
from launcher.config import load
from launcher.run import Run
from trainer import config as train_config


def check_before_ray(config_path: Path, overrides: list[str], run_dir: Path) -> None:
    """Find what is wrong with config and inputs before a queue takes its hours.

    Raises:
        ConfigError: a goal or train.best_by names a task or metric that the sources do not have.
        InputError: a source, task file, template or model is not as the config says.
        GateError: train.memory_gb says what a rank has, and it needs more.
    """
    config, base = load(config_path, overrides)
    run = Run(config, base, run_dir)
    check_task_names(run)
    check_inputs(run)
    if config.train.memory_gb is not None:  # else that of the machines where it will run is not known
        check_memory(run)


def check_task_names(run: Run) -> None:
    """Tasks and metrics that goals, curriculum and train.best_by name: the sources have them."""
    tasks = task_infos(run.config.data, base=run.base)
    if run.config.data.tasks:  # the user's own files may name metrics that there are none of
        from eval.scores.score_table import metrics_of

        for name, info in tasks.items():
            metrics_of(name, info)
    check_goals(run.config.eval.goals, tasks, run_code=run.config.eval.run_code)
    check_curriculum(run.config.data.mix.curriculum, tasks)
    train_config.check_best_by(run.config.train.best_by, tasks)


def check_inputs(run: Run) -> None:
    """Sources, tasks, template, model and tokenizer are as the config says."""
    from data_pipeline.build.inputs import check_sources

    check_sources(run.config.data, base=run.base)
    for path in (run.config.model.path, run.config.model.tokenizer):
        if path is not None:
            locate_model(path, base=run.base, weights=False)
    if (classifier := eval_config_of(run).safety_classifier) is not None:
        load_classifier(Path(classifier), key="eval.safety_classifier")


def check_memory(run: Run) -> None:
    """The training fits into the memory there is, as far as that is known.

    Raises:
        GateError: it does not, and train.must_fit is on.
    """
    require_fit(plan_of_run(run.config, run.base, run.dir))


def eval_config_of(run: Run) -> EvalConfig:
    """The eval section with the paths in it resolved."""
    config = run.config.eval
    paths = {"vllm_python": config.vllm_python, "safety_classifier": config.safety_classifier}
    resolved = {name: str(resolve_path(path, run.base)) for name, path in paths.items() if path is not None}
    return config.model_copy(update=resolved)


def check_engine(run: Run) -> None:
    """The engine that eval.engine names is there; of one that is always there, nothing is loaded to see it.

    Raises:
        InputError: it is not installed.
    """
    config = eval_config_of(run)
    if config.engine in (AUTO, "hf"):
        return
    from eval.answering.choice import choose_engine, installed

    python = config.vllm_python
    choose_engine(config.engine, num_gpus=0, available=installed(python), python=python)


def check_eval(run: Run) -> None:
    """Evaluation will be possible on the Ray that is up: the engine is there, and the model fits.

    Raises:
        InputError: eval.engine is not installed.
        GateError: a copy of the model does not fit the GPUs of a node.
    """
    from launcher.cluster.ray_cluster import cpus_and_gpus

    if not cpus_and_gpus()[1]:
        check_engine(run)
        return
    from eval.answering.choice import choose
    from eval.answering.pool import find_gpus

    choose(
        eval_config_of(run),
        architecture_of(run.config, run.base),
        prompt_tokens=run.config.data.seq_len,
        gpus=find_gpus(),
    )
