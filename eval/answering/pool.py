"""A pool of Ray actors that answers groups of prompts. The only file of this package that touches Ray.

A group is a pure function of the prompts, and is answered and committed whole: which actor took it, when,
and how often it was tried changes nothing. What was committed before a kill is not asked again.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import ray
from ray.exceptions import RayActorError
from ray.util import ActorPool

from eval.config import STAGE_VERSION
from eval.engines import Engine, Generation, GenerationSettings, engine_of
from hunmin.artifact import read_sealed, write_sealed
from hunmin.errors import ArtifactError, EnvironmentFailure, one_line
from hunmin.hashing import sha256_json
from hunmin.progress import progress, say

MAX_RESTARTS = 3  # of an actor, and of a group whose actor died; Ray's own default is none


@dataclass(frozen=True)
class Prompt:
    """What one sample asks."""

    sample_id: str
    ids: list[int]


@dataclass(frozen=True)
class ModelRef:
    """A model to ask: its name in the tables, where it lies, and what it is."""

    system: str  # base | tuned
    path: str
    sha256: str  # of its weights and settings, no path in it


@dataclass(frozen=True)
class Group:
    """Prompts that one model answers in one batch; `part` is where the answers go."""

    model: ModelRef
    prompts: list[Prompt]
    part: Path


def make_groups(
    prompts: Sequence[Prompt],
    *,
    models: Sequence[ModelRef],
    settings: GenerationSettings,
    batch_size: int,
    parts_dir: Path,
) -> list[Group]:
    """Cut the prompts into batches of like length, longest first, for each model in turn.

    A part's name depends on all that its answers depend on, so a part that exists is the answer.
    """
    ordered = sorted(prompts, key=lambda prompt: (-len(prompt.ids), prompt.sample_id))
    groups = []
    for model in models:
        for start in range(0, len(ordered), batch_size):
            members = ordered[start : start + batch_size]
            key = sha256_json(
                {
                    "stage_version": STAGE_VERSION,
                    "model": model.sha256,
                    "settings": asdict(settings),
                    "prompts": [asdict(prompt) for prompt in members],
                }
            )
            groups.append(Group(model, members, parts_dir / model.system / f"{key[:32]}.json"))
    return groups


def answer_groups(
    groups: Sequence[Group],
    *,
    settings: GenerationSettings,
    num_actors: int,
    num_cpus: int,
    num_gpus: int,
) -> dict[str, dict[str, Generation]]:
    """Answer every group that has no sound part yet, in order: all answers by system, by sample id.

    At most `num_actors` work at once; they leave a CPU of Ray's to others where there are two.

    Raises:
        EnvironmentFailure: an actor died more often than MAX_RESTARTS.
    """
    kept = {group.part: found for group in groups if (found := _kept_part(group)) is not None}
    missing = [group for group in groups if group.part not in kept]
    if kept:
        say(f"eval: {len(kept)} of {len(groups)} groups were answered before the stop")
    for batch in _per_process(missing, settings):
        _answer_missing(
            batch,
            settings=settings,
            num_actors=actors_at_work(num_actors, len(batch), num_gpus=num_gpus, engine=settings.engine),
            num_cpus=num_cpus,
            num_gpus=num_gpus,
        )
    answers: dict[str, dict[str, Generation]] = {}
    for group in groups:
        answers.setdefault(group.model.system, {}).update(kept.get(group.part) or read_part(group))
    return answers


def _answer_missing(
    missing: Sequence[Group], *, settings: GenerationSettings, num_actors: int, num_cpus: int, num_gpus: int
) -> None:
    actors = [
        Answerer.options(
            num_cpus=cpus_per_actor(num_cpus=num_cpus, num_actors=num_actors),
            num_gpus=gpus_per_actor(num_gpus=num_gpus, num_actors=num_actors),
            max_restarts=MAX_RESTARTS,
            max_task_retries=MAX_RESTARTS,
            scheduling_strategy="SPREAD",  # over the nodes, where there are several
        ).remote(settings)
        for _ in range(num_actors)
    ]
    pool = ActorPool(actors)
    for index, group in enumerate(missing):
        pool.submit(lambda actor, item: actor.answer.remote(*item), (index, group))
    try:
        with progress("eval", total=sum(len(group.prompts) for group in missing)) as ticker:
            while pool.has_next():
                index, generations = pool.get_next_unordered()
                write_part(missing[index], generations)
                ticker.advance(len(generations), note=missing[index].model.system)
    except RayActorError as error:
        raise EnvironmentFailure(
            f"an eval actor died {MAX_RESTARTS + 1} times ({one_line(error)}); if memory ran out, "
            "lower eval.num_actors or eval.batch_size; the answers so far are kept"
        ) from error
    finally:
        for actor in actors:
            ray.kill(actor)  # type: ignore[arg-type]  # ray's own stubs disagree


def cpus_per_actor(*, num_cpus: int, num_actors: int) -> float:
    """CPU slots an actor asks Ray for: together they leave one free, or half of a single one.

    A whole slot or an equal part of one: a share lies on one node, and any other would not always fit.
    """
    actors_on_one = math.ceil(num_actors / max(num_cpus - 1, num_cpus / 2))
    return math.floor(10_000 / actors_on_one) / 10_000  # Ray counts in ten-thousandths, and rounds


def gpus_per_actor(*, num_gpus: int, num_actors: int) -> float:
    """GPU an actor asks Ray for: a share must fit others on one GPU, for Ray never takes it from two."""
    if not num_gpus:
        return 0
    actors_on_one = math.ceil(num_actors / num_gpus)
    return math.floor(10_000 / actors_on_one) / 10_000  # Ray counts in ten-thousandths, and rounds


def actors_at_work(wanted: int, num_groups: int, *, num_gpus: int, engine: str) -> int:
    """No more than there are groups; of an engine that takes a GPU for itself no more than GPUs."""
    most = max(1, num_gpus) if engine_of(engine).owns_gpu else wanted
    return min(wanted, num_groups, most)


def _per_process(groups: Sequence[Group], settings: GenerationSettings) -> list[list[Group]]:
    """Groups that the same actors answer: all, or one model's where an engine holds but one."""
    if not engine_of(settings.engine).owns_gpu:
        return [list(groups)] if groups else []
    models = dict.fromkeys(group.model for group in groups)
    return [[group for group in groups if group.model == model] for model in models]


@ray.remote
class Answerer:
    """Holds one engine at a time. Keeps nothing that a restart would miss."""

    def __init__(self, settings: GenerationSettings):
        self._settings = settings
        self._path: str | None = None
        self._engine: Engine | None = None

    def answer(self, index: int, group: Group) -> tuple[int, list[Generation]]:
        """The group's answers, in the order of its prompts, behind the index that came with it."""
        return index, self._engine_of(group.model.path).generate([prompt.ids for prompt in group.prompts])

    def _engine_of(self, path: str) -> Engine:
        if self._engine is None or self._path != path:
            import torch

            torch.set_num_threads(self._settings.num_threads)
            self._engine = None  # free the old weights before the new ones come
            self._engine = engine_of(self._settings.engine).load(path, self._settings, _device())
            self._path = path
        return self._engine


def _device() -> str:
    """The GPU that Ray gave this actor. Ray may or may not have hidden the others: ask both."""
    ids = ray.get_runtime_context().get_accelerator_ids()["GPU"]
    if not ids:
        return "cpu"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return f"cuda:{visible.index(ids[0]) if ids[0] in visible else int(ids[0])}"


def write_part(group: Group, generations: Sequence[Generation]) -> None:
    """Commit a group's answers, all or nothing, with their hash."""
    group.part.parent.mkdir(parents=True, exist_ok=True)
    write_sealed(
        group.part,
        {
            "sample_ids": [prompt.sample_id for prompt in group.prompts],
            "answers": [asdict(generation) for generation in generations],
        },
    )


def read_part(group: Group) -> dict[str, Generation]:
    """A group's committed answers by sample id.

    Raises:
        ArtifactError: the file is damaged, or holds other samples than the group.
    """
    try:
        part, is_sealed = read_sealed(group.part)
        if not is_sealed:
            raise ValueError("it has no hash")
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{group.part}: damaged ({one_line(error)}); delete it and run again") from error
    if part["sample_ids"] != [prompt.sample_id for prompt in group.prompts]:
        raise ArtifactError(f"{group.part}: holds other samples than its name says; delete it and run again")
    answers = (Generation(**answer) for answer in part["answers"])
    return dict(zip(part["sample_ids"], answers, strict=True))


def _kept_part(group: Group) -> dict[str, Generation] | None:
    """A group's answers from before; None where there are none, or none that are sound, which it says."""
    if not group.part.exists():
        return None
    try:
        return read_part(group)
    except ArtifactError as error:
        say(f"eval: {error.args[0].removesuffix('; delete it and run again')}; its samples are asked again")
        return None
