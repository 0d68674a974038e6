"""Goals: met where every rival is beaten by the margin, surely, on enough answers."""

from typing import Any

import pytest

from eval.config import GoalConfig
from eval.scores.goals import check_goals, judge_goal
from eval.scores.metric import Answer, Reference
from eval.scores.score_table import metrics_of, score_task
from hunmin.errors import ConfigError
from hunmin.schema import TaskInfo, TaskScores
from launcher.commands.summary import as_text

INFO: TaskInfo = {"metrics": ["accuracy"], "labels": ["긍정", "부정"], "language": "ko"}
RIGHT = ["긍정", "부정"] * 100  # of 200 samples; the majority answer is right on half


def goal(**values: Any) -> GoalConfig:
    return GoalConfig.model_validate({"task": "sentiment", "metric": "accuracy", "margin": 0.15} | values)


def scores(*, num_right: int, num_base: int = 0, right: list[str] = RIGHT) -> TaskScores:
    """Tuned is right on the first `num_right` samples, base on the first `num_base`."""

    def said(count: int) -> list[Answer]:
        return [Answer(label if i < count else "모름", 1, True) for i, label in enumerate(right)]

    answers = {
        "base": said(num_base),
        "tuned": said(num_right),
        "majority": [Answer("긍정")] * len(right),
        "copy": [Answer("영화가 좋았다.")] * len(right),
        "first_sentence": [Answer("영화가 좋았다.")] * len(right),
    }
    return score_task(
        "sentiment",
        metrics=metrics_of("sentiment", INFO),
        references=[Reference([label], "ko", label) for label in right],
        families=[f"f{number}" for number in range(len(right))],
        answers=answers,
        num_resamples=500,
        seed=0,
    ).scores


def test_a_goal_is_met_when_every_rival_is_beaten_by_the_margin() -> None:
    found = judge_goal(goal(), scores(num_right=140))
    assert found["met"]
    assert (found["n"], found["tuned"]) == (200, 0.7)
    assert found["rivals"]["base"]["delta"]["value"] == pytest.approx(0.7)
    assert found["rivals"]["majority"]["delta"]["value"] == pytest.approx(0.2)
    assert found["rivals"]["copy"]["delta"]["value"] == pytest.approx(0.7)


def test_one_rival_too_near_is_enough_to_miss_it() -> None:
    found = judge_goal(goal(), scores(num_right=128))  # 0.64 against the majority's 0.5
    assert not found["met"]
    assert found["rivals"]["base"]["met"]
    assert not found["rivals"]["majority"]["met"]
    assert judge_goal(goal(over=["base"]), scores(num_right=128))["met"]
    assert not judge_goal(goal(over=["base"]), scores(num_right=128, num_base=120))["met"]


def test_a_difference_of_exactly_the_margin_is_enough() -> None:
    found = judge_goal(goal(over=["base"]), scores(num_right=70, num_base=40))
    assert found["rivals"]["base"]["delta"]["value"] < 0.15  # 0.35 - 0.2 in floats
    assert found["met"]


def test_a_margin_in_percent_is_told_from_a_ratio() -> None:
    translation: TaskInfo = {"metrics": ["bleu"], "labels": [], "language": "en"}
    check_goals([goal(task="translation", metric="bleu", margin=15)], {"translation": translation})
    with pytest.raises(ConfigError, match=r"bleu goes from 0 to 100; did you mean 15 instead of 0\.15"):
        check_goals([goal(task="translation", metric="bleu")], {"translation": translation})


def test_a_difference_that_may_be_chance_is_no_proof() -> None:
    few = scores(num_right=12, right=RIGHT[:20])  # 0.6 against 0.5
    found = judge_goal(goal(margin=0.05, over=["majority"], min_samples=10), few)
    assert found["rivals"]["majority"]["delta"]["value"] == pytest.approx(0.1)
    assert not found["met"]


def test_too_few_answers_or_none_miss_it() -> None:
    assert not judge_goal(goal(min_samples=201), scores(num_right=200))["met"]
    nothing = judge_goal(goal(), None)
    assert not nothing["met"]
    assert (nothing["n"], nothing["tuned"], nothing["rivals"]) == (0, None, {})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"task": "sentimnt"}, "no source has the task 'sentimnt'; did you mean sentiment?"),
        ({"metric": "bleu"}, "task sentiment is not scored by 'bleu'; known here: accuracy"),
        ({"margin": 15}, "eval.goals.1.margin: accuracy goes from 0 to 1; did you mean 0.15 instead of 15?"),
    ],
)
def test_a_goal_that_cannot_be_judged_is_refused(values: dict[str, Any], message: str) -> None:
    check_goals([goal()], {"sentiment": INFO})
    with pytest.raises(ConfigError, match=r"eval\.goals\.1") as caught:
        check_goals([goal(), goal(**values)], {"sentiment": INFO})
    assert message in str(caught.value)


def test_the_end_of_a_run_names_the_goal_and_its_nearest_rival() -> None:
    result: dict[str, Any] = {"run": "runs/a", "seconds": {}}
    lines = {
        num_right: as_text(
            result | {"goals": [judge_goal(goal(), scores(num_right=num_right))]}
        ).splitlines()[1]
        for num_right in (128, 140)
    }
    assert lines[140].startswith(
        "goal met: sentiment accuracy, n = 200: wanted tuned at least 0.15 above base"
    )
    assert "+0.20 [" in lines[140]
    assert lines[140].endswith("above majority")
    assert lines[128].startswith("goal NOT met")
    few = judge_goal(goal(min_samples=300), scores(num_right=200))
    assert "on fewer than 300 answers" in as_text(result | {"goals": [few]})
    assert "no answers" in as_text(result | {"goals": [judge_goal(goal(), None)]})
