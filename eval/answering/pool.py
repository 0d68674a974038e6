"""A pool of Ray actors that answers groups of prompts. The only file of this package that touches Ray.

On GPUs an actor takes as many whole ones of a node as a copy of the model needs.
"""

import math
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError
from ray.util import placement_group, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy, PlacementGroupSchedulingStrategy

from eval.answering.choice import capability, memory_bytes
from eval.answering.groups import Group, ModelRef, kept_part, read_part, write_part
from eval.answering.room import NO_GPUS, Gpus
from eval.engines import Engine, Generation, GenerationSettings, Place, engine_of
from hunmin.errors import EnvironmentFailure, one_line
from hunmin.progress import progress, say

MAX_RESTARTS = 3  # of an actor, and of a group whose actor died; Ray's own default is none
ACTORS_ON_CPUS = 2  # where eval.num_actors does not say
PLACED_WITHIN_S = 300.0  # what trained has left by then
CLOSED_WITHIN_S = 60.0  # an engine that does not end in that time is killed


def find_gpus() -> Gpus:
    """The GPUs of the Ray that is up, looked at on each of their nodes.

    Raises:
        EnvironmentFailure: a node's GPUs are all taken by others.
    """
    counts = {
        node["NodeID"]: int(node["Resources"]["GPU"])
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("GPU", 0) >= 1
    }
    looks = [
        _look_at_gpu.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False)).remote()
        for node_id in counts
    ]
    try:
        seen: list[tuple[int | None, tuple[int, int] | None]] = ray.get(looks, timeout=PLACED_WITHIN_S)
    except GetTimeoutError as error:
        raise EnvironmentFailure(
            f"eval: a node's GPUs were not free within {PLACED_WITHIN_S:g} s; end what holds them, and run "
            "the same command again"
        ) from error
    memories, capabilities = zip(*seen, strict=True) if seen else ((), ())
    return Gpus(
        tuple(counts.values()),
        memory_bytes=_lowest(memories),
        capability=_lowest(capabilities),
    )


def _lowest(values: Sequence[Any]) -> Any:
    """The smallest, None where one is not known."""
    return None if None in values else min(values, default=None)


@ray.remote(num_gpus=1, num_cpus=0)
def _look_at_gpu() -> tuple[int | None, tuple[int, int] | None]:
    return memory_bytes(), capability()


def answer_groups(
    groups: Sequence[Group],
    *,
    settings: GenerationSettings,
    num_actors: int | None,
    num_cpus: int,
    gpus: Gpus = NO_GPUS,
    gpus_per_model: int = 0,
    python: str | None = None,
) -> dict[str, dict[str, Generation]]:
    """Answer every group that has no sound part yet, in order: all answers by system, by sample id.

    At most `num_actors` work at once (None: as many as there is room for); on CPUs they leave one of Ray's to
    others where there are two.

    Raises:
        EnvironmentFailure: an actor died more often than MAX_RESTARTS, or there is no place for it.
    """
    kept = {group.part: found for group in groups if (found := kept_part(group)) is not None}
    missing = [group for group in groups if group.part not in kept]
    if kept:
        say(f"eval: {len(kept)} of {len(groups)} groups were answered before the stop")
    for batch in _per_process(missing, settings):
        at_work = actors_at_work(
            num_actors, len(batch), gpus=gpus, gpus_per_model=gpus_per_model, engine=settings.engine
        )
        each: dict[str, float] = (
            {"GPU": gpus_per_model}
            if gpus.total
            else {"CPU": cpus_per_actor(num_cpus=num_cpus, num_actors=at_work)}
        )
        _answer_missing(batch, settings=settings, num_actors=at_work, each=each, python=python)
    answers: dict[str, dict[str, Generation]] = {}
    for group in groups:
        answers.setdefault(group.model.system, {}).update(kept.get(group.part) or read_part(group))
    return answers


def _answer_missing(
    missing: Sequence[Group],
    *,
    settings: GenerationSettings,
    num_actors: int,
    each: dict[str, float],
    python: str | None,
) -> None:
    """Answer the groups with so many actors, `each` with these resources of one node."""
    with _places(num_actors, each) as places:
        actors = [
            Answerer.options(
                num_cpus=each.get("CPU", 0),  # none beside a GPU, whose node may have few
                num_gpus=each.get("GPU", 0),
                max_restarts=MAX_RESTARTS,
                max_task_retries=MAX_RESTARTS,
                scheduling_strategy=place,
            ).remote(settings, python)
            for place in places
        ]
        try:
            with progress("eval", total=sum(len(group.prompts) for group in missing)) as ticker:
                for group, generations in _answered(missing, actors):
                    write_part(group, generations)
                    ticker.advance(len(generations), note=group.model.system)
            ray.wait(
                [actor.close.remote() for actor in actors], num_returns=num_actors, timeout=CLOSED_WITHIN_S
            )
        except RayActorError as error:
            raise EnvironmentFailure(
                f"an eval actor died {MAX_RESTARTS + 1} times ({one_line(error)}); if memory ran out, "
                "lower eval.num_actors or eval.batch_size; the answers so far are kept"
            ) from error
        finally:
            for actor in actors:
                ray.kill(actor)  # type: ignore[arg-type]  # ray's own stubs disagree


def _answered(groups: Sequence[Group], actors: Sequence[Any]) -> Iterator[tuple[Group, list[Generation]]]:
    """Each group with its answers as they come; an actor keeps to its model while groups of it wait."""
    waiting: dict[ModelRef, deque[Group]] = {}
    for group in groups:
        waiting.setdefault(group.model, deque()).append(group)
    loaded: list[ModelRef | None] = [None] * len(actors)
    at_work: dict[Any, tuple[int, Group]] = {}  # by Ray's reference: an actor's index, and what it answers

    def hand_out(index: int) -> None:
        lengths = {model: len(left) for model, left in waiting.items()}
        model = model_for(loaded[index], waiting=lengths, others=loaded[:index] + loaded[index + 1 :])
        loaded[index] = model
        if model is not None:
            group = waiting[model].popleft()
            at_work[actors[index].answer.remote(group)] = (index, group)

    for index in range(len(actors)):
        hand_out(index)
    while at_work:
        (done,), _ = ray.wait(list(at_work))
        index, group = at_work.pop(done)
        generations = ray.get(done)
        hand_out(index)
        yield group, generations


def model_for(
    loaded: ModelRef | None, *, waiting: Mapping[ModelRef, int], others: Sequence[ModelRef | None]
) -> ModelRef | None:
    """The model that a free actor asks next: the one it has loaded, else the one that is furthest behind.

    `waiting`: groups that no one has taken; `others`: what the other actors have loaded. An actor leaves a
    model only when no group of it waits, so it loads each at most once, and where there are two mostly one.
    """
    left = {model: count for model, count in waiting.items() if count}
    if loaded in left or not left:
        return loaded if loaded in left else None
    return max(left, key=lambda model: left[model] / (1 + others.count(model)))


@contextmanager
def _places(num_actors: int, each: dict[str, float]) -> Iterator[list[PlacementGroupSchedulingStrategy]]:
    """A place for each actor, held for the block.

    GPUs are taken node by node, so that those of the last node stay whole for others. On CPUs actors compete
    for a node's memory bandwidth, and are better apart.

    Raises:
        EnvironmentFailure: there is none, for longer than PLACED_WITHIN_S.
    """
    group = placement_group([each] * num_actors, strategy="PACK" if "GPU" in each else "SPREAD")
    try:
        if not group.wait(PLACED_WITHIN_S):
            wanted = " and ".join(f"{count:g} {name}" for name, count in each.items())
            raise EnvironmentFailure(
                f"eval: Ray found no place for {num_actors} actors with {wanted} each within "
                f"{PLACED_WITHIN_S:g} s; lower eval.num_actors, or end what else uses this Ray"
            )
        yield [
            PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=index)
            for index in range(num_actors)
        ]
    finally:
        remove_placement_group(group)


def cpus_per_actor(*, num_cpus: int, num_actors: int) -> float:
    """CPU slots an actor asks Ray for: together they leave one free, or half of a single one.

    A whole slot or an equal part of one: a share lies on one node, and any other would not always fit.
    """
    actors_on_one = math.ceil(num_actors / max(num_cpus - 1, num_cpus / 2))
    return math.floor(10_000 / actors_on_one) / 10_000  # Ray counts in ten-thousandths, and rounds


def actors_at_work(
    wanted: int | None, num_groups: int, *, gpus: Gpus, gpus_per_model: int, engine: str
) -> int:
    """No more than there are groups, nor than there are GPUs for; None wants as many as that.

    On CPUs as many as are wanted, or ACTORS_ON_CPUS; of an engine that shares with no one, one.
    """
    owns = engine_of(engine).owns_gpu
    on_cpus = 1 if owns else wanted or ACTORS_ON_CPUS
    places = gpus.places(gpus_per_model) if gpus.total else on_cpus
    return min(wanted or places, places, num_groups)


def _per_process(groups: Sequence[Group], settings: GenerationSettings) -> list[list[Group]]:
    """Groups that the same actors answer: all, or one model's where an engine holds but one."""
    if not engine_of(settings.engine).owns_gpu:
        return [list(groups)] if groups else []
    models = dict.fromkeys(group.model for group in groups)
    return [[group for group in groups if group.model == model] for model in models]


@ray.remote
class Answerer:
    """Holds one engine at a time. Keeps nothing that a restart would miss."""

    def __init__(self, settings: GenerationSettings, python: str | None):
        self._settings = settings
        self._python = python
        self._path: str | None = None
        self._engine: Engine | None = None

    def answer(self, group: Group) -> list[Generation]:
        """The group's answers, in the order of its prompts."""
        return self._engine_of(group.model.path).generate([prompt.ids for prompt in group.prompts])

    def close(self) -> None:
        """Free what the engine holds, before another comes."""
        if (close := getattr(self._engine, "close", None)) is not None:
            close()
        self._engine = None

    def _engine_of(self, path: str) -> Engine:
        if self._engine is None or self._path != path:
            import torch

            torch.set_num_threads(self._settings.num_threads)
            self.close()
            place = Place(_devices(), self._python)
            self._engine = engine_of(self._settings.engine).load(path, self._settings, place)
            self._path = path
        return self._engine


def _devices() -> tuple[str, ...]:
    """The GPUs that Ray gave this actor. Ray may or may not have hidden the others: ask both."""
    ids = ray.get_runtime_context().get_accelerator_ids()["GPU"]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    found = [visible.index(one) if one in visible else int(one) for one in ids]
    return tuple(f"cuda:{index}" for index in found) or ("cpu",)
