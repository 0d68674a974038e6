"""The pool on a real Ray: any number of actors, killed or not, gives the same answers."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from damage import damaged

from eval.answering import pool
from eval.answering.groups import Group, ModelRef, Prompt, make_groups, read_part, write_part
from eval.answering.pool import answer_groups, cpus_per_actor, model_for
from eval.engines import Generation, GenerationSettings
from eval.engines.hf import HFEngine
from hunmin.errors import ArtifactError

SETTINGS = GenerationSettings(max_new_tokens=24, temperature=0.0, seed=0, stop_ids=(300, 310), num_threads=1)
ROOT = Path(__file__).resolve().parents[3]


def groups_of(
    folder: Path, parts_dir: Path, prompts: Sequence[Sequence[int]], **settings: int
) -> tuple[list[Group], GenerationSettings]:
    """Groups of eight prompts, in batches of two that refill."""
    changed = replace(SETTINGS, batch_size=2, **settings)  # type: ignore[arg-type]
    groups = make_groups(
        [Prompt(f"row/{index}", list(ids)) for index, ids in enumerate(prompts)],
        models=[ModelRef("base", str(folder), "a"), ModelRef("tuned", str(folder), "b")],
        settings=changed,
        batch_size=1,
        parts_dir=parts_dir,
    )
    return groups, changed


def run(groups: list[Group], settings: GenerationSettings, *, num_actors: int = 2):
    return answer_groups(groups, settings=settings, num_actors=num_actors, num_cpus=2)


def alone(groups: list[Group], settings: GenerationSettings) -> dict[str, dict[str, Generation]]:
    """What the engine says to each group, asked here, without a pool."""
    torch.set_num_threads(settings.num_threads)
    engine = HFEngine(groups[0].model.path, settings=settings)
    answers: dict[str, dict[str, Generation]] = {}
    for group in groups:
        found = engine.generate([prompt.ids for prompt in group.prompts])
        ids = [prompt.sample_id for prompt in group.prompts]
        answers.setdefault(group.model.system, {}).update(zip(ids, found, strict=True))
    return answers


def actor_pids() -> set[int]:
    """Our own Ray's actor processes: descendants of this process, and no one else's."""
    pids = set()
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # gone, or a zombie
            if "ray::Answerer" in " ".join(child.cmdline()):
                pids.add(child.pid)
    return pids


def test_groups_are_a_function_of_the_prompts(prompts: list[list[int]], tmp_path: Path) -> None:
    named = [Prompt(f"row/{index}", ids) for index, ids in enumerate(prompts)]
    models = [ModelRef("base", "x", "a"), ModelRef("tuned", "y", "b")]

    def make(order: list[Prompt], **changes: int) -> list[Group]:
        changed = replace(SETTINGS, **changes)  # type: ignore[arg-type]
        return make_groups(order, models=models, settings=changed, batch_size=1, parts_dir=tmp_path)

    groups = make(named)
    assert make(named[::-1]) == groups
    assert [len(group.prompts) for group in groups] == [8, 8, 8] * 2  # at most BATCHES_PER_GROUP each
    longest = [max(len(prompt.ids) for prompt in group.prompts) for group in groups[:3]]
    assert longest == sorted(longest, reverse=True)
    parts = {group.part for group in groups}
    assert len(parts) == 6
    assert not parts & {group.part for group in make(named, max_new_tokens=25)}
    changed = [replace(named[0], ids=[*named[0].ids[:-1], 271]), *named[1:]]
    assert len(parts - {group.part for group in make(changed)}) == 2  # one group for each model
    assert make([]) == []


def test_prompts_that_begin_alike_meet_in_a_group(tmp_path: Path) -> None:
    prompts = [Prompt(f"row/{index}", [index % 4] * 30 + [index]) for index in range(32)]
    groups = make_groups(
        prompts, models=[ModelRef("base", "x", "a")], settings=SETTINGS, batch_size=1, parts_dir=tmp_path
    )
    assert len(groups) == 4
    assert all(len({prompt.ids[0] for prompt in group.prompts}) == 1 for group in groups)


def test_an_actor_keeps_to_its_model_and_helps_out_where_most_is_left() -> None:
    base, tuned = ModelRef("base", "x", "a"), ModelRef("tuned", "y", "b")
    assert model_for(None, waiting={base: 2, tuned: 2}, others=[]) == base
    assert model_for(None, waiting={base: 1, tuned: 2}, others=[base]) == tuned
    assert model_for(base, waiting={base: 1, tuned: 9}, others=[base]) == base
    assert model_for(base, waiting={base: 0, tuned: 1}, others=[tuned]) == tuned
    assert model_for(None, waiting={base: 8, tuned: 3}, others=[base, tuned]) == base
    assert model_for(base, waiting={base: 0, tuned: 0}, others=[tuned]) is None


class FakeActor:
    """Knows the models that it was asked with; its answers are the lengths of prompts."""

    def __init__(self) -> None:
        self.models: list[str] = []  # that it was asked with, in turn
        self.answer = self

    def remote(self, group: Group) -> Callable[[], list[Generation]]:
        if group.model.system not in self.models[-1:]:
            self.models.append(group.model.system)
        return lambda: [Generation([len(prompt.ids)], True) for prompt in group.prompts]


class FakeRay:
    """A reference is a function of no argument; the newest is ready first."""

    @staticmethod
    def wait(references: list[object]) -> tuple[list[object], list[object]]:
        return references[-1:], references[:-1]

    @staticmethod
    def get(reference: Callable[[], list[Generation]]) -> list[Generation]:
        return reference()


@pytest.mark.parametrize("num_actors", [1, 2, 4])
def test_every_group_is_answered_and_an_actor_loads_a_model_once(
    prompts: list[list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_actors: int
) -> None:
    groups, _ = groups_of(tmp_path, tmp_path, prompts)
    monkeypatch.setattr(pool, "ray", FakeRay)
    actors = [FakeActor() for _ in range(num_actors)]
    found = list(pool._answered(groups, actors))
    assert sorted(str(group.part) for group, _ in found) == sorted(str(group.part) for group in groups)
    for group, generations in found:
        assert [one.ids for one in generations] == [[len(prompt.ids)] for prompt in group.prompts]
    loaded = [actor.models for actor in actors]
    assert all(len(models) == len(set(models)) for models in loaded)
    if num_actors > 1:
        assert {models[0] for models in loaded} == {"base", "tuned"}


@pytest.mark.parametrize(("num_cpus", "num_actors"), [(1, 1), (1, 2), (2, 1), (2, 2), (8, 2), (64, 100)])
def test_actors_leave_a_cpu_to_others(num_cpus: int, num_actors: int) -> None:
    share = cpus_per_actor(num_cpus=num_cpus, num_actors=num_actors)
    assert 0 < share <= 1
    assert num_cpus - share * num_actors >= min(1, num_cpus / 2)
    assert num_cpus * int(1 / share) >= num_actors  # a place for each, even on nodes of one CPU


def test_a_part_with_other_samples_is_refused(prompts: list[list[int]], tmp_path: Path) -> None:
    first, second, *_ = groups_of(tmp_path, tmp_path, prompts)[0]
    write_part(first, [Generation([1], True)] * 8)
    assert read_part(first) == {prompt.sample_id: Generation([1], True) for prompt in first.prompts}
    first.part.rename(second.part)
    with pytest.raises(ArtifactError, match="other samples"):
        read_part(second)


def test_a_damaged_part_is_asked_again_or_says_the_same(
    prompts: list[list[int]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    group, *_ = groups_of(tmp_path, tmp_path, prompts[:4])[0]
    write_part(group, [Generation([1, 23, 456], True), Generation([], False)] * 2)
    answers, sound = read_part(group), group.part.read_bytes()
    for data in damaged(sound, every=1):
        group.part.write_bytes(data)
        found = pool.kept_part(group)
        told = capsys.readouterr().out
        assert found == answers if not told else "asked again" in told and str(group.part) in told
    group.part.unlink()
    assert pool.kept_part(group) is None
    assert capsys.readouterr().out == ""


def test_a_damaged_part_changes_no_answer(
    ray_local: None,
    model_folder: Path,
    prompts: list[list[int]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    groups, settings = groups_of(model_folder, tmp_path, prompts[:8])
    first = run(groups, settings)
    sound = groups[1].part.read_bytes()
    groups[1].part.write_bytes(sound[:-30])
    assert run(groups, settings) == first
    assert groups[1].part.read_bytes() == sound
    assert f"{len(groups) - 1} of {len(groups)} groups were answered before" in capsys.readouterr().out


def test_one_and_two_actors_say_what_the_engine_says(
    ray_local: None, model_folder: Path, prompts: list[list[int]], tmp_path: Path
) -> None:
    for num_actors in (1, 2):
        groups, settings = groups_of(model_folder, tmp_path / str(num_actors), prompts)
        found = run(groups, settings, num_actors=num_actors)
        assert found == alone(groups, settings)
        assert list(found) == ["base", "tuned"]
        assert len(found["tuned"]) == len(prompts)


def test_a_killed_actor_changes_no_answer(
    ray_local: None, model_folder: Path, prompts: list[list[int]], tmp_path: Path
) -> None:
    groups, settings = groups_of(model_folder, tmp_path, prompts, max_new_tokens=150)
    killed: list[int] = []
    done = threading.Event()

    def killer() -> None:
        while not done.wait(0.05) and not killed:
            answered = list(tmp_path.rglob("*.json"))
            victims = actor_pids()
            if len(answered) > 1 and victims:  # in the middle of the work
                killed.append(min(victims))
                os.kill(killed[-1], signal.SIGKILL)

    thread = threading.Thread(target=killer)
    thread.start()
    found = run(groups, settings)
    done.set()
    thread.join()
    assert len(killed) == 1
    assert found == alone(groups, settings)


DRIVER = """
import json, sys
from pathlib import Path
from launcher.cluster.ray_cluster import local_ray
sys.path.insert(0, str(Path("tests/eval/answering")))
from test_eval_pool import groups_of, run

folder, parts, prompts = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
with local_ray(num_cpus=2):
    run(*groups_of(folder, parts, prompts, max_new_tokens=150))
"""


@pytest.mark.slow
def test_a_killed_driver_loses_and_doubles_nothing(
    ray_local: None, model_folder: Path, prompts: list[list[int]], tmp_path: Path
) -> None:
    parts = tmp_path / "parts"
    command = [sys.executable, "-c", DRIVER, str(model_folder), str(parts), str(prompts)]
    driver = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    )
    deadline = time.monotonic() + 120
    while len(list(parts.rglob("*.json"))) < 2:
        assert driver.poll() is None, "the driver ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    driver.kill()
    driver.wait()
    kept = {path: path.stat().st_mtime_ns for path in parts.rglob("*.json") if path.name[0] != "."}
    groups, settings = groups_of(model_folder, parts, prompts, max_new_tokens=150)
    assert 2 <= len(kept) < len(groups)
    assert run(groups, settings) == alone(groups, settings)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_an_actor_that_always_dies_is_the_environments_fault(
    ray_local: None,
    model_folder: Path,
    prompts: list[list[int]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "MAX_RESTARTS", 0)
    groups, settings = groups_of(model_folder, tmp_path, prompts * 4, max_new_tokens=400)
    done = threading.Event()

    def killer() -> None:
        while not done.wait(0.05):
            for pid in actor_pids() if list(tmp_path.rglob("*.json")) else ():
                os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        with pytest.raises(pool.EnvironmentFailure, match="an eval actor died"):
            run(groups, settings, num_actors=1)
    finally:
        done.set()
        thread.join()
