"""Asks models prompts, in one or several rounds: a round's prompts may hold what was answered before."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from eval.answering.groups import ModelRef, Prompt, make_groups
from eval.answering.pool import answer_groups
from eval.answering.room import Gpus
from eval.engines import Generation, GenerationSettings
from eval.scores.metric import Answer
from hunmin.hashing import sha256_json
from hunmin.models.answer_parts import AnswerReader
from hunmin.progress import say

Prompts = Mapping[str, Sequence[int]]  # ids, by sample id
Answers = dict[str, dict[str, Answer]]  # by system, by sample id


@dataclass
class Asker:
    """All that an answer depends on but its prompt, where it is worked out, and what failed so far."""

    models: Sequence[ModelRef]
    reader: AnswerReader
    settings: GenerationSettings
    batch_size: int
    parts_dir: Path  # answers of an earlier, stopped run are taken from here
    num_actors: int | None
    num_cpus: int
    gpus: Gpus
    gpus_per_model: int
    python: str | None
    failed: Counter[str] = field(default_factory=Counter)  # samples that a model could not answer, by reason

    def ask(self, asking: Sequence[tuple[Prompts, Sequence[str]]], *, draw: int = 0) -> Answers:
        """One round: the answers to prompts, each with the names of the systems that are asked.

        A prompt that a model fails at has an empty answer; it is said and counted.

        `draw`: which of several answers that are drawn to the same prompts; each has a seed of its own.
        """
        settings = replace(self.settings, seed=draw_seed(self.settings.seed, draw))
        groups = [
            group
            for prompts, systems in asking
            for group in make_groups(
                [Prompt(sample_id, list(ids)) for sample_id, ids in prompts.items()],
                models=[model for model in self.models if model.system in systems],
                settings=settings,
                batch_size=self.batch_size,
                parts_dir=self.parts_dir,
            )
        ]
        generations = answer_groups(
            groups,
            settings=settings,
            num_actors=self.num_actors,
            num_cpus=self.num_cpus,
            gpus=self.gpus,
            gpus_per_model=self.gpus_per_model,
            python=self.python,
        )
        self.failed += _failed(generations)
        return {
            system: {name: self._answer(one) for name, one in by_sample.items()}
            for system, by_sample in generations.items()
        }

    def _answer(self, one: Generation) -> Answer:
        parts = self.reader.read(one.ids)
        num_thought_tokens = None if parts.thought is None else self.reader.num_tokens(parts.thought)
        return Answer(parts.said, len(one.ids), one.stopped, parts.thought, num_thought_tokens)


def _failed(generations: Mapping[str, Mapping[str, Generation]]) -> Counter[str]:
    """How many samples a model could not answer, by reason, which is said."""
    failed = [
        (one.error, f"{name} ({system})")
        for system, by_sample in generations.items()
        for name, one in by_sample.items()
        if one.error is not None
    ]
    counts = Counter(error for error, _ in failed)
    for error, count in sorted(counts.items()):
        first = next(name for reason, name in failed if reason == error)
        say(f"eval: {count} samples failed in the model and count as empty answers: {error}; first {first}")
    return counts


def draw_seed(seed: int, draw: int) -> int:
    """The seed of the n-th answers; of the first the run's own, so that more draws leave it as it is."""
    return seed if draw == 0 else int(sha256_json({"seed": seed, "draw": draw})[:12], 16)
