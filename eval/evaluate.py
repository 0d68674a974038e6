"""The eval stage: ask base and tuned model the held-out rows, and score the answers. Read this first.

data/heldout.parquet -> samples -> a pool of actors -> answers -> scores -> eval/samples.parquet, scores.json
                     -> the same rows in held-out wordings, to the tuned model -> eval/reworded.parquet
                     -> what probes ask besides                                -> eval/probes.parquet
                     -> further draws of answers, conversations on the models' own answers
                                                           -> eval/draws.parquet, own_history.parquet
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from transformers import AutoConfig

from eval.answering.asker import Asker, Prompts
from eval.answering.choice import choose, versions
from eval.answering.models import check_tokenizer, model_refs
from eval.answering.pool import find_gpus
from eval.answering.room import NO_GPUS
from eval.config import EvalConfig
from eval.engines import GenerationSettings, context_length
from eval.probes import Material, probes
from eval.samples.answers_table import SYSTEMS, history_table, probes_table, samples_table
from eval.samples.draws import score_draws
from eval.samples.own_history import ask_on, compare_histories
from eval.samples.questions import Questions, choose_questions, say_what_is_asked
from eval.samples.samples import Sample, baseline_answers
from eval.samples.unseen_wordings import compare_wordings
from eval.sandbox.sandbox import check_sandbox
from eval.scores.goals import judge_goal
from eval.scores.metric import Answer
from eval.scores.score_table import MODELS, Scored, score_table, score_task
from hunmin.artifact import Manifest, verify, write_json, write_parquet
from hunmin.hashing import sha256_json, table_sha256
from hunmin.models.renderer import Renderer
from hunmin.models.tokenizer import load_tokenizer
from hunmin.schema import SCHEMA_VERSION, Scores
from hunmin.stage import Inputs, open_stage

__all__ = ["SYSTEMS", "run", "score_table"]
DATA_FILES = ("heldout.parquet", "stats.json", "corpus.json", "tokenizer/")


def run(
    *,
    config: EvalConfig,
    seed: int,
    data_dir: Path,
    train_dir: Path,
    base: str,
    out_dir: Path,
    num_cpus: int,
    num_gpus: int,
    inputs: Inputs,
) -> Manifest:
    """Evaluate `train_dir`/export against `base`, the hub id or folder of the model that was tuned.

    Ray must be running; a stopped run is continued. The seed is of the draw of samples, of sampled answers
    and of the bootstrap.

    Raises:
        ArtifactError: a file of data or train is missing or differs, or a model lacks a weight.
        InputError: a task names an unknown metric, or eval.engine is not installed.
        GateError: the model does not fit the GPUs of a node.
        EnvironmentFailure: the actors kept dying, or find no place; or eval.run_code is on and code cannot be
            run apart from all else here.
    """
    verify(data_dir, cure="hunmin data CONFIG", only=DATA_FILES)
    train = verify(train_dir, cure="hunmin train CONFIG", only=("export/", "base/"))
    stage = open_stage(out_dir, inputs)

    tokenizer = load_tokenizer(data_dir / "tokenizer")
    check_tokenizer(train_dir / "export", tokenizer)
    renderer = Renderer(tokenizer)
    models = model_refs(base=base, train_dir=train_dir, train=train)
    asked = choose_questions(
        data_dir,
        config=config,
        seed=seed,
        renderer=renderer,
        max_prompt_tokens=min(context_length(model.path) for model in models) - config.max_new_tokens,
    )
    say_what_is_asked(asked)
    if any(metric.runs_code for members in asked.material.metrics.values() for metric in members):
        check_sandbox()
    tasks, metrics = asked.material.tasks, asked.material.metrics

    gpus = find_gpus() if num_gpus else NO_GPUS
    choice = choose(
        config,
        AutoConfig.from_pretrained(models[-1].path),
        prompt_tokens=asked.longest_prompt,
        gpus=gpus,
    )
    settings = GenerationSettings(
        max_new_tokens=config.max_new_tokens,
        temperature=config.temperature,
        seed=seed,
        stop_ids=tuple(renderer.stop_ids),
        num_threads=config.num_threads,
        engine=choice.engine,
        dtype=choice.dtype,
        batch_size=config.batch_size,
    )
    asker = Asker(
        models=models,
        reader=renderer.answers,
        settings=settings,
        batch_size=config.batch_size,
        parts_dir=out_dir / "parts",
        num_actors=config.num_actors,
        num_cpus=num_cpus,
        gpus=gpus,
        gpus_per_model=choice.gpus_per_model,
        python=config.vllm_python,
    )
    said = asker.ask(_asking(asked))
    own = ask_on(asked.conversations, said, render=asked.render, ask=asker.ask)
    answers = baseline_answers(asked.samples, majority=read_majority(data_dir / "stats.json"))
    answers |= {system: [found[one.sample_id] for one in asked.samples] for system, found in said.items()}

    bootstrap = {"num_resamples": config.bootstrap_samples, "seed": seed}
    scored = _score(asked.samples, answers, asked.material, **bootstrap)
    compared = compare_wordings(
        asked.samples, asked.again, answers=said.get("tuned", {}), metrics=metrics, **bootstrap
    )
    for task, wording_scores in compared.scores.items():
        scored[task].scores["unseen_wordings"] = wording_scores
    for task, history_scores in compare_histories(own, said, metrics, **bootstrap).items():
        scored[task].scores["own_history"] = history_scores
    found = {
        name: probes()[name].judge(asked.material, members, said) for name, members in asked.probes.items()
    }
    tables = {
        "samples.parquet": samples_table(
            asked.samples,
            answers=answers,
            prompts=asked.prompts,
            tasks=tasks,
            values={
                system: [one for task in scored.values() for one in task.per_sample[system]]
                for system in SYSTEMS
            },
        ),
        "reworded.parquet": samples_table(
            asked.again,
            answers={"tuned": [said["tuned"][one.sample_id] for one in asked.again]},
            prompts=asked.prompts,
            tasks=tasks,
            values={"tuned": [compared.per_sample[one.sample_id] for one in asked.again]},
        ),
        "probes.parquet": probes_table(asked, said, found),
    }
    if config.num_answers > 1 and asked.samples:
        draws = _draws(asked, asker, answers, num_answers=config.num_answers)
        drawn, tables["draws.parquet"] = score_draws(
            asked.samples, draws, asked.material, prompts=asked.prompts
        )
        for task, one in drawn.items():
            scored[task].scores["drawn"] = one
    if config.own_history:
        tables["own_history.parquet"] = history_table(own, tasks)
    scores = Scores(
        schema_version=SCHEMA_VERSION,
        seed=seed,
        systems=SYSTEMS,
        engine={"name": choice.engine, "dtype": settings.dtype},
        models={model.system: {"path": model.path, "sha256": model.sha256} for model in models},
        tasks={task: one.scores for task, one in scored.items()},
        goals=[
            judge_goal(goal, scored[goal.task].scores if goal.task in scored else None)
            for goal in config.goals
        ],
        probes={name: one.scores for name, one in found.items() if one.scores},
    )
    for name, table in tables.items():
        write_parquet(out_dir / name, table)
    write_json(out_dir / "scores.json", scores)
    manifest = stage.commit(
        content_sha256=content_sha256(tables, scores),
        counts={
            "samples": len(asked.samples),
            "reworded": len(asked.again),
            "tasks": len(scored),
            "skipped": asked.skipped,
            "skipped_reworded": asked.skipped_again,
            "probes": asked.num_probed,
            "skipped_probes": asked.skipped_probes,
            **({"skipped_own_history": own.skipped} if config.own_history else {}),
            "failed": dict(sorted(asker.failed.items())),
        },
        files=[out_dir / name for name in (*tables, "scores.json")],
        rows={name: table.num_rows for name, table in tables.items()},
        extra={"engine": {**scores["engine"], "versions": versions(choice.engine, config.vllm_python)}},
    )
    if (out_dir / "parts").exists():
        shutil.rmtree(out_dir / "parts")
    return manifest


def _asking(asked: Questions) -> list[tuple[Prompts, Sequence[str]]]:
    """Both models answer the samples; the tuned one those in held-out wordings too; probes choose theirs."""
    asking: list[tuple[Sequence[Sample], Sequence[str]]] = [
        (asked.samples, MODELS),
        (asked.again, ("tuned",)),
        *((members, probes()[name].systems) for name, members in asked.probes.items()),
    ]
    return [({one.sample_id: asked.prompts[one.sample_id] for one in members}, to) for members, to in asking]


def _draws(
    asked: Questions, asker: Asker, first: Mapping[str, Sequence[Answer]], *, num_answers: int
) -> list[Mapping[str, Sequence[Answer]]]:
    """All draws of the models' answers, the first given, each in the samples' order."""
    prompts = {one.sample_id: asked.prompts[one.sample_id] for one in asked.samples}
    draws: list[Mapping[str, Sequence[Answer]]] = [{system: first[system] for system in MODELS}]
    for draw in range(1, num_answers):
        said = asker.ask([(prompts, MODELS)], draw=draw)
        draws.append({name: [found[one.sample_id] for one in asked.samples] for name, found in said.items()})
    return draws


def read_majority(path: Path) -> dict[str, str]:
    """The commonest train answer of each task, from stats.json."""
    stats = json.loads(path.read_text())
    return {task: info["majority_answer"] for task, info in stats["tasks"].items()}


def _score(
    samples: Sequence[Sample],
    answers: Mapping[str, Sequence[Answer]],
    material: Material,
    *,
    num_resamples: int,
    seed: int,
) -> dict[str, Scored]:
    """Each task's scores. Samples are sorted by task, so a task is a slice of them."""
    places: dict[str, list[int]] = {}
    for place, sample in enumerate(samples):
        places.setdefault(sample.task, []).append(place)
    return {
        task: score_task(
            task,
            metrics=material.metrics[task],
            labels=material.tasks[task]["labels"],
            references=[samples[place].reference for place in members],
            families=[samples[place].family_id for place in members],
            answers={system: [answers[system][place] for place in members] for system in SYSTEMS},
            num_resamples=num_resamples,
            seed=seed,
        )
        for task, members in places.items()
    }


def content_sha256(tables: Mapping[str, pa.Table], scores: Scores) -> str:
    """Hash of what was found: the samples and the scores, without the place of the models."""
    models = {system: {"sha256": model["sha256"]} for system, model in scores["models"].items()}
    found = {name: table_sha256(table) for name, table in tables.items()}
    return sha256_json({"tables": found, "scores": {**scores, "models": models}})
