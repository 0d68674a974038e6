"""Prompts cut into groups, and the files of their answers.

A group is a pure function of the prompts, and is answered and committed whole: which actor took it, when,
and how often it was tried changes nothing. What was committed before a kill is not asked again.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from eval.config import STAGE_VERSION
from eval.engines import Generation, GenerationSettings
from hunmin.artifact import read_sealed, write_sealed
from hunmin.errors import ArtifactError, one_line
from hunmin.hashing import sha256_json
from hunmin.progress import say


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
