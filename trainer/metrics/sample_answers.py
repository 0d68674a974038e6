"""Answers to a few validation rows while training: what a loss cannot tell.

Greedy, without a cache: every new token costs a forward over all prompts together, collective under ZeRO-3.
So few rows, short ones, and at most MAX_NEW_TOKENS.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from hunmin.models.renderer import Renderer
from hunmin.models.tokenizer import load_tokenizer
from hunmin.schema import IGNORE_INDEX, SampleAnswer, SampleMetrics
from trainer.batches.packs import Pack, PackFolder, Segments

MAX_NEW_TOKENS = 24
MAX_PROMPT_TOKENS = 256
MAX_PACKS_READ = 32  # of a task, in search of short rows


class Engine(Protocol):
    """What the answers are asked of: zero3.Zero3."""

    def train(self, mode: bool = True) -> None:
        """Training or evaluation mode."""
        ...

    def next_tokens(self, input_ids: Tensor, position_ids: Tensor, cu_seqlens: Tensor) -> Tensor:
        """The likeliest token after each segment."""
        ...


# (input_ids (T,), position_ids (T,), cu_seqlens (S + 1,)) -> the likeliest token after each segment (S,)
NextTokens = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Question:
    """A prompt of a validation row, and the answer it has in the corpus, as ids."""

    task: str
    prompt: list[int]
    reference: list[int]


def choose_questions(packs: PackFolder, count: int) -> list[Question]:
    """The first short rows, a task after the other: a pure function of the packs.

    Of the packs only those are read in which the rows lie, and of a task without short rows MAX_PACKS_READ.
    """
    if not count:
        return []
    segments, read = packs.segments(), lru_cache(maxsize=MAX_PACKS_READ)(packs.__getitem__)
    of_tasks = [_questions(task, segments, read, packs.tasks) for task in range(len(packs.tasks))]
    found: list[Question] = []
    while of_tasks and len(found) < count:
        for questions in list(of_tasks):
            if (question := next(questions, None)) is None:
                of_tasks.remove(questions)
            elif len(found) < count:
                found.append(question)
    return found


def _questions(
    task: int, segments: Segments, read: Callable[[int], Pack], names: Sequence[str]
) -> Iterator[Question]:
    """A task's questions in the order of packs, which are read as they are asked for."""
    for index in np.unique(segments.packs[segments.tasks == task])[:MAX_PACKS_READ]:
        pack = read(int(index))
        starts = np.cumsum(pack.seq_lengths) - pack.seq_lengths
        for segment in np.flatnonzero(pack.tasks == task):
            row = slice(starts[segment], starts[segment] + pack.seq_lengths[segment])
            ids, trained = pack.input_ids[row], np.flatnonzero(pack.labels[row] != IGNORE_INDEX)
            if not len(trained) or not 0 < trained[0] <= MAX_PROMPT_TOKENS:
                continue
            gaps = np.flatnonzero(np.diff(trained) > 1)  # a conversation has several answers: the first
            end = trained[gaps[0]] if len(gaps) else trained[-1]
            yield Question(names[task], ids[: trained[0]].tolist(), ids[trained[0] : end + 1].tolist())


def answer_questions(
    questions: Sequence[Question], next_tokens: NextTokens, stop_ids: Sequence[int]
) -> list[list[int]]:
    """Greedy answers, without their stop token. Collective: all ranks ask the same."""
    answers: list[list[int]] = [[] for _ in questions]
    open_ones = list(range(len(questions)))
    for _ in range(MAX_NEW_TOKENS):
        if not open_ones:
            break
        rows = [questions[index].prompt + answers[index] for index in open_ones]
        lengths = [len(row) for row in rows]
        chosen = next_tokens(
            torch.tensor([token for row in rows for token in row]),
            torch.cat([torch.arange(length) for length in lengths]),
            torch.tensor([0, *np.cumsum(lengths)], dtype=torch.int32),
        ).tolist()
        ended = {index for index, token in zip(open_ones, chosen, strict=True) if token in stop_ids}
        for index, token in zip(open_ones, chosen, strict=True):
            if index not in ended:
                answers[index].append(token)
        open_ones = [index for index in open_ones if index not in ended]
    return answers


class Sampler:
    """Asks the same rows again and again."""

    def __init__(self, questions: Sequence[Question], tokenizer_dir: Path):
        """Ask these, the same on all ranks."""
        self._questions = questions
        self._tokenizer = load_tokenizer(tokenizer_dir)
        self._stop_ids = Renderer(self._tokenizer).stop_ids

    def ask(self, engine: Engine, *, step: int) -> SampleMetrics:
        """What the model says now. Collective."""
        engine.train(False)
        answers = answer_questions(self._questions, engine.next_tokens, self._stop_ids)
        engine.train()
        samples = [
            SampleAnswer(
                task=question.task,
                prompt=self._text(question.prompt),
                reference=self._text(question.reference),
                answer=self._text(ids),
            )
            for question, ids in zip(self._questions, answers, strict=True)
        ]
        return {"kind": "samples", "step": step, "samples": samples}

    def _text(self, ids: list[int]) -> str:
        text = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        assert isinstance(text, str), "one row gives one text"
        return text
