"""Prompts cut into groups, and the files of their answers.

A group is a pure function of the prompts, and is answered and committed whole: which actor took it, when,
and how often it was tried changes nothing. What was committed before a kill is not asked again.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from eval.config import STAGE_VERSION
from eval.engines import Generation, GenerationSettings
from hunmin.artifact import read_sealed, write_sealed
from hunmin.errors import ArtifactError, one_line
from hunmin.hashing import sha256_json
from hunmin.progress import say

BATCHES_PER_GROUP = 8  # a batch refills within a group; what an actor has answered of one a kill loses


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
    """Prompts that one model answers in one call; `part` is where the answers go."""

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
    """Cut the prompts into groups of like size, of at most BATCHES_PER_GROUP batches, for each model in turn.

    Prompts that begin alike meet in a group, where what they share is read once; groups with the longest
    prompts come first. A part's name depends on all that its answers depend on, so a part that exists is the
    answer.
    """
    ordered = sorted(prompts, key=lambda prompt: (prompt.ids, prompt.sample_id))
    num_groups = math.ceil(len(ordered) / (batch_size * BATCHES_PER_GROUP))
    cuts = [len(ordered) * index // num_groups for index in range(num_groups + 1)] if ordered else []
    parts = sorted((ordered[start:end] for start, end in pairwise(cuts)), key=_longest, reverse=True)
    groups = []
    for model in models:
        for members in parts:
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


def _longest(prompts: Sequence[Prompt]) -> int:
    return max(len(prompt.ids) for prompt in prompts)


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


def kept_part(group: Group) -> dict[str, Generation] | None:
    """A group's answers from before; None where there are none, or none that are sound, which it says."""
    if not group.part.exists():
        return None
    try:
        return read_part(group)
    except ArtifactError as error:
        say(f"eval: {error.args[0].removesuffix('; delete it and run again')}; its samples are asked again")
        return None
