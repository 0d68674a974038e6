"""Held-out rows to samples: what is asked, and what a right answer is. And answers that need no model."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from eval.metrics.pass_at_1 import shown_tests
from eval.scores.labelled import LabelExtractor
from eval.scores.metric import Answer, Reference
from hunmin.models.answer_parts import AnswerReader
from hunmin.models.renderer import Renderer, RowRefused
from hunmin.models.written_calls import same_spelling, with_calls
from hunmin.rows import Message
from hunmin.schema import TaskInfo, TrainedKinds

_SENTENCE = re.compile(r".*?[.!?…][\"'”’)\]]*(?=\s|$)|.+")  # without DOTALL: at most the first line


@dataclass(frozen=True)
class Sample:
    """One assistant turn to be answered, after the true turns before it."""

    sample_id: str  # row_id/turn; in a held-out wording row_id/turn/wording_id
    row_id: str
    family_id: str
    turn: int  # counted over the row's assistant messages
    task: str
    wording_id: str | None
    messages: list[Message]  # the history; the last message is not the assistant's
    tools: str | None  # that the row has, as JSON text
    question: str  # the last user message
    text: str  # what the trivial baselines work on: the input, else the question
    reference: Reference
    calling: Message | None = None  # the right answer itself, where it calls tools


def make_samples(rows: Sequence[Mapping[str, Any]], tasks: Mapping[str, TaskInfo]) -> list[Sample]:
    """One sample per trained answer of each held-out row (schema.HELDOUT)."""
    extractors = {
        name: LabelExtractor(info["labels"]) for name, info in sorted(tasks.items()) if info["labels"]
    }
    tested = {name for name, info in tasks.items() if "pass_at_1" in info["metrics"]}
    return [
        sample
        for row in rows
        for sample in _samples_of(row, extractors.get(row["task"]), tested=row["task"] in tested)
    ]


def _samples_of(row: Mapping[str, Any], extract: LabelExtractor | None, *, tested: bool) -> Iterator[Sample]:
    messages = row["messages"]
    places = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    for turn, index in enumerate(places):
        answer = messages[index]
        if not answer["train"]:
            continue
        calls = same_spelling(answer.get("tool_calls") or [])
        texts = [with_calls(answer["content"], calls)]
        is_last = turn == len(places) - 1
        if is_last and not calls:  # a row's references are of its last answer
            texts += [text for text in row["references"] or [] if text not in texts]
        question = _last_user(messages[:index])
        fields = row["fields"] or {}
        yield Sample(
            sample_id=f"{row['row_id']}/{turn}" + ("" if row["seen_wording"] else f"/{row['wording_id']}"),
            row_id=row["row_id"],
            family_id=row["family_id"],
            turn=turn,
            task=row["task"],
            wording_id=row["wording_id"],
            messages=messages[:index],
            tools=row.get("tools"),
            question=question,
            text=(turn == 0 and fields.get("input")) or question,
            reference=Reference(
                texts,
                row["language"],
                _label(fields.get("label"), texts[0], extract),
                constraints=tuple(row["constraints"] or ()) if is_last else (),
                given=fields.get("input") or "",
                tests=shown_tests(question) if tested else (),
            ),
            calling=answer if calls else None,
        )


def as_written(samples: Sequence[Sample], reader: AnswerReader) -> tuple[list[Sample], dict[str, int]]:
    """The samples, right calls as they are read where a model writes them exactly; and how many are left out,
    by reason: those whose calls this template writes in a way that cannot be read.
    """
    kept: list[Sample] = []
    for sample in samples:
        if sample.calling is None:
            kept.append(sample)
        elif back := reader.read_back(sample.messages, sample.calling, sample.tools):
            kept.append(replace(sample, reference=replace(sample.reference, texts=[back.said])))
    num_unread = len(samples) - len(kept)
    return kept, {"unreadable_calls": num_unread} if num_unread else {}


def _label(declared: str | None, answer: str, extract: LabelExtractor | None) -> str | None:
    """The right label: as declared if it is one of the task's, else the one that the right answer gives."""
    if extract is None:
        return None
    return extract(declared or "") or extract(answer)


def _last_user(messages: Sequence[Mapping[str, Any]]) -> str:
    return next((message["content"] for message in reversed(messages) if message["role"] == "user"), "")


def draw_samples(samples: Sequence[Sample], *, per_task: int | None, seed: int) -> list[Sample]:
    """At most `per_task` samples of each task, drawn by hash, in canonical order: task, then id."""

    def lot(sample: Sample) -> str:
        return hashlib.sha256(f"{seed}:{sample.sample_id}".encode()).hexdigest()

    by_task: dict[str, list[Sample]] = {}
    for sample in sorted(samples, key=lot):
        by_task.setdefault(sample.task, []).append(sample)
    drawn = [sample for members in by_task.values() for sample in members[:per_task]]
    return sorted(drawn, key=lambda sample: (sample.task, sample.sample_id))


def render_prompts(
    samples: Sequence[Sample], *, renderer: Renderer, max_prompt_tokens: int
) -> tuple[dict[str, list[int]], dict[str, int]]:
    """Prompt ids by sample id, and how many samples cannot be asked, by reason."""
    prompts: dict[str, list[int]] = {}
    skipped: Counter[str] = Counter()
    for sample in samples:
        try:
            ids = renderer.prompt(sample.messages, sample.tools)
        except RowRefused as refusal:
            skipped[refusal.reason] += 1
            continue
        if len(ids) > max_prompt_tokens:
            skipped["prompt_too_long"] += 1
        else:
            prompts[sample.sample_id] = ids
    return prompts, dict(skipped)


def first_sentence(text: str) -> str:
    """The first sentence or line of a text."""
    found = _SENTENCE.match(text.strip())
    return found.group().rstrip() if found else ""


def baseline_answers(samples: Sequence[Sample], *, majority: Mapping[str, str]) -> dict[str, list[Answer]]:
    """What systems without a model answer, by system; `majority`: the commonest train answer by task."""
    return {
        "majority": [Answer(majority.get(sample.task, "")) for sample in samples],
        "copy": [Answer(sample.text) for sample in samples],
        "first_sentence": [Answer(first_sentence(sample.text)) for sample in samples],
    }


def read_heldout(path: Path) -> tuple[list[dict[str, Any]], dict[str, TaskInfo]]:
    """The rows of heldout.parquet, and its tasks by name."""
    table = pq.read_table(path)
    return table.to_pylist(), json.loads((table.schema.metadata or {})[b"hunmin"])["tasks"]


def read_trained(path: Path) -> TrainedKinds | None:
    """What heldout.parquet tells of the train split; None where it was written before it told that."""
    return json.loads((pq.read_schema(path).metadata or {})[b"hunmin"]).get("trained")
