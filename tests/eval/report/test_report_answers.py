"""Which samples the page shows, and what is said of each."""

from typing import Any

from report_run import sample

from eval.report import answers
from eval.report.answers import Outcome

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
    choice = answers.choose(found, dict.fromkeys((one.sample_id for one in found), 10))
    assert set(choice.reasons) == {one.sample_id for one in found}
    assert set(choice.reasons.values()) == {"drawn"}


def test_the_choice_does_not_depend_on_the_order_of_rows() -> None:
    found = many("a", 500) + many("b", 20)
    sizes = dict.fromkeys((one.sample_id for one in found), 10)
    choice = answers.choose(found, sizes)
    assert choice == answers.choose(found[::-1], sizes)
    assert choice.totals == {"a": 500, "b": 20}
    assert list(choice.reasons) == list(answers.choose(found[::-1], sizes).reasons)
    assert sum(name.startswith("a:") for name in choice.reasons) == answers.MAX_PER_TASK


def test_extremes_are_marked_and_the_rest_is_drawn_without_a_look_at_scores() -> None:
    found = [Outcome(f"s{index}", "a", None, float(index - 500)) for index in range(1000)]
    shown = answers.share(found, 8)
    assert [name for name, reason in shown.items() if reason == "gain"] == ["s999", "s998"]
    assert [name for name, reason in shown.items() if reason == "loss"] == ["s0", "s1"]
    assert list(shown)[:4] == ["s2", "s3", "s4", "s5"]  # in the order given: that of the hashes
    assert answers.share(many("a", 9), 8) == dict.fromkeys((f"a:{index}" for index in range(8)), "drawn")


def test_long_texts_and_many_tasks_leave_fewer_samples() -> None:
    long = many("a", 1000)
    choice = answers.choose(long, dict.fromkeys((one.sample_id for one in long), 3 * answers.MAX_CHARS * 3))
    assert 0 < len(choice.reasons) * 9 * answers.MAX_CHARS <= answers.MAX_TEXT_BYTES
    tasks = [one for index in range(300) for one in many(f"t{index}", 50)]
    choice = answers.choose(tasks, dict.fromkeys((one.sample_id for one in tasks), 10))
    assert len(choice.reasons) <= answers.MAX_SAMPLES
    assert choice.per_task == answers.MAX_SAMPLES // 300


def test_text_bytes_count_a_question_once_and_long_texts_in_part() -> None:
    rows = pair("mt", {"prompt": "질문", "references": ["답"], "answer": "abc"}, {"answer": "가" * 5000})
    rows.append(sample("a:b:0.0/0", "majority", "mt", answer="not counted"))
    assert answers.text_bytes(rows) == {"a:b:0.0/0": 6 + 3 + 3 + 3 * answers.MAX_CHARS}
