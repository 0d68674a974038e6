"""Several answers to each sample: values by hand, and pass@k against counting."""

from itertools import combinations
from pathlib import Path

import pytest
from eval_stages import TASKS, default_rows
from pydantic import ValidationError

from eval.answering.asker import draw_seed
from eval.config import EvalConfig
from eval.probes import Material
from eval.samples.draws import pass_at_k, score_draws
from eval.samples.samples import draw_samples, make_samples
from eval.scores.metric import Answer
from eval.scores.score_table import metrics_of
from hunmin.schema import DRAWS


def test_pass_at_k_is_the_share_of_choices_with_a_right_one() -> None:
    for right in range(6):
        answers = [at < right for at in range(5)]
        for k in range(1, 6):
            chosen = [any(some) for some in combinations(answers, k)]
            assert pass_at_k(5, right, k) == pytest.approx(sum(chosen) / len(chosen))


def test_mean_and_spread_of_a_metric_over_the_draws() -> None:
    samples = draw_samples(make_samples(default_rows(), TASKS), per_task=None, seed=0)
    samples = [sample for sample in samples if sample.task == "sentiment"]  # 긍정 부정 긍정 긍정 부정
    metrics = {task: metrics_of(task, info) for task, info in TASKS.items()}
    material = Material(EvalConfig(), 0, Path(), TASKS, metrics, samples, [])
    said = [["긍정"] * 5, ["부정"] * 5, ["긍정", "부정", "긍정", "긍정", "부정"]]
    draws = [
        {name: [Answer(text, 1, True) for text in texts] for name in ("base", "tuned")} for texts in said
    ]
    scores, table = score_draws(samples, draws, material, prompts={one.sample_id: [1] for one in samples})
    accuracy = scores["sentiment"]["metrics"]["accuracy"]["tuned"]
    assert accuracy["mean"] == pytest.approx((0.6 + 0.4 + 1.0) / 3)
    assert accuracy["spread"] == pytest.approx((0.28 / 3) ** 0.5)  # variance of 0.6, 0.4, 1: 0.0933
    assert scores["sentiment"]["draws"] == 3
    assert table.schema.equals(DRAWS)
    assert table.column("draw").to_pylist() == [0] * 10 + [1] * 10 + [2] * 10


def test_several_answers_need_a_temperature_and_have_a_seed_each() -> None:
    with pytest.raises(
        ValidationError, match=r"at temperature 0 all answers are equal; set temperature: 0\.7"
    ):
        EvalConfig(num_answers=3)
    assert EvalConfig(num_answers=3, temperature=0.7).num_answers == 3
    assert draw_seed(5, 0) == 5
    assert len({draw_seed(seed, draw) for seed in (5, 6) for draw in range(10)}) == 20
