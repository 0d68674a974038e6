"""The first lines of the page: what they say of scores that are clear, mixed, few, leaked or not there."""

from typing import Any

import pytest
from report_run import small_run

from eval.report.sections import facts as first
from eval.report.sections import results
from eval.report.sections.facts import Fact


def facts(*, tasks: tuple[str, ...] = ("감성", "translation", "chat"), **changes: Any) -> dict[str, Fact]:
    """The facts of the fixture's run by their names, over these of its tasks."""
    spec = small_run()
    scores: Any = {"tasks": {task: spec.scores["tasks"][task] for task in tasks}}
    for task in scores["tasks"].values():
        for metric in task["metrics"].values():
            metric |= changes.get("metric", {})
    stats: Any = {"contamination": {"leaks": changes.get("leaks", {}), "allowed": None}}
    return {fact.name: fact for _, fact in first.first_facts(results.headlines(scores), scores, stats)}


@pytest.mark.parametrize(
    ("tasks", "value", "note", "verdict"),
    [
        (("감성",), "better on 1 of 1 task", "감성 +75.0 accuracy", "better"),
        (("chat",), "worse on 1 of 1 task", "chat −3.0 chrf", "worse"),
        (("translation",), "no clear difference on any of 1 task", "", "unclear"),
        (("감성", "translation"), "better on 1 of 2 tasks", "감성 +75.0 accuracy", "better"),
        (
            ("감성", "translation", "chat"),
            "better on 1 and worse on 1 of 3 tasks",
            "감성 +75.0 accuracy; chat −3.0 chrf",
            "",
        ),
    ],
)
def test_better_or_worse_by_how_much_and_on_what(
    tasks: tuple[str, ...], value: str, note: str, verdict: str
) -> None:
    found = facts(tasks=tasks)["Better than its base?"]
    assert (found.value, found.note, found.verdict) == (value, note, verdict)


def test_few_answers_are_too_few_to_tell() -> None:
    found = facts(tasks=("감성", "chat"), metric={"n": 3})
    assert found["Better than its base?"].value == "no clear difference on any of 2 tasks"
    assert found["Can that be trusted?"].note == "2 tasks with fewer than 10, too few to tell"


def test_answers_that_were_trained_on_are_said_first() -> None:
    found = facts(leaks={"exact": 3, "ngram": 1_200})["Can that be trusted?"]
    assert found.note.startswith("1,203 of the held-out rows were trained on")
    assert found.verdict == "worse"
    clean = facts()["Can that be trusted?"]
    assert (clean.value, clean.verdict) == ("42 held-out answers", "")


def test_the_loss_in_unseen_wordings_is_told() -> None:
    found = facts()["In wordings it never saw?"]
    assert (found.value, found.verdict) == ("−25.0 accuracy on 감성", "worse")
    assert "In wordings it never saw?" not in facts(tasks=("chat",))


def test_nothing_asked_is_nothing_known() -> None:
    found = facts(tasks=())
    assert [fact.value for fact in found.values()] == ["not known"]
