"""Prompts cut into groups, and the files of their answers.

A group is a pure function of the prompts, and is answered and committed whole: which actor took it, when,
and how often it was tried changes nothing. What was committed before a kill is not asked again.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from eval.config import STAGE_VERSION
from eval.engines import Generation, GenerationSettings
from hunmin.artifact import write_parquet
from hunmin.errors import ArtifactError
from hunmin.hashing import sha256_json

PART = pa.schema([("sample_id", pa.string()), ("ids", pa.list_(pa.int32())), ("stopped", pa.bool_())])


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
            groups.append(Group(model, members, parts_dir / model.system / f"{key[:32]}.parquet"))
    return groups


def write_part(group: Group, generations: Sequence[Generation]) -> None:
    """Commit a group's answers, all or nothing."""
    table = pa.table(
        {
            "sample_id": [prompt.sample_id for prompt in group.prompts],
            "ids": [generation.ids for generation in generations],
            "stopped": [generation.stopped for generation in generations],
        },
        schema=PART,
    )
    group.part.parent.mkdir(parents=True, exist_ok=True)
    write_parquet(group.part, table)


def read_part(group: Group) -> dict[str, Generation]:
    """A group's committed answers by sample id.

    Raises:
        ArtifactError: the file holds other samples than the group.
    """
    rows = pq.read_table(group.part, schema=PART).to_pylist()
    if [row["sample_id"] for row in rows] != [prompt.sample_id for prompt in group.prompts]:
        raise ArtifactError(f"{group.part}: holds other samples than its name says; delete it and run again")
    return {row["sample_id"]: Generation(row["ids"], row["stopped"]) for row in rows}
