"""Which samples the page shows, and what is said of each."""

from typing import Any

from report_run import sample

from eval.report.sections import answers
from eval.report.sections.answers import Outcome

SCORES: Any = {
    "tasks": {
        "감성": {
            "metrics": {
                "macro_f1": {"unit": "ratio", "higher_is_better": True},
                "accuracy": {"unit": "ratio", "higher_is_better": True},
            }
        },
        "qa": {"metrics": {"exact_match": {"unit": "%", "higher_is_better": True}}},
        "mt": {"metrics": {"ter": {"unit": "%", "higher_is_better": False}}},
    }
}


def pair(
    task: str, base: dict[str, Any], tuned: dict[str, Any], name: str = "a:b:0.0/0"
) -> list[dict[str, Any]]:
    return [sample(name, "base", task, **base), sample(name, "tuned", task, **tuned)]


def outcome(rows: list[dict[str, Any]]) -> tuple[bool | None, str]:
    (found,) = answers.outcomes(rows, SCORES)
    return found.right, found.change


def test_a_label_is_right_or_wrong() -> None:
    base = {"label": "긍정", "extracted": None, "scores": [("accuracy", 0.0)]}
    tuned = {"label": "긍정", "extracted": "긍정", "scores": [("accuracy", 1.0)]}
    assert outcome(pair("감성", base, tuned)) == (True, "better")
    assert outcome(pair("감성", tuned, base)) == (False, "worse")
    assert outcome(pair("감성", base, base)) == (False, "same")


def test_exact_match_says_what_is_right() -> None:
    assert outcome(pair("qa", {"scores": [("exact_match", 0.0)]}, {"scores": [("exact_match", 100.0)]})) == (
        True,
        "better",
    )


def test_a_lower_score_may_be_better_and_nothing_is_right() -> None:
    assert outcome(pair("mt", {"scores": [("ter", 90.0)]}, {"scores": [("ter", 20.0)]})) == (None, "better")


def test_without_scores_of_samples_nothing_is_said() -> None:
    assert outcome(pair("mt", {}, {})) == (None, "")
    assert outcome(pair("unknown", {"scores": [("ter", 1.0)]}, {"scores": [("ter", 2.0)]})) == (None, "")
    assert outcome([sample("a:b:0.0/0", "tuned", "mt")]) == (None, "")
    assert answers.outcomes([sample("a:b:0.0/0", "copy", "mt")], SCORES) == []


def many(task: str, count: int, gain: float | None = 0.0) -> list[Outcome]:
    return [Outcome(f"{task}:{index}", task, None, gain) for index in range(count)]


def test_few_samples_are_all_shown() -> None:
    found = many("a", 7)
    choice = answers.choose_samples(found, dict.fromkeys((one.sample_id for one in found), 10))
    assert set(choice.reasons) == {one.sample_id for one in found}
    assert set(choice.reasons.values()) == {"drawn"}


def test_the_choice_does_not_depend_on_the_order_of_rows() -> None:
    found = many("a", 500) + many("b", 20)
    sizes = dict.fromkeys((one.sample_id for one in found), 10)
    choice = answers.choose_samples(found, sizes)
    assert choice == answers.choose_samples(found[::-1], sizes)
    assert choice.totals == {"a": 500, "b": 20}
    assert list(choice.reasons) == list(answers.choose_samples(found[::-1], sizes).reasons)
    assert sum(name.startswith("a:") for name in choice.reasons) == answers.MAX_PER_TASK


def chosen(found: list[Outcome], limit: int) -> dict[str, list[str]]:
    by_reason: dict[str, list[str]] = {}
    for name, reason in answers.share(found, limit).items():
        by_reason.setdefault(reason, []).append(name)
    return by_reason


def test_half_is_drawn_without_a_look_at_scores_and_extremes_come_from_the_rest() -> None:
    found = [Outcome(f"s{index}", "a", None, float(index - 500)) for index in range(1000)]
    assert chosen(found, 8) == {
        "drawn": ["s0", "s1", "s2", "s3"],  # in the order given, the hashes', though the largest losses
        "gain": ["s999", "s998"],
        "loss": ["s4", "s5"],
    }


def test_the_drawn_ones_have_their_share_of_gains_and_losses() -> None:
    gains = [1.0] * 59 + [-1.0] * 38 + [0.0] * 903
    found = [Outcome(f"s{index}", "a", None, gains[index * 7 % 1000]) for index in range(1000)]
    shown = chosen(found, 200)
    assert shown["drawn"] == [one.sample_id for one in found[:100]]
    by_id = {one.sample_id: one for one in found}
    assert {by_id[name].change for name in shown["drawn"]} == {"better", "worse", "same"}
    rest = found[100:]
    assert shown["gain"] == [one.sample_id for one in rest if one.change == "better"][:50]  # ties: by hash
    assert shown["loss"] == [one.sample_id for one in rest if one.change == "worse"][:50]
    assert sum(map(len, shown.values())) == 200


def test_where_extremes_are_few_others_fill_their_places() -> None:
    found = many("a", 9)
    assert chosen(found, 8) == {
        "drawn": [f"a:{index}" for index in range(4)],
        "filled": [f"a:{index}" for index in range(4, 8)],
    }
    found[8] = Outcome("a:8", "a", None, 0.5)
    assert chosen(found, 8)["filled"] == ["a:4", "a:5", "a:6"]
    assert chosen(found, 8)["gain"] == ["a:8"]
    assert chosen(found, 3) == {"drawn": ["a:0", "a:1", "a:2"]}


def test_a_change_is_named_with_its_metric_and_amount() -> None:
    def changed_by(unit: str, delta: float) -> str:
        outcome = Outcome("s", "mt", None, -delta, "ter", delta)
        return answers._changed_by(outcome, {"ter": unit})

    assert changed_by("%", -70.04) == "ter −70.0"
    assert changed_by("ratio", 0.25) == "ter +0.250"
    assert changed_by("%", -0.004) == "ter −0.004"  # not "ter 0.0"
    assert changed_by("%", 0.0) == ""


def test_long_texts_and_many_tasks_leave_fewer_samples() -> None:
    long = many("a", 1000)
    choice = answers.choose_samples(
        long, dict.fromkeys((one.sample_id for one in long), 3 * answers.MAX_CHARS * 3)
    )
    assert 0 < len(choice.reasons) * 9 * answers.MAX_CHARS <= answers.MAX_TEXT_BYTES
    tasks = [one for index in range(300) for one in many(f"t{index}", 50)]
    choice = answers.choose_samples(tasks, dict.fromkeys((one.sample_id for one in tasks), 10))
    assert len(choice.reasons) <= answers.MAX_SAMPLES
    assert choice.per_task == answers.MAX_SAMPLES // 300


def test_text_bytes_count_a_question_once_and_long_texts_in_part() -> None:
    rows = pair("mt", {"prompt": "질문", "references": ["답"], "answer": "abc"}, {"answer": "가" * 5000})
    rows.append(sample("a:b:0.0/0", "majority", "mt", answer="not counted"))
    assert answers.text_bytes(rows) == {"a:b:0.0/0": 6 + 3 + 3 + 3 * answers.MAX_CHARS}
