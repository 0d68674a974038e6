"""A sample with something around its request: worked examples, a request for steps, a role."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eval.samples.samples import Sample
from eval.samples.variants import request_and_input
from hunmin.hashing import stable_hash
from hunmin.language.script import language_of
from hunmin.language.variants.wrapper_words import ROLES, STEPS, wants_bare_answer
from hunmin.rows import Message
from hunmin.schema import CorpusSamples

NUM_EXAMPLES = 2
MAX_CHARS = 1_000  # of an example's question, and of its answer
FEW_SHOT, STEPWISE, ROLE = "few_shot", "chain_of_thought", "role"


@dataclass(frozen=True)
class Example:
    """A train row with a question and an answer; the split keeps it from the families of held-out rows."""

    row_id: str
    question: str
    answer: str


def read_examples(path: Path) -> dict[str, list[Example]]:
    """By task, the train rows that data/corpus.json shows whole and bare; none where there is no file."""
    if not path.exists():
        return {}
    corpus: CorpusSamples = json.loads(path.read_text(encoding="utf-8"))
    found: dict[str, list[Example]] = {}
    for row in (row for rows in corpus["kept"].values() for row in rows):
        kinds, texts = [kind for kind, _ in row["said"]], [text for _, text in row["said"]]
        is_whole = row["num_parts"] == 2 and all(len(text) <= MAX_CHARS for text in texts)
        if row["split"] == "train" and row["wrapper"] is None and kinds == ["user", "answer"] and is_whole:
            found.setdefault(row["task"], []).append(Example(row["row_id"], *texts))
    return found


def wrapped(sample: Sample, examples: Sequence[Example], *, seed: int, probe: str) -> list[Sample]:
    """The sample in each wrapper that goes with it; their `wording_id` is wrapper:name.

    None of a later turn, or of one with tools: what stands before it is its wrapper already.

    Args:
        examples: of the sample's task.
        probe: what the ids begin with.
    """
    if [message["role"] for message in sample.messages] != ["user"] or sample.tools:
        return []
    return [
        replace(
            sample,
            sample_id=f"{probe}:{sample.sample_id}/{name}",
            wording_id=f"wrapper:{name}",
            messages=messages,
            question=messages[-1]["content"],
        )
        for name, messages in _wrappers(sample, examples, seed)
    ]


def _wrappers(sample: Sample, examples: Sequence[Example], seed: int) -> Iterator[tuple[str, list[Message]]]:
    request, given = request_and_input(sample)
    language = _language(sample, request)
    shown = _choose(sample, examples, seed)
    if shown:
        turns = [turn for one in shown for turn in _exchange(one)]
        yield FEW_SHOT, [*turns, *sample.messages]
    if not wants_bare_answer(request):
        body = request.rstrip()
        steps = STEPS[language][0]
        asked = f"{body}\n{steps}{request[len(body) :]}{given}"
        yield STEPWISE, [{**sample.messages[0], "content": asked}]
    yield ROLE, [{"role": "system", "content": ROLES["assistant"][language][0]}, *sample.messages]


def _language(sample: Sample, request: str) -> str:
    """Of the wrapper: the request's, else the answer's, else English."""
    spoken = (language_of(request), sample.reference.language)
    return next((language for language in spoken if language in STEPS), "en")


def _choose(sample: Sample, examples: Sequence[Example], seed: int) -> list[Example]:
    """Examples answered in the sample's language, no two of one answer; none where there are too few."""
    mine = [one for one in examples if language_of(one.answer) == language_of(sample.reference.texts[0])]
    drawn = sorted(mine, key=lambda one: stable_hash(FEW_SHOT, seed, sample.sample_id, one.row_id))
    different = list({one.answer: one for one in reversed(drawn)}.values())[::-1][:NUM_EXAMPLES]
    return different if len(different) == NUM_EXAMPLES else []


def _exchange(example: Example) -> list[Message]:
    return [
        {"role": "user", "content": example.question},
        {"role": "assistant", "content": example.answer},
    ]


def by_wrapper(samples: Sequence[Sample]) -> Mapping[str, list[Sample]]:
    """Samples of `wrapped` by their wrapper."""
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault((sample.wording_id or "").partition(":")[2], []).append(sample)
    return found
