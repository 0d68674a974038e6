"""The seam of probes: what is asked besides the held-out rows. A module here is a probe and holds a `PROBE`.

A probe asks questions of its own (held-out rows changed a little, requests that a model should refuse), the
pool answers them with the others, and the probe says what the answers show. Its findings stand under its
name in `scores["probes"]`, questions and answers in `eval/probes.parquet`; a section of the page reads both.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.config import EvalConfig
from eval.samples.samples import Sample
from eval.scores.metric import Answer, Metric
from hunmin.registry import member, members
from hunmin.schema import TaskInfo


@dataclass(frozen=True)
class Material:
    """What probes make their questions of, and score their answers with."""

    config: EvalConfig
    seed: int
    data_dir: Path  # the finished data stage
    tasks: Mapping[str, TaskInfo]
    metrics: Mapping[str, Sequence[Metric]]  # by task
    samples: Sequence[Sample]  # the held-out rows that are asked, in canonical order
    unseen: Sequence[Sample]  # held-out rows in held-out wordings, all of them


# By system and sample id: those of the probe's questions and of `Material.samples`.
Answers = Mapping[str, Mapping[str, Answer]]


@dataclass(frozen=True)
class Findings:
    """What a probe found: JSON for scores.json, and numbers of each answer for probes.parquet."""

    scores: dict[str, Any]
    per_answer: Mapping[tuple[str, str], Mapping[str, float]]  # by (system, sample id)


@dataclass(frozen=True)
class Probe:
    """One probe. Both functions are pure: equal material and answers give equal questions and findings."""

    # The questions, none where the config asks for none. Their ids begin with `NAME:`, so that no two probes'
    # meet; `Sample.row_id` is of the held-out row that a question was made from, or of the probe's own item.
    ask: Callable[[Material], Sequence[Sample]]
    # Of the questions that could be asked; one whose prompt is too long is left out, and counted.
    judge: Callable[[Material, Sequence[Sample], Answers], Findings]
    systems: tuple[str, ...] = ("base", "tuned")  # that are asked
    of_heldout: bool = False  # it speaks of the held-out answers too, and judges even where it asks nothing


def probes() -> dict[str, Probe]:
    """All probes by name."""
    return {name: member(__name__, name, "PROBE") for name in members(Path(__file__).parent)}
