"""The questions and words that lie beside this file as YAML, and how questions are drawn from them."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from eval.probes import Material
from eval.samples.samples import Sample
from eval.scores.metric import Reference
from hunmin.hashing import stable_hash

LANGUAGES = ("ko", "en")  # that every file has questions in

Item = Mapping[str, Any]  # id, language, text, and what the file's head says


@cache
def read(name: str) -> Mapping[str, Any]:
    """A file of this folder: labelled, pairs, personal, requests, tone."""
    return yaml.safe_load((Path(__file__).parent / f"{name}.yaml").read_text(encoding="utf-8"))


def languages_of(material: Material) -> tuple[str, ...]:
    """Those that held-out answers are in; a model is not asked in a language that it never learned.

    All, where the answers are in neither.
    """
    answered = {sample.reference.language for sample in (*material.samples, *material.unseen)}
    return tuple(language for language in LANGUAGES if language in answered) or LANGUAGES


def draw(items: Sequence[Item], material: Material) -> list[Item]:
    """At most `eval.safety` of the items, as many of each language that is asked, drawn by the run's seed."""
    asked = languages_of(material)
    lots = sorted(items, key=lambda item: stable_hash(material.seed, item["id"]))
    ranked = [
        (rank, item)
        for language in asked
        for rank, item in enumerate(item for item in lots if item["language"] == language)
    ]
    ranked.sort(key=lambda drawn: drawn[0])  # stable: the languages take turns
    return [item for _, item in ranked[: material.config.safety]]


def question(name: str, text: str, *, task: str, language: str, family: str | None = None) -> Sample:
    """A question of a probe's own; no metric reads its reference, for nobody says what is right.

    Args:
        name: its id, which begins with the probe's name.
        task: the probe's own word for a kind of question.
        family: questions that are drawn together by the bootstrap.
    """
    return Sample(
        sample_id=name,
        row_id=name,
        family_id=family or name,
        turn=0,
        task=task,
        wording_id=None,
        messages=[{"role": "user", "content": text}],
        tools=None,
        question=text,
        text=text,
        reference=Reference([], language, None),
    )
