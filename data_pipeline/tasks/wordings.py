"""Which wordings of a task are true of a row, and the draw of one: a function of (seed, row, epoch, repeat).

A wording is paired with an answer only where all it says holds: `when` of the row, `attested` by the row's
source, `requires` verified on the answer, `answer` written anew by a renderer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest

import numpy as np

from data_pipeline.tasks.tasks import AnswerWriter, Task, When, Wording
from hunmin.hashing import GOLDEN, SPLITMIX_64, mixed, stable_hash
from hunmin.language.answers.constraints import check_of, scale_of
from hunmin.language.answers.forms import Answered
from hunmin.language.answers.label_answers import fill, rating_on
from hunmin.language.script import language_of
from hunmin.rows import Row


@dataclass(frozen=True, slots=True)
class Choice:
    """A wording that is true of a row, with the answer it asks for."""

    instruction: str
    wording_id: str  # task/id
    axis: str
    answer: str
    references: list[str]
    constraints: list[str] = field(default_factory=list)  # checks that were verified on the answer
    transforms: list[str] = field(default_factory=list)  # answer:score where a renderer wrote the answer
    label: str | None = None  # that eval finds in the answer; None where it holds none


def true_choices(task: Task, row: Row, *, heldout: bool = False, cross_language: bool = True) -> list[Choice]:
    """Every wording that is true of a row, in the bank's order.

    Args:
        row: a line of schema.ROW; `attests` holds what its source attests, where that is known. A row with
            an instruction of its own, or with messages, gets none.
        heldout: of the wordings that nothing is trained in, instead of those that are trained.
        cross_language: also those in neither the input's nor the answer's language.
    """
    if _asks_already(row):
        return []
    facts = _Facts(row)
    bank = _bank(task, facts, heldout=heldout, cross_language=cross_language)
    return [choice for wording in bank if (choice := _choice(task, wording, facts)) is not None]


def draw_choice(
    task: Task,
    row: Row,
    *,
    seed: int,
    epoch: int,
    repeat: int,
    plain: bool = False,
    cross_language: bool = True,
) -> Choice | None:
    """One of `true_choices`, each as likely as another; None where there is none.

    The bank is gone through in an order drawn by hash, and the first true wording is taken: uniform over
    the true ones, without a look at the others.

    Args:
        plain: leave out the wordings whose answer a renderer writes; what is asked to be scored by its own
            label or reference is asked so.
    """
    drawn = stable_hash("wording", seed, row["row_id"], epoch, repeat)
    return next(_drawn(task, row, drawn, plain=plain, heldout=False, cross_language=cross_language), None)


def draw_heldout(
    task: Task, row: Row, *, seed: int, at_most: int, cross_language: bool = True
) -> list[Choice]:
    """Held-out wordings that are true of a row: one of each axis, before a second one of any.

    The order is drawn by hash: a lower `at_most` gives the first ones of the same list. Wordings whose answer
    a renderer writes are left out, as in `draw_choice`.
    """
    drawn = stable_hash("wording", seed, row["row_id"], 0, 0)
    by_axis: dict[str, list[Choice]] = {}
    for choice in _drawn(task, row, drawn, plain=True, heldout=True, cross_language=cross_language):
        by_axis.setdefault(choice.axis, []).append(choice)
    rounds = zip_longest(*by_axis.values())
    return [choice for one_of_each in rounds for choice in one_of_each if choice is not None][:at_most]


def _drawn(
    task: Task, row: Row, state: int, *, plain: bool, heldout: bool, cross_language: bool
) -> Iterator[Choice]:
    """The true wordings of a row in the order drawn by a 64-bit hash, each looked at when asked for."""
    if _asks_already(row):
        return
    facts = _Facts(row)
    bank = [
        one
        for one in _bank(task, facts, heldout=heldout, cross_language=cross_language)
        if not (plain and one.answer)
    ]
    choices = (_choice(task, wording, facts) for wording in _shuffled(bank, state))
    yield from (choice for choice in choices if choice is not None)


def _asks_already(row: Row) -> bool:
    return bool(row.get("messages") or row["fields"].get("instruction"))


class _Facts:
    """What wordings ask of a row, each computed once and only where one asks."""

    def __init__(self, row: Row):
        fields = row["fields"]
        self.answer: str = fields["answer"]
        self.input: str = fields.get("input") or ""
        self.label: str | None = fields.get("label")
        self.value: str | None = fields.get("value")
        self.language: str = row["language"]
        self.references: list[str] = row.get("references") or [self.answer]
        self.attests = frozenset(row.get("attests") or ())

    @cached_property
    def answered(self) -> Answered:
        return Answered(self.answer, self.input)

    @cached_property
    def input_language(self) -> str:
        return language_of(self.input)

    @cached_property
    def label_sets(self) -> set[frozenset[str]]:
        """The sets of labels that the source attests it tells apart: labels:긍정/부정/중립."""
        sets = (text.partition(":")[2] for text in self.attests if text.startswith("labels:"))
        return {frozenset(labels.split("/")) for labels in sets}


def _bank(task: Task, facts: _Facts, *, heldout: bool, cross_language: bool) -> list[Wording]:
    """The wordings that are tried on a row; those in foreign languages too, where there are no others."""
    bank = [wording for wording in task.wordings if wording.heldout == heldout]
    if cross_language:
        return bank

    def is_own(wording: Wording) -> bool:
        written = task.renderers[wording.answer].language if wording.answer else facts.language
        return wording.language in (written, facts.input_language)

    return [wording for wording in bank if is_own(wording)] or bank


def _choice(task: Task, wording: Wording, facts: _Facts) -> Choice | None:
    """The wording with its answer, or None where it is not true of the row."""
    if wording.attested and not facts.attests.issuperset(wording.attested):
        return None
    renderer = task.renderers[wording.answer] if wording.answer else None
    if not _holds(wording.when, facts, renderer.language if renderer else facts.language):
        return None
    if renderer is None:
        answered, references, label = facts.answered, facts.references, facts.label
    else:
        answer = _rendered(renderer, facts)
        if answer is None:
            return None
        answered, references = Answered(answer, facts.input), [answer]
        label = _label_in(answer, facts.label, task.labels)
    if not all(check_of(name)(answered) for name in wording.requires):
        return None
    return Choice(
        instruction=wording.text,
        wording_id=f"{task.name}/{wording.id}",
        axis=wording.axis,
        answer=answered.answer,
        references=list(references),
        constraints=list(wording.requires),
        transforms=[f"answer:{wording.answer}"] if renderer else [],
        label=label,
    )


def _holds(when: When, facts: _Facts, language: str) -> bool:
    """Cheap conditions first: most wordings fall by the language."""
    return (
        (when.language is None or when.language == language)
        and (when.input is None or when.input == bool(facts.input))
        and (when.scale is None or f"scale:{when.scale}" in facts.attests)
        and (not when.labels or (facts.label in when.labels and frozenset(when.labels) in facts.label_sets))
        and (when.input_language is None or when.input_language == facts.input_language)
    )


def _rendered(renderer: AnswerWriter, facts: _Facts) -> str | None:
    """The answer a renderer writes for a row; None where it has none."""
    if renderer.answers:
        return renderer.answers.get(facts.label or "")
    slots = {"label": facts.label or "", "value": facts.value or ""}
    if renderer.scales:
        slots["value"] = _rating(renderer, facts) or ""
    assert renderer.text is not None
    return fill(renderer.text, slots)


def _label_in(answer: str, label: str | None, labels: Sequence[str]) -> str | None:
    """The label that a written answer gives: itself where it is one, else the row's where it names that."""
    if answer in labels:
        return answer
    return label if label and label in answer else None


def _rating(renderer: AnswerWriter, facts: _Facts) -> str | None:
    """The row's rating on the renderer's scale, where the source attests the scale it stands on."""
    scale = next((scale for scale in renderer.scales if f"scale:{scale}" in facts.attests), None)
    return scale and rating_on(facts.value or "", scale_of(scale), divide=renderer.scales[scale])


def _shuffled(bank: list[Wording], state: int) -> Iterator[Wording]:
    """The bank in an order drawn from a 64-bit hash, step by step (Fisher and Yates, SplitMix64)."""
    steps = np.arange(1, len(bank) + 1, dtype=np.uint64)
    places = mixed(steps * np.uint64(GOLDEN) + np.uint64(state), SPLITMIX_64) % steps[::-1]
    for place in places.tolist():
        yield bank[place]
        bank[place] = bank[-1]
        bank.pop()
