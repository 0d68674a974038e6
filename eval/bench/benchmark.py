"""Benchmarks of a finished run: lm-evaluation-harness asks base and tuned model a suite. Read this first.

suite -> its tasks (harness.py) -> their tables (question_tables.py) -> processes that answer, a part for each
model and task (harness_processes.py) -> scores (bench_scores.py) -> results.json and samples.parquet in
RUN/bench/SUITE
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from eval.answering.choice import capability, memory_bytes, precision
from eval.answering.groups import ModelRef
from eval.answering.models import model_refs
from eval.answering.room import Gpus, gpus_per_model
from eval.bench.bench_job import BenchTask, Job
from eval.bench.bench_results import BenchResults, Protocol, TaskScores
from eval.bench.bench_scores import BENCH_SAMPLES, SYSTEMS, overall, score
from eval.bench.harness import SHOT_SEED, harness_version
from eval.bench.harness_processes import gpu_groups, run_jobs, shared_out
from eval.bench.question_tables import Table, Wanted, revisions
from eval.bench.suites import Suite
from eval.engines import engine_of
from hunmin.artifact import Manifest, read_sealed, verify, write_json, write_parquet
from hunmin.errors import ArtifactError
from hunmin.hashing import sha256_bytes, sha256_json, table_sha256
from hunmin.models.renderer import Renderer
from hunmin.models.tokenizer import load_tokenizer
from hunmin.progress import say
from hunmin.schema import SCHEMA_VERSION
from hunmin.stage import Inputs, find_finished, open_stage

STAGE_VERSION = 1
ENGINE = "hf"
PLANNED_TOKENS = 4096  # of a prompt, for the number of GPUs that a model takes
_PROBE = "다음 물음에 답하세요.\n\nWhich of the two is right, A or B?"


@dataclass(frozen=True)
class Asked:
    """How a suite is asked."""

    batch_size: int
    num_threads: int
    limit: int | None
    seed: int  # of the bootstrap
    bootstrap_samples: int


def run(
    *,
    suite: Suite,
    tasks: Sequence[BenchTask],
    tables: Mapping[Wanted, Table],
    data: Path,
    run_dir: Path,
    base: str,
    asked: Asked,
) -> Manifest:
    """Ask `base`, the folder or hub id that was tuned, and RUN's export; a stopped run is continued.

    Raises:
        ArtifactError: the export is not as training wrote it, or the models were asked different things.
        InputError: a table does not hold what its task reads.
        GateError: the model does not fit the GPUs of this machine.
        EnvironmentFailure: the harness failed.
    """
    train_dir = run_dir / "train"
    train = verify(train_dir, cure="hunmin train CONFIG", only=("export/", "base/"))
    models = model_refs(base=base, train_dir=train_dir, train=train)
    protocol, stop = _protocol(train_dir / "export", asked)
    inputs = Inputs.of(
        STAGE_VERSION,
        parents={
            "train": train.content_sha256,
            "data": sha256_json([table.sha256 for table in tables.values()]),
        }
        | {model.system: model.sha256 for model in models},
        suite=suite,
        tasks=sha256_json([task.protocol() for task in tasks]),
        protocol=sha256_json(protocol),
        bootstrap_samples=asked.bootstrap_samples,
        seed=asked.seed,
    )
    out_dir = run_dir / "bench" / suite.name
    if (done := find_finished(out_dir, inputs)) is not None:
        say(f"bench: {suite.name} is done already, from equal inputs, in {out_dir}")
        return done
    (run_dir / "bench").mkdir(exist_ok=True)
    stage = open_stage(out_dir, inputs)
    parts = {
        (model.system, task.name): out_dir
        / "parts"
        / model.system
        / f"{_key(model, task, tables, protocol)}.json"
        for model in models
        for task in tasks
    }
    _answer(models, tasks, tables, parts=parts, tokenizer=train_dir / "export", stop=stop, asked=asked)
    answers = {(system, task.name): _read(parts[system, task.name]) for system in SYSTEMS for task in tasks}
    samples = {
        system: [
            {"system": system, "task": task.name, **row}
            for task in tasks
            for row in answers[system, task.name]["samples"]
        ]
        for system in SYSTEMS
    }
    known = revisions(sorted({task.dataset for task in tasks}), data)
    results = BenchResults(
        schema_version=SCHEMA_VERSION,
        suite=suite.name,
        title=suite.title,
        languages=list(suite.languages),
        licence=suite.licence,
        source=suite.source,
        protocol=protocol,
        models={model.system: {"path": model.path, "sha256": model.sha256} for model in models},
        tasks={
            task.name: _scored(task, samples, answers, tables, known[task.dataset], asked) for task in tasks
        },
        overall=overall(tasks, samples, name=suite.name, resamples=asked.bootstrap_samples, seed=asked.seed),
    )
    table = pa.Table.from_pylist([row for system in SYSTEMS for row in samples[system]], schema=BENCH_SAMPLES)
    write_parquet(out_dir / "samples.parquet", table)
    write_json(out_dir / "results.json", results)
    manifest = stage.commit(
        content_sha256=sha256_json(
            {"samples": table_sha256(table), "results": {k: v for k, v in results.items() if k != "models"}}
        ),
        counts={"tasks": len(tasks), "samples": len(samples["tuned"])},
        files=[out_dir / "samples.parquet", out_dir / "results.json"],
        rows={"samples.parquet": table.num_rows},
        extra={"harness": protocol["harness"]},
    )
    shutil.rmtree(out_dir / "parts")
    return manifest


def _protocol(export: Path, asked: Asked) -> tuple[Protocol, list[str]]:
    """What all tasks share, and the texts that end an answer as in training."""
    import torch

    tokenizer = load_tokenizer(export)
    renderer = Renderer(tokenizer)
    messages = [{"role": "user", "content": _PROBE}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    same = tokenizer.encode(str(text), add_special_tokens=False) == renderer.prompt(messages)
    if not same:
        say("bench: through the harness the template gives other tokens than in training; the result says so")
    protocol = Protocol(
        harness=f"lm-evaluation-harness {harness_version()}",
        engine=ENGINE,
        dtype=precision(torch.cuda.device_count()),
        batch_size=asked.batch_size,
        template_sha256=sha256_bytes(str(tokenizer.chat_template).encode()),
        same_ids_as_training=same,
        limit=asked.limit,
        shot_seed=SHOT_SEED,
    )
    return protocol, [str(tokenizer.decode([one])) for one in sorted(renderer.stop_ids)]


def _key(model: ModelRef, task: BenchTask, tables: Mapping[Wanted, Table], protocol: Protocol) -> str:
    """A part's name says all that its answers depend on, so a part that exists is the answer."""
    told = {
        "stage_version": STAGE_VERSION,
        "model": model.sha256,
        "task": task.protocol(),
        "tables": [[table.sha256, table.columns, table.values] for table in _tables(task, tables).values()],
        "protocol": protocol,
    }
    return sha256_json(told)[:32]


def _tables(task: BenchTask, tables: Mapping[Wanted, Table]) -> dict[str, Table]:
    return {one.split: tables[one] for one in task.wanted}


def _answer(
    models: Sequence[ModelRef],
    tasks: Sequence[BenchTask],
    tables: Mapping[Wanted, Table],
    *,
    parts: Mapping[tuple[str, str], Path],
    tokenizer: Path,
    stop: list[str],
    asked: Asked,
) -> None:
    """Have every part written that is not there yet."""
    import torch

    num_gpus = torch.cuda.device_count()
    each = _gpus_each(models[-1], num_gpus, asked.batch_size)
    places = gpu_groups(num_gpus, each, os.environ.get("CUDA_VISIBLE_DEVICES"))
    jobs = []
    for model in models:
        left = [task for task in tasks if not _is_sound(parts[model.system, task.name])]
        job = Job(
            model=model.path,
            tokenizer=str(tokenizer),
            tasks=left,
            tables={task.name: _tables(task, tables) for task in left},
            parts={task.name: str(parts[model.system, task.name]) for task in left},
            stop=stop,
            batch_size=asked.batch_size,
            device="cuda" if num_gpus else "cpu",
            divided=each > 1,
            dtype=precision(num_gpus),
            num_threads=asked.num_threads,
            limit=asked.limit,
        )
        if left:
            parts[model.system, left[0].name].parent.mkdir(parents=True, exist_ok=True)
            jobs += shared_out(job, max(1, len(places) // len(models)))
    num_left = sum(len(job.tasks) for job in jobs)
    say(f"bench: {num_left} of {len(parts)} parts to answer ({len(tasks)} task(s), {len(models)} models)")
    run_jobs(jobs, places)


def _gpus_each(model: ModelRef, num_gpus: int, batch_size: int) -> int:
    if not num_gpus:
        return 0
    import torch
    from transformers import AutoConfig

    return gpus_per_model(
        AutoConfig.from_pretrained(model.path, trust_remote_code=False),
        engine=engine_of(ENGINE),
        gpus=Gpus((num_gpus,), memory_bytes(), capability()),
        dtype=torch.bfloat16,
        batch_size=batch_size,
        prompt_tokens=PLANNED_TOKENS,
        new_tokens=0,
    )


def _read(part: Path) -> dict[str, Any]:
    try:
        return read_sealed(part)[0]
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{part}: damaged ({error}); delete it and run again") from error


def _is_sound(part: Path) -> bool:
    """Whether a part is there; one that is damaged is made again, which is said."""
    if not part.exists():
        return False
    try:
        _read(part)
    except ArtifactError as error:
        say(f"bench: {error}")
        part.unlink()
        return False
    return True


def _scored(
    task: BenchTask,
    samples: Mapping[str, Sequence[Mapping[str, Any]]],
    answers: Mapping[tuple[str, str], Mapping[str, Any]],
    tables: Mapping[Wanted, Table],
    revision: str | None,
    asked: Asked,
) -> TaskScores:
    own = {system: [row for row in samples[system] if row["task"] == task.name] for system in SYSTEMS}
    return TaskScores(
        **score(own, name=task.name, resamples=asked.bootstrap_samples, seed=asked.seed),
        metric=task.metric,
        filter=task.filter,
        higher_is_better=task.higher_is_better,
        shots=task.shots,
        version=task.version,
        dataset={
            "name": task.dataset,
            "subset": task.subset,
            "split": task.split,
            "revision": revision,
            "sha256": {split: table.sha256 for split, table in _tables(task, tables).items()},
        },
        num_cut={system: answers[system, task.name]["num_cut"] for system in SYSTEMS},
    )
