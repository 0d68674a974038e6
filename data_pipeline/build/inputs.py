"""What the data stage reads besides its config: checked before it starts, hashed to know when it must."""

import math
from pathlib import Path

from jinja2 import TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from data_pipeline.config import STAGE_VERSION, DataConfig
from data_pipeline.sources import describe, expand, read
from data_pipeline.sources.files.text_files import PACKED_SUFFIXES
from data_pipeline.sources.formats import format_of
from data_pipeline.tasks.tasks import SHIPPED, check_attests, check_task_names, load_tasks, require_bank
from data_pipeline.workers.each_item import Workers
from data_pipeline.workers.on_processes import CAN_FORK
from hunmin.hashing import sha256_file, sha256_json
from hunmin.models.chat_templates import BUILT_IN, TemplateError, named_template
from hunmin.models.config import ModelConfig
from hunmin.models.fast_ids import require_package
from hunmin.models.folder import LINEAGE, TOKENIZER_FILES, hub_identity, local_model
from hunmin.models.jinja_sandbox import RenderEndless, RenderFailed, rendered
from hunmin.safety.judge import load_detector
from hunmin.section import resolve_path
from hunmin.stage import Inputs

PACKED = (*PACKED_SUFFIXES, ".parquet")
RAY_FROM_MB = 64  # of sources, in a cluster; less is built by one machine before Ray's tasks have begun
PROCESSES_FROM_MB = 0.5  # of sources; less is read before the second process has its first rows
PACKED_FACTOR = 10  # of what such a file unpacks to
PEEK_BYTES = 64 << 20  # larger files may take long: natural_instructions and gettext are read whole


def inputs_sha256(config: DataConfig, model: ModelConfig, *, base: Path) -> str:
    """Hash of every input file's bytes, named without their place on this machine; of a hub model its commit.

    Raises:
        InputError: a source has no file, or there is no such model.
        EnvironmentFailure: the hub cannot be reached.
    """
    files: dict[str, str] = {}
    beside: dict[str, str] = {}
    for index, source in enumerate(config.sources):
        for unit in expand(source, index=index, base=base):
            for number, path in enumerate(unit.paths):
                files[f"{source.name}:{unit.file}:{number}"] = sha256_file(Path(path))
            beside |= {f"{source.name}:{name}": path for name, path in unit.beside().items()}
    files |= {name: sha256_file(Path(path)) for name, path in beside.items()}
    for folder in (SHIPPED, *([resolve_path(config.tasks, base)] if config.tasks else [])):
        files |= {f"task:{path.name}": sha256_file(path) for path in sorted(folder.glob("*.yaml"))}
    template = resolve_path(config.template, base)
    if config.template not in BUILT_IN and template.is_file():
        files["template"] = sha256_file(template)
    if config.safety.classifier is not None:
        trained = resolve_path(config.safety.classifier, base)
        files |= {f"classifier:{path.name}": sha256_file(path) for path in sorted(trained.glob("*.*"))}
    for name, model_path in (("model", model.path), ("tokenizer", model.tokenizer)):
        folder = None if model_path is None else local_model(model_path, base)
        if folder is not None:
            found = {path for pattern in TOKENIZER_FILES for path in folder.glob(pattern)}
            files |= {
                f"{name}:{path.name}": sha256_file(path) for path in sorted(found) if path.name != LINEAGE
            }
        elif model_path is not None:
            files[name] = hub_identity(model_path, base=base)
    return sha256_json(files)


def stage_inputs(config: DataConfig, model: ModelConfig, *, seed: int, base: Path) -> Inputs:
    """What `data/` depends on.

    Raises:
        InputError, EnvironmentFailure: see `inputs_sha256`.
    """
    parents = {"sources": inputs_sha256(config, model, base=base)}
    return Inputs.of(STAGE_VERSION, parents=parents, seed=seed, model=model, data=config)


def input_paths(config: DataConfig, model: ModelConfig, *, base: Path) -> list[Path]:
    """Every source file, and the folders of tasks and model where they are local: what workers read.

    Raises:
        InputError: a source has no file.
    """
    units = [unit for i, source in enumerate(config.sources) for unit in expand(source, index=i, base=base)]
    paths = [Path(path) for unit in units for path in unit.paths]
    paths += sorted({Path(path) for unit in units for path in unit.beside().values()})
    if config.tasks:
        paths.append(resolve_path(config.tasks, base))
    if config.safety.classifier is not None:
        paths.append(resolve_path(config.safety.classifier, base))
    models = [path for path in (model.path, model.tokenizer) if path is not None]
    return paths + [folder for path in models if (folder := local_model(path, base)) is not None]


def choose_workers(config: DataConfig, *, base: Path, num_cpus: int, in_cluster: bool) -> Workers:
    """Who builds the sources soonest: this process, `num_cpus` processes of this machine, or a cluster's Ray.

    A process takes 50 ms to start, Ray some seconds and 15 CPU seconds; a row takes about a millisecond.

    Args:
        in_cluster: the run is in a Ray that may have CPUs of several machines.

    Raises:
        InputError: a source has no file.
    """
    from_mb = config.ray_from_mb
    if from_mb is None:
        from_mb = RAY_FROM_MB if in_cluster or not CAN_FORK else math.inf
    size_mb = 0.0
    for index, source in enumerate(config.sources):
        for unit in expand(source, index=index, base=base):
            for path in map(Path, unit.paths):
                size_mb += path.stat().st_size / 1e6 * (PACKED_FACTOR if path.suffix in PACKED else 1)
    if size_mb >= from_mb:
        return Workers(on_ray=True)
    return Workers(num_processes=num_cpus if CAN_FORK and size_mb >= PROCESSES_FROM_MB else 1)


def check_sources(config: DataConfig, *, base: Path) -> None:
    """Find in a second what would stop the stage later: files, settings, headers, tasks, template.

    Raises:
        InputError: what is wrong, where, and what to do.
    """
    tasks = load_tasks(resolve_path(config.tasks, base) if config.tasks else None)
    check_task_names(config, tasks)
    check_attests(config)
    load_detector(config.safety, base)
    if config.fast_tokenizer:
        require_package()
    _check_template(named_template(config.template, base))
    for index, source in enumerate(config.sources):
        for unit in expand(source, index=index, base=base):
            describe(unit, source)
            if all(Path(path).stat().st_size < PEEK_BYTES for path in unit.paths):
                next(iter(read(unit, source)), None)  # the first records show whether this is its format
        if format_of(source.format).needs_wordings(source):
            require_bank(tasks, source.task or "", source=source.name)


def _check_template(text: str | None) -> None:
    """Whether a template is Jinja at all; one with tags of transformers' own is left to the data stage."""
    if text is None or "{% generation" in text or "{%- generation" in text:
        return
    environment = ImmutableSandboxedEnvironment(extensions=["jinja2.ext.loopcontrols"])
    probe = [{"role": "user", "content": "질문"}, {"role": "assistant", "content": "답"}]
    tokens = {"bos_token": "", "eos_token": "", "pad_token": "", "unk_token": ""}
    try:
        environment.parse(text)
        rendered(lambda: environment.from_string(text).render(messages=probe, **tokens))
    except TemplateSyntaxError as error:
        raise TemplateError(f"data.template, line {error.lineno}: not a Jinja template ({error})") from error
    except RecursionError as error:
        raise TemplateError("data.template: its brackets or tags nest too deep for Jinja") from error
    except RenderEndless as error:
        raise TemplateError(f"data.template: {error}") from error
    except RenderFailed as error:  # what may lie in the tokenizer is found where there is one
        if isinstance(error.__cause__, (ArithmeticError, RecursionError)):
            raise TemplateError(f"data.template cannot be rendered: {error}") from error
