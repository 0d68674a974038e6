"""The same rows in held-out wordings: who is asked again, and what the wording changes."""

import dataclasses

import pytest
from eval_stages import TASKS, default_rows

from eval.samples.samples import Sample, make_samples
from eval.samples.unseen_wordings import compare_wordings, draw_again
from eval.scores.metric import Answer
from eval.scores.score_table import metrics_of

SAMPLES = [sample for sample in make_samples(default_rows(), TASKS) if sample.task == "sentiment"]


def reworded(sample: Sample, wording: str = "sentiment/ko-10") -> Sample:
    return dataclasses.replace(sample, sample_id=f"{sample.sample_id}/{wording}", wording_id=wording)


def test_only_rows_that_are_asked_are_asked_again_up_to_a_limit() -> None:
    twins = [reworded(sample) for sample in SAMPLES]
    assert draw_again(SAMPLES, twins, per_task=50, seed=0) == twins
    assert draw_again(SAMPLES[1:3], twins, per_task=50, seed=0) == twins[1:3]
    assert len(draw_again(SAMPLES, twins, per_task=2, seed=0)) == 2
    assert draw_again(SAMPLES, twins, per_task=0, seed=0) == []
    more = [reworded(sample, "sentiment/ko-37") for sample in SAMPLES]
    assert draw_again(SAMPLES, [*twins, *more], per_task=50, seed=0) == twins, "each row once"


def test_scores_are_of_the_rows_that_were_asked_twice() -> None:
    again = [reworded(SAMPLES[0]), reworded(SAMPLES[1]), reworded(SAMPLES[3], "sentiment/ko-37")]
    right = {sample.sample_id: Answer(sample.reference.texts[0]) for sample in SAMPLES}
    right[SAMPLES[2].sample_id] = Answer("모름")  # wrong, and not asked again
    said = right | dict(
        zip((one.sample_id for one in again), (Answer("긍정"), Answer("긍정"), Answer("긍정")), strict=True)
    )
    compared = compare_wordings(
        SAMPLES,
        again,
        answers=said,
        metrics={"sentiment": metrics_of("sentiment", TASKS["sentiment"])},
        num_resamples=20,
        seed=0,
    )
    found = compared.scores["sentiment"]
    assert (found["n"], found["wordings"]) == (3, 2)
    accuracy = found["metrics"]["accuracy"]  # 긍정, 부정, 긍정 answered with 긍정 each
    assert accuracy["seen"]["value"] == 1.0
    assert accuracy["unseen"]["value"] == pytest.approx(2 / 3)
    assert accuracy["delta"]["value"] == pytest.approx(-1 / 3)
    assert [compared.per_sample[one.sample_id]["accuracy"] for one in again] == [1, 0, 1]
